//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// exclusive is a scenario with an exclusive EVD whose poller is in mode m.
func exclusive(x *explore.X, m Mode) *scen {
	s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: m, Exclusive: true}, mock.Config{})
	primed(s.d)
	return s
}

// checkOwn is checkRest where a poller may be lingering: then it has slot and TAKE,
// nothing has been left, and nothing is asked of it.
func (s *scen) checkOwn() {
	s.x.Check(func() {
		w := s.d.load()
		if s.got+s.dequeued+s.left != s.accepted && w.lim() > 0 {
			s.x.Failf("accepted %d, upcalls got %d, dequeued %d, left over %d: lost; word %x", s.accepted, s.got, s.dequeued, s.left, w)
		}
		lingers := w.run() == 1 && w.lim() == 1 && w&bTAKE != 0
		if !lingers && (w.run() != 0 || w&bTAKE != 0) || w&(bQUED|bQUIET) != 0 {
			s.x.Failf("not at rest: word %x", w)
		}
		if w.lim() == 0 {
			return
		}
		if w&bMISS != 0 || w&bARM == 0 || s.d.pending() {
			s.x.Failf("at rest with MISS, without ARM or with events pending: word %x", w)
		}
		if st := s.d.links()[0].state.Load(); st&lARMED == 0 || st&(lHW|lWATCH) == 0 {
			s.x.Failf("the link sleeps unarmed: %b", st)
		}
		if n := s.cq[0].Stats().ArmAgain; n != 0 {
			s.x.Failf("the CQ was armed %d times while armed", n)
		}
		if st := s.d.Stats(); st.Delivered != uint64(s.got) || st.Dequeued != uint64(s.dequeued) {
			s.x.Failf("delivered %d, dequeued %d; counted %d, %d", s.got, s.dequeued, st.Delivered, st.Dequeued)
		}
	})
}

// completeOne stores completion i of CQ 0.
func (s *scen) completeOne(i int) {
	if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | uint64(i)}, false); ok {
		s.accepted++
	}
}

var polling = []Mode{ModeSpin, ModeAdaptive}

// ownOnce explores with one preemption: with two most of these take minutes, since a
// poller that spins goes on after every write. Those that have two are small.
func ownOnce(t *testing.T, body func(x *explore.X)) {
	t.Helper()
	explore.Test(t, explore.Options{Preemptions: 1}, body)
}

func eachPolling(t *testing.T, body func(x *explore.X, m Mode)) {
	for _, m := range polling {
		t.Run(m.String(), func(t *testing.T) { ownOnce(t, func(x *explore.X) { body(x, m) }) })
	}
}

// A post to a poller that lingers, or is about to.
func TestExploreOwnOnePost(t *testing.T) {
	run(t, func(x *explore.X) {
		s := exclusive(x, ModeSpin)
		s.completeOne(1)
		s.poster(1, 1)
		s.checkOwn()
	})
}

// Completions and posts, to a poller that lingers or is about to.
func TestExploreOwnPost(t *testing.T) {
	eachPolling(t, func(x *explore.X, m Mode) {
		s := exclusive(x, m)
		s.hardware(0, 1)
		s.poster(1, 2)
		s.checkOwn()
	})
}

// An upcall that posts to its own EVD, and takes what it has posted.
func TestExploreOwnInside(t *testing.T) {
	eachPolling(t, func(x *explore.X, m Mode) {
		s := exclusive(x, m)
		posted := false
		s.onUpcall = func(u *Upcall) {
			if !posted {
				posted = true
				s.must(u.Post(Event{WRID: 2<<8 | 1}))
				s.accepted++
				return
			}
			s.dequeue(u.Dequeue)
		}
		s.hardware(0, 2)
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		s.unorder = true
		s.checkOwn()
	})
}

// Teardown has the poller leave, however idle it is; and then nothing runs.
func TestExploreOwnTeardown(t *testing.T) {
	eachPolling(t, func(x *explore.X, m Mode) {
		s := exclusive(x, m)
		s.hardware(0, 1)
		x.Go("admin", func() {
			s.must(s.d.ModifyUpcall(Teardown, Same))
			s.after = true
			if w := s.d.load(); w.run() != 0 {
				x.Failf("somebody runs after Teardown: word %x", w)
			}
		})
		s.checkOwn()
	})
}

// Disabled, drained and enabled again.
func TestExploreOwnModify(t *testing.T) {
	eachPolling(t, func(x *explore.X, m Mode) {
		s := exclusive(x, m)
		s.unorder = true
		s.hardware(0, 2)
		x.Go("admin", func() {
			s.must(s.d.ModifyUpcall(Disable, Same))
			s.dequeue(s.d.Dequeue)
			s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
		})
		s.checkOwn()
	})
}

// From inside, where it is exact.
func TestExploreOwnModifyInside(t *testing.T) {
	eachPolling(t, func(x *explore.X, m Mode) {
		s := exclusive(x, m)
		s.onUpcall = func(u *Upcall) {
			s.must(u.ModifyUpcall(Disable, Same))
			s.after = true
			s.beat.Load()
			s.after = false
			s.must(u.ModifyUpcallAny(SingleInstance, Same))
		}
		s.hardware(0, 1)
		s.poster(1, 1)
		s.checkOwn()
	})
}

