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

func TestExploreTwoCQs(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 2, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{})
		x.Go("hw", func() { // one thread for both: two would be three million executions
			for c := range 2 {
				if ok, _ := s.cq[c].Complete(hwcq.WC{WRID: uint64(c)<<8 | 1}, false); ok {
					s.accepted++
				}
			}
		})
		s.checkRest()
	})
}

// drainAndEnable is the consumer of the 2005 thread: upcalls are off, he
// dequeues by himself, and enables when there is nothing left.
func (s *scen) drainAndEnable(dequeue func([]Event) (int, error), enable func(Policy, UpcallFunc) error) {
	for {
		if s.dequeue(dequeue) > 0 {
			continue
		}
		err := enable(SingleInstance, Same)
		if err == nil {
			return
		}
		if !errors.Is(err, ErrEventsPending) {
			s.x.Failf("enable: %v", err)
		}
		explore.Spin()
	}
}

// Disable from outside, drain, enable; beside a CQ and a poster.
func TestExploreModifyOutside(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   Mode
		posts  int
		cqes   int
		inline Dispatch
	}{
		{"event", ModeEvent, 0, 1, DispatchAuto},
		{"event-2cqe", ModeEvent, 0, 2, DispatchAuto},
		{"adaptive", ModeAdaptive, 0, 1, DispatchAuto},
		{"post-queued", ModeEvent, 2, 0, DispatchQueued},
		{"post-direct", ModeEvent, 2, 0, DispatchInline},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				ncq := 0
				if c.cqes > 0 {
					ncq = 1
				}
				s := newScen(x, ncq, EVDConfig{Policy: SingleInstance, Mode: c.mode, Dispatch: c.inline}, mock.Config{})
				if c.cqes > 1 {
					primed(s.d)
				}
				if c.cqes > 0 {
					s.hardware(0, c.cqes)
				}
				if c.posts > 0 {
					s.poster(1, c.posts)
				}
				x.Go("consumer", func() {
					s.must(s.d.ModifyUpcall(Disable, Same))
					s.drainAndEnable(s.d.Dequeue, s.d.ModifyUpcall)
				})
				s.checkRest()
			})
		})
	}
}

// An EVD created disabled leaves its CQ unarmed; the first enabling arms.
func TestExploreCreatedDisabled(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: Disable, Mode: mode}, mock.Config{})
				s.hardware(0, 2)
				x.Go("consumer", func() { s.drainAndEnable(s.d.Dequeue, s.d.ModifyUpcall) })
				s.checkRest()
			})
		})
	}
}

// Disable from inside is exact: no upcall begins until somebody enables.
func TestExploreDisableInside(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		t.Run(disp.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: disp, Batch: 1}, mock.Config{})
				s.onUpcall = func(u *Upcall) {
					s.must(u.ModifyUpcall(Disable, Same))
					s.after = true
				}
				s.poster(1, 2)
				s.poster(2, 1)
				x.Check(func() {
					if s.got != 1 {
						x.Failf("%d events in upcalls after a disable inside the first", s.got)
					}
					for s.dequeue(s.d.Dequeue) > 0 {
					}
					if s.got+s.dequeued != s.accepted {
						x.Failf("accepted %d, got %d, dequeued %d", s.accepted, s.got, s.dequeued)
					}
				})
			})
		})
	}
}

// The iSER pattern: disable, drain and enable again, all inside the upcall.
func TestExploreISERInside(t *testing.T) {
	for _, c := range []struct {
		name string
		ncq  int
		disp Dispatch
	}{{"posts-queued", 0, DispatchQueued}, {"posts-direct", 0, DispatchInline}, {"cq", 1, DispatchAuto}} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, c.ncq, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: c.disp, Batch: 1}, mock.Config{})
				s.onUpcall = func(u *Upcall) {
					s.must(u.ModifyUpcall(Disable, Same))
					s.drainAndEnable(u.Dequeue, u.ModifyUpcall)
				}
				if c.ncq > 0 {
					s.hardware(0, 2)
				} else {
					s.poster(1, 2)
					s.poster(2, 1)
				}
				s.checkRest()
			})
		})
	}
}

// A Dequeue from outside beside a running EVD, which posts another event when
// it got one: the claim it causes must be run by somebody.
func TestExploreDequeueBesideRunner(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		t.Run(disp.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: disp, Batch: 1}, mock.Config{})
				s.unorder = true // two consumers at once
				s.poster(1, 2)
				x.Go("dequeuer", func() {
					if s.dequeue(s.d.Dequeue) > 0 {
						s.must(s.d.Post(Event{WRID: 9<<8 | 1}))
						s.accepted++
					}
				})
				s.checkRest()
			})
		})
	}
	t.Run("cq", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{})
			s.unorder = true
			s.hardware(0, 2)
			x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
			s.checkRest()
		})
	})
}

