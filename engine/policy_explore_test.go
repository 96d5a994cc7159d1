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

// many replaces the scenario's upcall by one that may run n times at once, and
// returns the greatest number seen.
func (s *scen) many(n int) (most *int) {
	most = new(int)
	s.unorder = true
	s.d.fn = func(u *Upcall) {
		s.inside++
		if *most = max(*most, s.inside); s.inside > n {
			s.x.Failf("%d upcalls at once, %d allowed", s.inside, n)
		}
		if s.after {
			s.x.Failf("an upcall began that must not")
		}
		s.got += len(u.Events())
		s.beat.Load()
		if s.onUpcall != nil {
			s.onUpcall(u)
		}
		s.inside--
	}
	return most
}

// newMany is newScen with n workers and upcalls.
func newMany(x *explore.X, ncq, n int, cfg EVDConfig) *scen {
	cfg.Policy = ManyLimit(n) // the engine has one worker, the policy asks for more
	s := newScen(x, ncq, cfg, mock.Config{})
	s.many(n)
	return s
}

// Many means many: two upcalls that wait for each other both begin, however
// the events came.
func TestExploreManyMeet(t *testing.T) {
	meet := func(s *scen) {
		met := 0
		s.onUpcall = func(*Upcall) {
			met++
			explore.Block(func() bool { return met >= 2 })
		}
	}
	t.Run("one poster", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := newMany(x, 0, 2, EVDConfig{})
			meet(s)
			s.poster(1, 2)
			s.checkRest()
		})
	})
	t.Run("run", func(t *testing.T) {
		run(t, func(x *explore.X) { // both are there before the first upcall
			s := newMany(x, 0, 2, EVDConfig{})
			meet(s)
			for i := range 2 {
				s.must(s.d.push(&Event{WRID: uint64(i) + 1}))
				s.accepted++
			}
			x.Go("poster", func() { s.d.trigger(srcPost) })
			s.checkRest()
		})
	})
	t.Run("inside", func(t *testing.T) {
		run(t, func(x *explore.X) { // the second is posted by the first
			s := newMany(x, 0, 2, EVDConfig{})
			met := 0
			s.onUpcall = func(u *Upcall) {
				if met++; met == 1 {
					s.must(u.Post(Event{WRID: 9}))
					s.accepted++
				}
				explore.Block(func() bool { return met >= 2 })
			}
			s.poster(1, 1)
			s.checkRest()
		})
	})
	t.Run("cq", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := newMany(x, 1, 2, EVDConfig{Mode: ModeEvent})
			meet(s)
			primed(s.d)
			x.Go("hw", func() {
				s.settled()
				for i := range 2 {
					if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: uint64(i)}, false); ok {
						s.accepted++
					}
				}
			})
			s.checkRest()
		})
	})
}

// At most LIM at once, and nothing is lost, when runners come and go.
func TestExploreMany(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newMany(x, 0, 2, EVDConfig{Batch: 1})
		s.poster(1, 2)
		s.poster(2, 1)
		s.checkRest()
	})
}

// From many to single: what exceeds drains, and no third begins.
func TestExploreManyToSingle(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newMany(x, 0, 2, EVDConfig{Batch: 1})
		s.poster(1, 3)
		lowered := false
		x.Go("admin", func() {
			s.must(s.d.ModifyUpcall(SingleInstance, Same))
			lowered = true
		})
		s.onUpcall = func(*Upcall) {
			if lowered && s.inside > 2 {
				x.Failf("%d upcalls after the limit was lowered", s.inside)
			}
		}
		s.checkRest()
	})
}

// From single to many: what was left to the one runner is given to others.
func TestExploreSingleToMany(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newMany(x, 0, 2, EVDConfig{Batch: 1})
		s.must(s.d.ModifyUpcall(SingleInstance, Same))
		met := 0
		s.onUpcall = func(*Upcall) {
			met++
			explore.Block(func() bool { return met >= 2 })
		}
		s.poster(1, 2)
		x.Go("admin", func() { s.must(s.d.ModifyUpcall(ManyLimit(2), Same)) })
		s.checkRest()
	})
}

