//go:build explore

package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// checkSpun is what must be true of spinners when nothing moves any more.
func (s *scen) checkSpun() {
	s.x.Check(func() {
		if n := s.e.spinning.Load(); n != 0 {
			s.x.Failf("%d waiters spin", n)
		}
		if sp := s.d.spinner; sp.mode == WaitSpin && s.d.Stats().Ends.Parked > 0 {
			s.x.Failf("a waiter that spins slept")
		}
	})
}

// An event beside a waiter at each point of his way from the first look over spinning
// to sleep; and one who does not sleep is owed nothing.
func TestExploreSpinWait(t *testing.T) {
	for _, m := range []WaitMode{WaitAdaptive, WaitSpin} {
		t.Run(m.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{WaitMode: m}, mock.Config{})
				s.poster(1, 2)
				s.waiter(2, 1, 1)
				s.checkWaiter(0)
				s.checkSpun()
			})
		})
	}
}

// The same with completions, which nobody is told of while the waiter spins.
func TestExploreSpinWaitCQ(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{WaitMode: WaitAdaptive, Mode: ModeEvent}, mock.Config{})
		s.hardware(0, 1)
		s.waiter(1, 1, 1)
		s.checkWaiter(0)
		s.checkSpun()
	})
}

// What ends a Wait without an event is heard by one that spins.
func TestExploreSpinWaitEnds(t *testing.T) {
	for _, end := range []struct {
		name string
		err  error
		do   func(s *scen) error
	}{
		{"wake", ErrWoken, func(s *scen) error { return s.d.Wake() }},
		{"unwaitable", ErrUnwaitable, func(s *scen) error { return s.d.SetUnwaitable() }},
		{"close", ErrClosed, func(s *scen) error { return s.d.Close() }},
	} {
		for _, m := range []WaitMode{WaitAdaptive, WaitSpin} {
			t.Run(end.name+"-"+m.String(), func(t *testing.T) {
				run(t, func(x *explore.X) {
					s := newScen(x, 0, EVDConfig{WaitMode: m}, mock.Config{})
					x.Go("waiter", func() {
						var buf [1]Event
						n, _, err := s.d.Wait(context.Background(), 1, buf[:])
						if n != 0 || !errors.Is(err, end.err) {
							x.Failf("%d events and %v", n, err)
						}
					})
					x.Go("other", func() { s.must(end.do(s)) })
					s.checkWaiter(0)
					s.checkSpun()
				})
			})
		}
	}
}

// Shutdown is not kept by one who spins for what does not come.
func TestExploreSpinWaitShutdown(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{WaitMode: WaitSpin}, mock.Config{})
		x.Go("waiter", func() {
			var buf [1]Event
			if n, _, err := s.d.Wait(context.Background(), 1, buf[:]); n != 0 || !errors.Is(err, ErrClosed) {
				x.Failf("%d events and %v", n, err)
			}
		})
		x.Go("sealer", func() {
			s.d.seal()
			explore.Block(s.d.empty)
			s.must(s.d.Close())
		})
		s.checkWaiter(0)
	})
}

// A pump whose ring is full while a waiter spins who wants more than the ring holds at
// a time: he makes room, in his spin too.
func TestExploreSpinWaitPump(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 1}, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{WaitMode: WaitSpin, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 2}, mock.Config{})
		s.hardware(0, 2)
		s.waiter(1, 2, 2)
		s.checkWaiter(0)
		s.checkSpun()
	})
}

// A poller whose patience has run out arms at once; then it has some again.
func TestExploreImpatient(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeAdaptive}, mock.Config{})
		p := s.d.links()[0].poll
		p.patience = newPatience(1)
		p.patience.set(0)
		s.hardware(0, 2)
		s.checkRest()
		x.Check(func() {
			if st := s.d.Stats(); st.Grown > 1 || (st.Grown > 0) != (p.patience.turns == 1) {
				x.Failf("grown %d times, and polls for %d turns", st.Grown, p.patience.turns)
			}
		})
	})
}