// What its upcall has put behind the ring is found before it lingers.
func TestExploreOwnSpill(t *testing.T) {
	ownOnce(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{
			Policy: SingleInstance, Mode: ModeSpin, Exclusive: true, Capacity: 1, Overflow: OverflowSpill, SpillLimit: 4, Batch: 1,
		}, mock.Config{})
		primed(s.d)
		s.onUpcall = func(u *Upcall) {
			for i := 1; s.got == 1 && i <= 3; i++ {
				s.must(u.Post(Event{WRID: 2<<8 | uint64(i)}))
				s.accepted++
			}
		}
		s.completeOne(1)
		s.hardware(0, 1)
		s.unorder = true
		s.checkOwn()
	})
}

// What ModifyUpcallNew leaves while a run goes on is not left for longer than that.
func TestExploreOwnKept(t *testing.T) {
	ownOnce(t, func(x *explore.X) {
		s := exclusive(x, ModeSpin)
		s.onUpcall = func(u *Upcall) {
			if s.got == 1 {
				s.must(u.ModifyUpcall(Disable, Same))
				s.must(u.Post(Event{WRID: 2<<8 | 1}))
				s.accepted++
				s.must(u.ModifyUpcallNew(SingleInstance, Same))
			}
		}
		s.hardware(0, 1)
		s.checkOwn()
		x.Check(func() {
			if s.d.flags.Load()&fKept != 0 {
				x.Failf("kept though delivered: word %x", s.d.load())
			}
		})
	})
}

// A worker runs it while the poller sleeps, and hands the rest on: TAKE is free between
// the two.
func TestExploreOwnBudget(t *testing.T) {
	ownOnce(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Exclusive: true, Batch: 1, Budget: 1}, mock.Config{})
		primed(s.d)
		s.completeOne(1)
		s.poster(1, 2)
		s.checkOwn()
	})
}

// Close ends it, with what is left to Leftovers.
func TestExploreOwnClose(t *testing.T) {
	eachPolling(t, func(x *explore.X, m Mode) {
		s := exclusive(x, m)
		s.completeOne(1)
		s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
		s.accepted++
		x.Go("closer", func() {
			s.must(s.d.Close())
			s.after = true
		})
		x.Check(func() {
			onCQ := 0
			if s.cq[0].Pending() {
				onCQ = 1
			}
			if s.got+s.left+onCQ != s.accepted {
				x.Failf("accepted %d, upcalls got %d, left over %d, on the CQ %d", s.accepted, s.got, s.left, onCQ)
			}
			if !s.d.links()[0].poll.done.TryWait() {
				x.Failf("the poller outlives Close")
			}
		})
	})
}

// Shutdown waits for nobody who lingers.
func TestExploreOwnShutdown(t *testing.T) {
	ownOnce(t, func(x *explore.X) {
		s := exclusive(x, ModeSpin)
		s.hardware(0, 1)
		x.Go("sealer", func() {
			explore.Block(func() bool { return s.got == 1 })
			s.d.seal()
		})
		x.Check(func() {
			if !s.d.empty() {
				x.Failf("never empty: word %x", s.d.load())
			}
		})
	})
}

// Another mode has it leave the run, and go on in that mode.
func TestExploreOwnMode(t *testing.T) {
	for _, m := range [][2]Mode{{ModeSpin, ModeEvent}, {ModeAdaptive, ModeSpin}, {ModeEvent, ModeSpin}} {
		t.Run(m[0].String()+"-"+m[1].String(), func(t *testing.T) {
			ownOnce(t, func(x *explore.X) {
				s := exclusive(x, m[0])
				s.hardware(0, 2)
				x.Go("switcher", func() { s.must(s.d.SetMode(m[1])) })
				s.checkOwn()
				s.checkMode(m[1])
			})
		})
	}
}

// However many completions come one after the other to a poller that lingers, nobody
// writes to the state word: whoever looks, whenever he does, sees the same.
func TestExploreOwnNoLockedOps(t *testing.T) {
	ownOnce(t, func(x *explore.X) {
		s := exclusive(x, ModeSpin)
		x.Go("hw", func() {
			s.completeOne(1)
			explore.Block(func() bool { return s.got == 1 && s.inside == 0 })
			was := s.d.load()
			for was&bMISS != 0 || was&bARM == 0 || was&bTAKE == 0 { // the first run has yet to settle
				atom.Spin()
				was = s.d.load()
			}
			for i := 2; i <= 4; i++ {
				s.completeOne(i)
				for s.got < i {
					if w := s.d.load(); w != was {
						x.Failf("the word was %x and is %x: %d delivered", was, w, s.got)
					}
					atom.Spin()
				}
			}
			if was.run() != 1 || was&bTAKE == 0 {
				x.Failf("nobody lingers: word %x", was)
			}
		})
		s.checkOwn()
	})
}