// Notification only: no event in the upcall, all of them by Dequeue, and none
// left without a further call.
func TestExploreNotificationOnly(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: NotificationOnly, Mode: ModeEvent}, mock.Config{})
		s.d.fn = func(u *Upcall) {
			if s.inside++; s.inside > 1 || len(u.Events()) != 0 {
				x.Failf("%d upcalls, %d events", s.inside, len(u.Events()))
			}
			s.dequeue(u.Dequeue)
			s.inside--
		}
		s.hardware(0, 1)
		s.poster(1, 2)
		s.checkRest()
	})
}

// The policy changes kind while events come.
func TestExploreToNotificationOnly(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Batch: 1}, mock.Config{})
		s.d.fn = func(u *Upcall) {
			if n := len(u.Events()); n > 0 {
				s.order(u.Events())
				s.got += n
				return
			}
			s.dequeue(u.Dequeue)
		}
		s.poster(1, 3)
		x.Go("admin", func() { s.must(s.d.ModifyUpcall(NotificationOnly, Same)) })
		s.checkRest()
	})
}

// After Teardown has returned nothing runs and nothing begins, unless somebody
// enables, and then it says so.
func TestR32TeardownBesideEnable(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance}, mock.Config{})
		s.poster(1, 2)
		done := false
		x.Go("teardown", func() {
			err := s.d.Teardown(context.Background())
			if err == nil && s.inside > 0 && s.d.load().lim() == 0 {
				x.Failf("an upcall runs after Teardown")
			}
			if err != nil && !errors.Is(err, ErrSuperseded) {
				x.Failf("%v", err)
			}
			done = true
		})
		x.Go("enable", func() { s.must(s.d.ModifyUpcallAny(SingleInstance, Same)) })
		s.x.Check(func() {
			if !done {
				x.Failf("Teardown waits for ever: word %x", s.d.load())
			}
			if w := s.d.load(); w.lim() > 0 && s.d.pending() || w&bQUIET != 0 {
				x.Failf("word %x", w)
			}
		})
	})
}

// A Teardown that has been overtaken returns though the new policy's upcall
// runs for ever.
func TestExploreSuperseded(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Batch: 1}, mock.Config{})
		done, enabled := false, false
		s.onUpcall = func(*Upcall) {
			explore.Note()
			if enabled {
				explore.Block(func() bool { return done }) // of the later policy
				return
			}
			explore.Block(func() bool { return s.d.load().lim() == 0 || enabled })
		}
		s.poster(1, 2)
		x.Go("teardown", func() {
			explore.Block(func() bool { return s.inside > 0 })
			_ = s.d.Teardown(context.Background())
			done = true
		})
		x.Go("enable", func() {
			explore.Block(func() bool { return s.d.load().lim() == 0 })
			explore.Note()
			enabled = true
			s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
		})
		s.checkRest()
	})
}

// Teardown, Disable and Close meet.
func TestExploreTeardownBesideClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance}, mock.Config{})
		s.poster(1, 2)
		x.Go("teardown", func() {
			if err := s.d.Teardown(context.Background()); err == nil {
				s.after = true
				if s.inside > 0 {
					x.Failf("an upcall runs after Teardown")
				}
			} else if !errors.Is(err, ErrClosed) {
				x.Failf("%v", err)
			}
		})
		x.Go("disable", func() {
			if err := s.d.ModifyUpcall(Disable, Same); err != nil && !errors.Is(err, ErrClosed) {
				x.Failf("%v", err)
			}
		})
		x.Go("close", func() { s.must(s.d.Close()) })
		x.Check(func() {
			if s.accepted != s.got+s.left {
				x.Failf("accepted %d, got %d, left over %d", s.accepted, s.got, s.left)
			}
		})
	})
}

