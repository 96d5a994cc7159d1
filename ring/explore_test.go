//go:build explore

package ring

import (
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// scenario is a program over a queue of some capacity, judged by the ledger.
type scenario struct {
	name     string
	capacity int
	bound    int
	run      func(l *ledger)
}

func (s scenario) body(mutate func(*MPSC[ev]) queue) func(x *explore.X) {
	return func(x *explore.X) { s.run(newLedger(x, s.capacity, mutate)) }
}

// singles: two producers push two events each and wait for room.
func singles(l *ledger) {
	for by, name := range []string{"a", "b"} {
		l.x.Go(name, func() {
			for n := range 2 {
				l.pushWait(ev{by, n})
			}
		})
	}
	l.x.Go("consumer", func() { l.popWait(4) })
}

// TestExploreRelease: singles published by CommitRelease, for a consumer who polls. What
// the explorer shows of it is said of laneScenario.
func TestExploreRelease(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		r, err := New[ev](3)
		if err != nil {
			x.Failf("%v", err)
		}
		l := ledgerOf(x, r, 3, int(r.size))
		for by, name := range []string{"a", "b"} {
			x.Go(name, func() {
				for n := range 2 {
					for !l.release(r, ev{by, n}) {
						atom.Spin()
					}
				}
			})
		}
		x.Go("consumer", func() { l.popWait(4) })
	})
}

// releaser is what can publish for a consumer who polls.
type releaser interface {
	Reserve(n int) (Claim, Status)
	Slot(c Claim, i int) *ev
	CommitRelease(c Claim)
}

// release appends an event by CommitRelease, if there is room.
func (l *ledger) release(q releaser, v ev) bool {
	c := l.begin(1)
	claim, st := q.Reserve(1)
	l.judge(c, st)
	if st != OK {
		return false
	}
	*q.Slot(claim, 0) = v
	q.CommitRelease(claim)
	l.busy.add(-1)
	l.accept(c, []ev{v})
	return true
}

// batches: a run of two and a single event, popped by PopN.
func batches(l *ledger) {
	l.x.Go("a", func() {
		for l.pushN(ev{0, 0}, ev{0, 1}) != OK {
			atom.Spin()
		}
	})
	l.x.Go("b", func() {
		for n := range 2 {
			l.pushWait(ev{1, n})
		}
	})
	l.x.Go("consumer", func() {
		for len(l.popped) < 4 {
			if l.popN(3) == 0 {
				atom.Spin()
			}
		}
	})
}

// runs: the same read in place, one of two at a time, so that runs are joined
// and taken in parts.
func runs(l *ledger) {
	l.x.Go("a", func() { l.pushN(ev{0, 0}, ev{0, 1}) })
	l.x.Go("b", func() { l.push(ev{1, 0}) })
	l.x.Go("consumer", func() {
		for range 2 {
			l.ready(2, 1)
			l.ready(3, 3)
		}
	})
}

// held: a producer is slow between reserve and commit while another one
// pushes; the consumer must see neither Empty nor the younger event.
func held(l *ledger) {
	l.x.Go("slow", func() {
		l.inPlace(func() { l.idle() }, ev{0, 0})
	})
	l.x.Go("b", func() {
		l.push(ev{1, 0})
		l.push(ev{1, 1})
	})
	l.x.Go("consumer", func() {
		for range 3 {
			l.look()
			l.pop()
		}
	})
}

// full: more pushes than room, none is repeated.
func full(l *ledger) {
	for by, name := range []string{"a", "b"} {
		l.x.Go(name, func() {
			for n := range 2 {
				l.push(ev{by, n})
			}
		})
	}
	l.x.Go("consumer", func() {
		for range 3 {
			l.pop()
		}
	})
}

// room: one event at most is in the ring besides the pusher's, so with room
// for two nobody may hear Full, however old his ticket or his credit is. In place,
// because a Push asks twice.
func room(l *ledger) {
	l.x.Go("a", func() { l.inPlace(func() {}, ev{0, 0}) })
	l.x.Go("b and consumer", func() {
		for n := range 3 {
			l.push(ev{1, n})
			l.pop()
			l.pop()
		}
	})
}

// parts: as much as fits of two events, while others take and give room.
func parts(l *ledger) {
	l.x.Go("a", func() {
		if n := l.upTo(ev{0, 0}, ev{0, 1}); n < 2 {
			l.upTo([]ev{{0, 0}, {0, 1}}[n:]...)
		}
	})
	l.x.Go("b", func() {
		l.push(ev{1, 0})
		l.push(ev{1, 1})
	})
	l.x.Go("consumer", func() {
		for range 3 {
			l.pop()
		}
	})
}

// drainClosed drains a ring that was closed: the first Empty is final.
func (l *ledger) drainClosed() {
	for {
		switch l.pop() {
		case InFlight:
			atom.Spin()
		case Empty:
			if n := l.q.Accepted(); n != uint64(len(l.popped)) {
				l.x.Failf("Empty after Close with %d drained of %d", len(l.popped), n)
			}
			return
		case Event:
		}
	}
}