// Posts and dequeues from inside the upcall: no recursion, nothing lost.
func TestExploreInside(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		t.Run(disp.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: disp, Batch: 1}, mock.Config{})
				posted := false
				s.onUpcall = func(u *Upcall) {
					if !posted {
						posted = true
						s.must(u.Post(Event{WRID: 7<<8 | 1}))
						s.accepted++
					}
					s.dequeue(u.Dequeue)
				}
				s.poster(1, 2)
				s.poster(2, 1)
				s.checkRest()
			})
		})
	}
}

// The budget is used up after each event; the rest is handed on.
func TestExploreBudget(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		t.Run(disp.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: disp, Batch: 1, Budget: 1}, mock.Config{})
				s.poster(1, 2)
				s.poster(2, 1)
				s.checkRest()
			})
		})
	}
}

// The pump on a ring of one: a full ring never makes it take a completion that
// it cannot place, and whoever frees space starts it again.
func TestExplorePump(t *testing.T) {
	t.Run("full-ring", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
			x.Go("hw", func() {
				s.settled()
				for i := 1; i <= 2; i++ {
					if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: uint64(i)}, false); ok {
						s.accepted++
					}
				}
			})
			s.checkRest()
		})
	})
	t.Run("dequeuer", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := newScen(x, 1, EVDConfig{Policy: Disable, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
			x.Go("hw+dequeuer", func() {
				s.settled()
				for i := 1; i <= 3; i++ {
					if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: uint64(i)}, false); ok {
						s.accepted++
					}
				}
				for s.dequeued < 3 {
					if s.dequeue(s.d.Dequeue) == 0 {
						explore.Spin()
					}
				}
			})
			s.checkRest()
		})
	})
	t.Run("adaptive", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeAdaptive, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
			s.hardware(0, 1)
			s.checkRest()
		})
	})
}

// Close beside producers: what was accepted is delivered, dequeued or left
// over, and no upcall begins after Close returned.
func TestExploreClose(t *testing.T) {
	for _, c := range []struct {
		name       string
		ncq, posts int
		cfg        EVDConfig
	}{
		{"posts-queued", 0, 2, EVDConfig{Dispatch: DispatchQueued}},
		{"posts-direct", 0, 2, EVDConfig{Dispatch: DispatchInline}},
		{"cq-event", 1, 0, EVDConfig{Mode: ModeEvent}},
		{"cq-adaptive", 1, 0, EVDConfig{Mode: ModeAdaptive}},
		{"cq-pump", 1, 0, EVDConfig{Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				c.cfg.Policy = SingleInstance
				s := newScen(x, c.ncq, c.cfg, mock.Config{})
				if c.ncq > 0 {
					s.hardware(0, 1)
				}
				if c.posts > 0 {
					s.poster(1, c.posts)
				}
				x.Go("closer", func() {
					s.must(s.d.Close())
					if s.inside != 0 {
						x.Failf("an upcall runs after Close returned")
					}
					s.after = true
				})
				x.Check(func() {
					onCQ := 0
					var wcs [4]hwcq.WC
					for _, cq := range s.cq {
						onCQ += cq.Poll(wcs[:])
					}
					if s.got+s.left+onCQ != s.accepted {
						x.Failf("accepted %d, got %d, left over %d, on the CQ %d", s.accepted, s.got, s.left, onCQ)
					}
				})
			})
		})
	}
}

// Close whose context ends while an upcall runs: an error, then another Close
// finishes the work.
func TestExploreCloseContext(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, mock.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.poster(1, 1)
		x.Go("closer", func() {
			if err := s.d.CloseContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
				x.Failf("%v", err)
			}
			s.must(s.d.Close())
			s.after = true
		})
		x.Check(func() {
			if s.got+s.left != s.accepted {
				x.Failf("accepted %d, got %d, left over %d", s.accepted, s.got, s.left)
			}
		})
	})
}

// An arm that fails: the poller retries, nothing is stranded, and no CQ is
// armed twice.
func TestExploreArmError(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		for nth := range uint64(2) {
			t.Run(mode.String(), func(t *testing.T) {
				run(t, func(x *explore.X) {
					s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: mode},
						mock.Config{Faults: mock.Faults{ArmError: mock.Once(nth + 1)}})
					s.hardware(0, 1)
					s.checkRest()
				})
			})
		}
	}
}

// A spurious event costs at most a look.
func TestExploreSpuriousEvent(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent},
			mock.Config{Faults: mock.Faults{SpuriousEvent: mock.Always()}})
		s.hardware(0, 2)
		x.Check(func() {
			if s.got != s.accepted {
				x.Failf("accepted %d, got %d", s.accepted, s.got)
			}
		})
	})
}
