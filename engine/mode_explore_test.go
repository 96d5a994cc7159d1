//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// checkMode is the promise of SetMode: at rest the poller does what the mode says.
func (s *scen) checkMode(want Mode) {
	s.x.Check(func() {
		if m := s.d.Query().Modes[0]; m != want {
			s.x.Failf("mode %v, %v was set last", m, want)
		}
		if polls := s.d.links()[0].state.Load()&lWATCH != 0; polls != (want == ModeSpin) {
			s.x.Failf("mode %v, and the poller polls: %v", want, polls)
		}
	})
}

func eachSwitch(t *testing.T, skip func(from, to Mode) bool, body func(x *explore.X, from, to Mode)) {
	for from := ModeAdaptive; from <= ModeSpin; from++ {
		for to := ModeAdaptive; to <= ModeSpin; to++ {
			if from != to && !skip(from, to) {
				t.Run(from.String()+"-"+to.String(), func(t *testing.T) {
					run(t, func(x *explore.X) { body(x, from, to) })
				})
			}
		}
	}
}

// A switch from events or to them while the hardware completes. (Between the two
// modes that poll there is less to it, see TestExploreSwitchModePost.)
func TestExploreSwitchMode(t *testing.T) {
	eachSwitch(t, func(from, to Mode) bool { return from != ModeEvent && to != ModeEvent }, func(x *explore.X, from, to Mode) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: from}, mock.Config{})
		primed(s.d)
		s.hardware(0, 1)
		x.Go("switcher", func() { s.must(s.d.SetMode(to)) })
		s.checkRest()
		s.checkMode(to)
	})
}

// Each of the six beside a run that a post has started, on a worker, which may be
// the one to arm; and then a completion.
func TestExploreSwitchModePost(t *testing.T) {
	eachSwitch(t, func(_, _ Mode) bool { return false }, func(x *explore.X, from, to Mode) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: from}, mock.Config{})
		primed(s.d)
		s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
		s.accepted++
		x.Go("switcher", func() {
			s.must(s.d.SetCQMode(0, to))
			s.complete(0, 1)
		})
		s.checkRest()
		s.checkMode(to)
	})
}

// Two in turn: the poller may see both, the last, or the first late.
func TestExploreSwitchModeTwice(t *testing.T) {
	for _, m := range [][3]Mode{
		{ModeEvent, ModeSpin, ModeEvent},
		{ModeSpin, ModeEvent, ModeSpin},
		{ModeSpin, ModeEvent, ModeAdaptive},
	} {
		t.Run(m[0].String()+"-"+m[1].String()+"-"+m[2].String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: m[0]}, mock.Config{})
				primed(s.d)
				x.Go("switcher", func() {
					s.must(s.d.SetMode(m[1]))
					s.complete(0, 1)
					s.must(s.d.SetMode(m[2]))
				})
				s.checkRest()
				s.checkMode(m[2])
			})
		})
	}
}

// From inside an upcall, which the poller itself may run.
func TestExploreSwitchModeInside(t *testing.T) {
	for _, m := range [][2]Mode{{ModeSpin, ModeEvent}, {ModeEvent, ModeSpin}} {
		t.Run(m[0].String()+"-"+m[1].String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: m[0]}, mock.Config{})
				s.onUpcall = func(u *Upcall) { s.must(u.EVD().SetMode(m[1])) }
				s.hardware(0, 2)
				s.checkRest()
				s.checkMode(m[1])
			})
		})
	}
}

// The arm that a switch needs fails, twice: the Wake of the switch covers one.
func TestExploreSwitchModeArmError(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, mock.Config{Faults: mock.Faults{ArmError: mock.Rule{First: 1, Count: 2}}})
		primed(s.d)
		x.Go("switcher", func() {
			s.must(s.d.SetMode(ModeEvent))
			s.complete(0, 1)
		})
		s.checkRest()
		s.checkMode(ModeEvent)
	})
}

// Beside Close: the poller ends, whatever it was told.
func TestExploreSwitchModeClose(t *testing.T) {
	for _, m := range [][2]Mode{{ModeSpin, ModeEvent}, {ModeEvent, ModeSpin}} {
		t.Run(m[0].String()+"-"+m[1].String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: m[0]}, mock.Config{})
				primed(s.d)
				x.Go("switcher", func() {
					if err := s.d.SetMode(m[1]); err != nil && !s.closing {
						x.Failf("%v", err)
					}
				})
				x.Go("closer", func() {
					s.closing = true
					s.must(s.d.Close())
				})
				x.Check(func() {
					if !s.d.links()[0].poll.done.TryWait() {
						x.Failf("the poller outlives Close")
					}
				})
			})
		})
	}
}

// What a Dequeue that starts the pump leaves to a poller that polls now and then
// is not only completions: nobody has armed the CQ yet, and it may be empty by the
// time that the poller has been woken. (One preemption shows it; two take long.)
func TestExploreBorrowedPumpAdaptive(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 1, Merge: true}, func(x *explore.X) {
		s := pumpedIn(x, ModeAdaptive, 1, 1, 0, 3)
		s.unorder = true // two consumers at once
		for range 2 {
			x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		}
		x.Check(func() {
			st := s.d.links()[0].state.Load()
			if !s.d.pendingOutside() && (st&lARMED == 0 || st&(lHW|lWATCH) == 0) {
				x.Failf("all is in the ring, and the poller sleeps unarmed: %b", st)
			}
		})
	})
}