// closing: Close races a push, a reserve of two, and the drain. The first
// Empty after Close is final.
func closing(l *ledger) {
	l.x.Go("a", func() {
		l.push(ev{0, 0})
		l.push(ev{0, 1})
	})
	l.x.Go("b", func() { l.inPlace(func() {}, ev{1, 0}, ev{1, 1}) })
	l.x.Go("consumer", func() {
		l.pop()
		l.close()
		l.drainClosed()
	})
}

// closer: Close by a third party, twice.
func closer(l *ledger) {
	l.x.Go("a", func() {
		for n := range 2 {
			l.push(ev{0, n})
		}
	})
	l.x.Go("closer", func() {
		l.close()
		l.close()
		if st := l.push(ev{1, 0}); st != Closed {
			l.x.Failf("a push after Close answers %v", st)
		}
	})
	l.x.Go("consumer", func() {
		for range 2 {
			l.pop()
		}
	})
}

// idling: a third party asks whether the ring is idle.
func idling(l *ledger) {
	l.x.Go("a", func() {
		for n := range 2 {
			l.push(ev{0, n})
		}
	})
	l.x.Go("observer", func() {
		l.idle()
		l.idle()
	})
	l.x.Go("consumer", func() {
		var pause atom.Uint32
		for range 3 {
			l.pop()
			pause.Load() // others may run while no Pop is under way
		}
	})
}

// trigger: the protocol that users build on Commit. A producer publishes and
// then loads the state of the runner; when it says that he must look again
// anyway, the load is all. Nothing may be left behind.
func trigger(l *ledger) {
	const (
		none  = iota // nobody runs
		runs         // somebody runs
		again        // and must look again before he ends
	)
	var state atom.Uint32
	l.x.Label(unsafe.Pointer(&state), "state")
	run := func() {
		for {
			state.Store(runs)
			for l.pop() == Event {
			}
			if state.CompareAndSwap(runs, none) {
				return
			}
		}
	}
	for by, name := range []string{"a", "b", "c"} {
		l.x.Go(name, func() {
			l.push(ev{by, 0})
			for {
				switch s := state.Load(); {
				case s == again, s == runs && state.CompareAndSwap(runs, again):
					return
				case s == none && state.CompareAndSwap(none, runs):
					run()
					return
				}
			}
		})
	}
	l.x.Check(func() {
		if n := l.q.Accepted(); n != uint64(len(l.popped)) {
			l.x.Failf("%d events left behind", n-uint64(len(l.popped)))
		}
	})
}

// tries: the fast paths beside each other, beside a run, and in the middle of one.
func tries(l *ledger) {
	l.x.Go("a", func() {
		l.tryPush(ev{0, 0})
		l.tryPush(ev{0, 1})
	})
	l.x.Go("b", func() { l.pushN(ev{1, 0}, ev{1, 1}) })
	l.x.Go("consumer", func() {
		l.tryPop()
		l.ready(2, 1)
		l.tryPop()
		l.pop()
	})
}

// tryClosing: Close beside fast pushes; the first Empty after it is final.
func tryClosing(l *ledger) {
	for by, name := range []string{"a", "b"} {
		l.x.Go(name, func() {
			l.tryPush(ev{by, 0})
			l.tryPush(ev{by, 1})
		})
	}
	l.x.Go("consumer", func() {
		l.tryPop()
		l.close()
		l.drainClosed()
	})
}

// scenarios: the bound on preemptions is what takes about a second.
var scenarios = []scenario{
	{"singles/capacity=1", 1, 2, singles},
	{"singles/capacity=2", 2, 2, singles},
	{"singles/capacity=3", 3, 3, singles},
	{"batches/capacity=2", 2, 3, batches},
	{"batches/capacity=3", 3, 3, batches},
	{"runs/capacity=2", 2, 4, runs},
	{"runs/capacity=3", 3, 4, runs},
	{"runs/capacity=4", 4, 4, runs},
	{"held/capacity=2", 2, 3, held},
	{"held/capacity=4", 4, 3, held},
	{"full/capacity=1", 1, 3, full},
	{"full/capacity=2", 2, 3, full},
	{"full/capacity=3", 3, 3, full},
	{"room/capacity=2", 2, 4, room},
	{"room/capacity=3", 3, 4, room},
	{"parts/capacity=2", 2, 3, parts},
	{"parts/capacity=3", 3, 3, parts},
	{"closing/capacity=2", 2, 3, closing},
	{"closing/capacity=4", 4, 3, closing},
	{"closer/capacity=2", 2, 3, closer},
	{"idling/capacity=2", 2, 3, idling},
	{"idling/capacity=3", 3, 3, idling},
	{"tries/capacity=2", 2, 3, tries},
	{"tries/capacity=3", 3, 3, tries},
	{"tryclosing/capacity=1", 1, 2, tryClosing},
	{"tryclosing/capacity=2", 2, 2, tryClosing},
	{"trigger/capacity=2", 2, 2, trigger},
	{"trigger/capacity=4", 4, 2, trigger},
}

func TestExplore(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { explore.Test(t, explore.Options{Preemptions: s.bound}, s.body(nil)) })
	}
}
