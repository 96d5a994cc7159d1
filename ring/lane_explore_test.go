//go:build explore

package ring

import (
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// laneScenario is a program over a lane, judged by the ledger, for which an event
// counts from its commit on.
//
// The explorer knows no weaker memory than a sequentially consistent one, and
// CommitRelease is an atomic store here. What it shows of it is that no clause needs
// more than the order of the two sides' own accesses. That a plain store keeps that
// order is what amd64 promises, see storeRelease.
type laneScenario struct {
	name     string
	capacity int
	bound    int
	run      func(l *ledger, q *Lane[ev])
}

func (s laneScenario) body(x *explore.X) {
	q, err := NewLane[ev](s.capacity)
	if err != nil {
		x.Failf("%v", err)
	}
	x.Label(unsafe.Pointer(&q.tail), "tail")
	x.Label(unsafe.Pointer(&q.freed), "freed")
	for i := range q.slots {
		x.Label(unsafe.Pointer(&q.slots[i]), "slot["+string(rune('0'+i))+"]")
	}
	l := ledgerOf(x, q, s.capacity, int(q.size))
	l.late = true
	s.run(l, q)
}

// laneSingles: events one by one, and a consumer who pops in both ways.
func laneSingles(l *ledger, _ *Lane[ev]) {
	l.x.Go("producer", func() {
		for n := range 4 {
			l.pushWait(ev{0, n})
		}
	})
	l.x.Go("consumer", func() {
		for len(l.popped) < 4 {
			if !l.tryPop() && l.pop() != Event {
				atom.Spin()
			}
		}
	})
}

// laneTries: fast pushes; what is refused is not tried again.
func laneTries(l *ledger, _ *Lane[ev]) {
	l.x.Go("producer", func() {
		for n := range 4 {
			l.tryPush(ev{0, n})
		}
	})
	l.x.Go("consumer", func() {
		for range 3 {
			l.tryPop()
		}
	})
}

// laneFull: pushes that may find it full, and must not where there is room.
func laneFull(l *ledger, _ *Lane[ev]) {
	l.x.Go("producer", func() {
		for n := range 5 {
			l.push(ev{0, n})
		}
	})
	l.x.Go("consumer", func() {
		for range 4 {
			l.pop()
		}
	})
}

// laneRuns: runs, in place and copied, read in place and in parts.
func laneRuns(l *ledger, _ *Lane[ev]) {
	l.x.Go("producer", func() {
		l.pushN(ev{0, 0}, ev{0, 1})
		l.push(ev{0, 2})
		l.upTo(ev{0, 3}, ev{0, 4})
	})
	l.x.Go("consumer", func() {
		for range 2 {
			l.ready(3, 1)
			l.popN(2)
			l.look()
		}
	})
}

// laneRelease: CommitRelease and a consumer who polls.
func laneRelease(l *ledger, q *Lane[ev]) {
	l.x.Go("producer", func() {
		for n := range 4 {
			for !l.release(q, ev{0, n}) {
				atom.Spin()
			}
		}
	})
	l.x.Go("consumer", func() { l.popWait(4) })
}

// laneClosing: the first Empty after Closed is final.
func laneClosing(l *ledger, q *Lane[ev]) {
	l.x.Go("producer", func() {
		l.push(ev{0, 0})
		l.pushN(ev{0, 1}, ev{0, 2})
		l.close()
		if st := l.push(ev{0, 3}); st != Closed {
			l.x.Failf("a push after Close answers %v", st)
		}
	})
	l.x.Go("consumer", func() {
		for {
			closed := q.Closed()
			for l.pop() == Event {
			}
			if closed {
				break
			}
			atom.Spin()
		}
		if n := q.Accepted(); n != uint64(len(l.popped)) {
			l.x.Failf("Empty after Closed with %d drained of %d", len(l.popped), n)
		}
	})
}

// laneIdling: a third party asks whether the lane is idle.
func laneIdling(l *ledger, _ *Lane[ev]) {
	l.x.Go("producer", func() {
		for n := range 3 {
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

// laneTrigger: the protocol that users build on Commit: the producer publishes and
// then loads a word, the consumer writes that word and then looks again. Nothing may
// be left behind.
func laneTrigger(l *ledger, q *Lane[ev]) {
	var awake atom.Uint32
	l.x.Label(unsafe.Pointer(&awake), "awake")
	awake.Store(1)
	run := func() {
		for {
			for l.pop() == Event {
			}
			n := uint64(len(l.popped))
			awake.Store(0)
			// Whoever sets it again goes on; the other one is done, and no consumer.
			if q.Accepted() == n || !awake.CompareAndSwap(0, 1) {
				return
			}
		}
	}
	l.x.Go("producer", func() {
		for n := range 2 {
			l.push(ev{0, n})
			if awake.Load() == 0 && awake.CompareAndSwap(0, 1) {
				run() // as who is told would; the consumer is away
			}
		}
	})
	l.x.Go("consumer", run)
	l.x.Check(func() {
		if n := l.q.Accepted(); n != uint64(len(l.popped)) {
			l.x.Failf("%d events left behind", n-uint64(len(l.popped)))
		}
	})
}

// laneRoom: the producer finds the lane full, says that he waits, and looks again; the
// consumer returns the credit and then looks whether somebody waits.
func laneRoom(l *ledger, q *Lane[ev]) {
	var waits, told atom.Uint32
	l.x.Label(unsafe.Pointer(&waits), "waits")
	l.x.Go("producer", func() {
		for n := range 3 {
			for l.push(ev{0, n}) != OK {
				waits.Store(1)
				if l.push(ev{0, n}) == OK {
					waits.Store(0)
					break
				}
				for told.Swap(0) == 0 {
					atom.Spin()
				}
			}
		}
	})
	l.x.Go("consumer", func() {
		for len(l.popped) < 3 {
			if !l.tryPop() {
				atom.Spin()
				continue
			}
			q.Return()
			if waits.Swap(0) == 1 {
				told.Store(1)
			}
		}
	})
}

var laneScenarios = []laneScenario{
	{"singles/capacity=1", 1, 3, laneSingles},
	{"singles/capacity=2", 2, 3, laneSingles},
	{"singles/capacity=3", 3, 4, laneSingles},
	{"tries/capacity=1", 1, 4, laneTries},
	{"tries/capacity=3", 3, 4, laneTries},
	{"full/capacity=2", 2, 4, laneFull},
	{"full/capacity=3", 3, 4, laneFull},
	{"runs/capacity=2", 2, 4, laneRuns},
	{"runs/capacity=3", 3, 4, laneRuns},
	{"runs/capacity=4", 4, 4, laneRuns},
	{"release/capacity=2", 2, 3, laneRelease},
	{"release/capacity=3", 3, 3, laneRelease},
	{"closing/capacity=2", 2, 4, laneClosing},
	{"closing/capacity=4", 4, 4, laneClosing},
	{"idling/capacity=2", 2, 3, laneIdling},
	{"idling/capacity=3", 3, 3, laneIdling},
	{"trigger/capacity=2", 2, 3, laneTrigger},
	{"room/capacity=1", 1, 3, laneRoom},
	{"room/capacity=2", 2, 3, laneRoom},
}

func TestExploreLane(t *testing.T) {
	for _, s := range laneScenarios {
		t.Run(s.name, func(t *testing.T) { explore.Test(t, explore.Options{Preemptions: s.bound}, s.body) })
	}
}
