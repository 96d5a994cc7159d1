//go:build explore

package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// What happens between two steps of another: between his mark and what it stands
// for, and while an event is between two places.

// unserved is a scen over one CQ with neither pollers nor workers.
func unserved(x *explore.X, mcfg mock.Config) *scen {
	s := &scen{x: x, last: map[uint64]int{}}
	var err error
	s.e, err = newEngine(Config{Workers: 1}, func(_, _ string, _ func()) {})
	s.must(err)
	mcfg.Depth = 4
	cq, err := mock.New(mcfg)
	s.must(err)
	s.cq = append(s.cq, cq)
	s.d, err = s.e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Capacity: 4, Batch: 2, Upcall: s.upcall})
	s.must(err)
	return s
}

// A waiter believes ARM, which one who enables has just set and not yet armed for;
// a completion comes in between. In the end he has it, or would hear of one. There
// is no poller, but for the first thing that it does after a failed arm.
func enableBesideWaiter(t *testing.T, f mock.Faults) {
	run(t, func(x *explore.X) {
		var s *scen
		s = unserved(x, mock.Config{Faults: f, Hooks: mock.Hooks{BeforeArm: func() {
			if f.ArmError.First == 0 && s.d.load()&bWAIT != 0 && s.accepted == 0 {
				s.complete(0, 1)
			}
		}}})
		cq, l := s.cq[0], s.d.links()[0]
		x.Daemon("waiter", func() {
			// The other orders are those of TestExploreWaiterAlone.
			explore.Block(func() bool { return s.d.load()&bARM != 0 })
			var buf [1]Event
			n, _, err := s.d.Wait(context.Background(), 1, buf[:])
			if s.dequeued += n; err != nil && !errors.Is(err, ErrEnabled) {
				x.Failf("%v", err)
			}
		})
		x.Go("admin", func() {
			switch err := s.d.ModifyUpcall(SingleInstance, Same); {
			case err == nil, errors.Is(err, ErrWaiter), errors.Is(err, ErrEventsPending), errors.Is(err, mock.ErrInjected):
			default:
				x.Failf("%v", err)
			}
		})
		x.Daemon("poller", func() {
			explore.Block(func() bool { return l.poll.ctl.Load()&cRetry != 0 })
			l.poll.start(srcWatch)
		})
		x.Check(func() {
			if w := s.d.load(); w&bWAIT != 0 && (cq.Pending() || w&bARM == 0 || l.state.Load()&lHW == 0) {
				x.Failf("the waiter sleeps with word %x, link %x, a completion: %v", w, l.state.Load(), cq.Pending())
			}
		})
	})
}

func TestExploreEnableBesideWaiter(t *testing.T) { enableBesideWaiter(t, mock.Faults{}) }

func TestExploreEnableErrorBesideWaiter(t *testing.T) {
	enableBesideWaiter(t, mock.Faults{ArmError: mock.Once(1)})
}

// Enabling for what is new does not go past a waiter, or past the end.
func TestExploreEnableNewBesideWaiter(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		s.onUpcall = func(*Upcall) {
			if s.d.load()&bOWN != 0 {
				x.Failf("an upcall beside a waiter")
			}
		}
		s.waiter(1, 1, 1, ErrEnabled, ErrWoken)
		x.Go("admin", func() {
			if err := s.d.ModifyUpcallNew(SingleInstance, Same); err == nil && s.d.load()&bOWN != 0 {
				x.Failf("enabled beside a waiter")
			}
			s.must(s.d.Wake())
		})
	})
}

func TestExploreEnableNewBesideClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Go("admin", func() {
			if err := s.d.ModifyUpcallNew(SingleInstance, Same); err != nil && !errors.Is(err, ErrClosed) {
				x.Failf("%v", err)
			}
		})
		x.Check(func() {
			if s.d.load().lim() != 0 {
				x.Failf("closed, and enabled")
			}
		})
	})
}

// The ring is full and the pump gone: who enables for what is new hears of it all
// the same, also when the pump goes away after that.
func TestExploreEnableNewStalled(t *testing.T) {
	for name, cqes := range map[string]int{"holds back": 2, "full": 1} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := pumped(x, 1, 1, 0, cqes)
				x.Go("consumer", func() {
					s.must(s.d.ModifyUpcallNew(SingleInstance, Same))
					s.complete(0, 1)
				})
				s.checkRest()
			})
		})
	}
}