// The second verb delivers what is pending, whenever it came.
func TestExploreEnableAny(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent}, mock.Config{})
		s.hardware(0, 1)
		x.Go("admin", func() { s.must(s.d.ModifyUpcallAny(SingleInstance, Same)) })
		s.checkRest()
	})
}

// The third verb: what comes after it is delivered, and with it all that was
// there before.
func TestExploreEnableNew(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent}, mock.Config{})
		enabled := false
		x.Go("hw", func() {
			for i := 1; i <= 2; i++ {
				explore.Note()
				late := enabled
				if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | uint64(i)}, false); ok {
					s.accepted++
				}
				if late {
					s.after = true // used below: something came after the call
				}
			}
		})
		late := &s.after
		s.d.fn = func(u *Upcall) {
			s.order(u.Events())
			s.got += len(u.Events())
		}
		x.Go("admin", func() {
			s.must(s.d.ModifyUpcallNew(SingleInstance, Same))
			explore.Note()
			enabled = true
		})
		x.Check(func() {
			if *late && s.got != s.accepted {
				x.Failf("accepted %d, got %d", s.accepted, s.got)
			}
			if w := s.d.load(); w.run() != 0 || w&bARM == 0 {
				x.Failf("word %x", w)
			}
		})
	})
}

// What enabling for new events left on the CQ comes with a post, also with one
// that finds the EVD idle and is handed to the upcall directly.
func TestExploreEnableNewDirect(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent, Dispatch: DispatchInline}, mock.Config{})
		s.hardware(0, 1)
		x.Go("admin", func() {
			s.must(s.d.ModifyUpcallNew(SingleInstance, Same))
			s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
			s.accepted++
		})
		s.checkRest()
	})
}

// A shutdown loses nothing, whatever it meets.
func TestExploreShutdown(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Batch: 1}, mock.Config{})
		s.poster(1, 2)
		x.Go("shutdown", func() { s.must(s.d.Shutdown(context.Background())) })
		x.Check(func() {
			if s.accepted != s.got+s.left || !s.d.dead {
				x.Failf("accepted %d, got %d, left over %d", s.accepted, s.got, s.left)
			}
		})
	})
}

// A lost interrupt is found at the second look, beside completions that are
// still coming, and the CQ is armed again.
func TestExploreWatchdog(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
		s.e.cfg.AsyncUpcall = nil
		x.Go("hw", func() {
			s.settled()
			for i := 1; i <= 2; i++ {
				if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | uint64(i)}, false); ok {
					s.accepted++
				}
			}
		})
		x.Go("watchdog", func() {
			explore.Block(func() bool { return s.accepted == 2 })
			s.e.tick()
			s.e.tick()
		})
		x.Check(func() {
			if s.got != s.accepted {
				x.Failf("accepted %d, got %d", s.accepted, s.got)
			}
		})
	})
}

// The watchdog does no harm where nothing is lost, and arms nothing where
// arming twice is an error (irdma): an interrupt that is only late has its arm.
func TestExploreWatchdogBeside(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{})
		s.d.links()[0].rearm = false
		s.settledHardware(1)
		x.Go("watchdog", func() {
			s.e.tick()
			s.e.tick()
		})
		x.Check(func() {
			if n := s.cq[0].Stats().ArmAgain; n != 0 {
				x.Failf("armed %d times while armed", n)
			}
			if s.got != s.accepted || s.d.load().run() != 0 {
				x.Failf("accepted %d, got %d", s.accepted, s.got)
			}
		})
	})
}

// settledHardware is hardware for CQ 0 that begins when the CQ is armed.
func (s *scen) settledHardware(n int) {
	primed(s.d)
	s.x.Go("hw", func() {
		s.settled()
		for i := 1; i <= n; i++ {
			if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | uint64(i)}, false); ok {
				s.accepted++
			}
		}
	})
}