// A pump between the full ring and its next start still has what a waiter may
// hope for.
func TestExploreDeafBesideStart(t *testing.T) {
	run(t, func(x *explore.X) {
		s := pumped(x, 1, 1, 0, 2)
		s.d.streams = DTO
		s.cq[0].Remove()
		x.Go("dequeuer", func() {
			explore.Block(func() bool { return s.d.links()[0].failed.Load() != 0 })
			s.dequeue(s.d.Dequeue)
		})
		x.Go("waiter", func() {
			explore.Block(func() bool { return s.d.stats.dequeued.Load() > 0 })
			var buf [1]Event
			n, _, err := s.d.Wait(context.Background(), 1, buf[:])
			if s.dequeued += n; err != nil {
				x.Failf("an event is on its way, and Wait says: %v", err)
			}
		})
	})
}

// A pump that found room after it had set STALL holds nothing back.
func TestExploreDeafStaleMark(t *testing.T) {
	run(t, func(x *explore.X) {
		s := pumped(x, 2, 1, 0, 2)
		s.d.streams = DTO
		x.Go("hw", func() { s.complete(0, 1) })
		x.Go("consumer", func() {
			var buf [2]Event
			s.dequeue(s.d.Dequeue)
			explore.Block(func() bool { return s.accepted == 3 && s.d.pumps()[0].load().run() == 0 })
			if s.dequeued != 2 || s.d.ring.Held() != 1 {
				return // another order
			}
			s.cq[0].Remove()
			if _, _, err := s.d.Wait(context.Background(), 2, buf[:]); !errors.Is(err, hwcq.ErrRemoved) {
				x.Failf("%v", err)
			}
		})
	})
}

// The reason that Wait gives is the one for which it returned, though a pump that
// finds nothing runs beside it.
func TestExploreDeafReason(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 3, Merge: true}, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent, Dispatch: DispatchQueued}, mock.Config{})
		s.d.streams = DTO
		primed(s.d)
		s.cq[0].Remove()
		s.waiter(1, 1, 1, hwcq.ErrRemoved)
	})
}

// A completion between CQ and ring is neither nowhere ..
func TestExploreDequeueBesidePump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent, Dispatch: DispatchQueued}, mock.Config{})
		primed(s.d)
		x.Go("consumer", func() {
			s.complete(0, 1)
			var buf [1]Event
			if n, err := s.d.Dequeue(buf[:]); n == 0 && err == nil {
				x.Failf("empty, after a completion that nobody has taken")
			}
		})
	})
}

// .. nor left over by an orderly end, and so is one that a waiter puts aside.
func TestExploreShutdownBesidePump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: DispatchQueued}, mock.Config{})
		primed(s.d)
		x.Go("closer", func() {
			s.complete(0, 1)
			s.must(s.d.Shutdown(context.Background()))
			if s.left != 0 || s.got != 1 {
				x.Failf("delivered %d, left over %d", s.got, s.left)
			}
		})
	})
}

func TestExploreShutdownBesideWaiter(t *testing.T) {
	run(t, func(x *explore.X) {
		s := unserved(x, mock.Config{}) // nobody wakes him
		x.Daemon("waiter", func() {
			var buf [2]Event
			_, _, err := s.d.Wait(context.Background(), 2, buf[:])
			s.must(err)
		})
		x.Daemon("closer", func() {
			explore.Block(func() bool { return s.d.load()&bWAIT != 0 })
			s.complete(0, 2)
			explore.Block(func() bool { return !s.cq[0].Pending() })
			if s.d.empty() && s.d.load()&bWAIT != 0 {
				x.Failf("nothing there, says Shutdown, and the waiter has not got what was")
			}
		})
	})
}

// A waiter hears that the EVD was made unwaitable, though it is waitable again.
func TestExploreUnwaitableForAMoment(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.waiter(1, 1, 1, ErrUnwaitable)
		x.Go("admin", func() {
			explore.Block(func() bool { return s.d.load()&bWAIT != 0 })
			s.must(s.d.SetUnwaitable())
			s.must(s.d.ClearUnwaitable())
		})
	})
}

// An arm fails, and before ARM falls the retry is over and its mark gone: somebody
// has disabled and enabled, and believed ARM. Upcalls are enabled in the end, so
// somebody hears of the next completion.
func TestExploreEnableBesideFailedArm(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{Faults: mock.Faults{ArmError: mock.Once(1)}})
		s.d.links()[0].poll.started = true // the first to arm is the worker
		s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
		s.accepted++
		x.Go("admin", func() {
			explore.Block(func() bool { return s.got > 0 })
			s.must(s.d.ModifyUpcall(Disable, Same))
			if err := s.d.ModifyUpcall(SingleInstance, Same); errors.Is(err, mock.ErrInjected) {
				s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
			} else {
				s.must(err)
			}
			s.complete(0, 1)
		})
		s.checkRest()
	})
}
