//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
	"github.com/evdengine/evd/ring"
)

// spilling is an EVD whose ring has one place, and a list behind it.
func spilling(cfg EVDConfig) EVDConfig {
	cfg.Capacity = 1
	cfg.Overflow = OverflowSpill
	cfg.SpillLimit = 4
	return cfg
}

// checkSpill is what must be true of ring and list when nothing moves any more.
func (s *scen) checkSpill() {
	s.x.Check(func() {
		d := s.d
		if d.flags.Load()&fSpilled != 0 || d.spilled() != 0 || !d.ring.Idle() {
			s.x.Failf("ring or list are not empty: flags %x", d.flags.Load())
		}
		if sd := d.side.Load(); sd != nil && sd.n.Load() != 0 {
			s.x.Failf("%d events are counted, and none is there", sd.n.Load())
		}
	})
}

// Two producers over a full ring: each one's events come in order, and all come.
func TestExploreSpill(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}), mock.Config{})
		s.poster(1, 2)
		s.poster(2, 2)
		s.checkRest()
		s.checkSpill()
	})
}

// A place of the ring that is in flight keeps the list back: behind it there may be
// an event that came before those in the list.
func TestExploreSpillInFlight(t *testing.T) {
	run(t, func(x *explore.X) {
		cfg := spilling(EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued})
		cfg.Capacity = 2
		s := newScen(x, 0, cfg, mock.Config{})
		s.poster(1, 1)
		s.poster(2, 2)
		s.checkRest()
		s.checkSpill()
	})
}

// Direct hand-off does not go ahead of the list, when a Dequeue has taken what
// came into the ring before it.
func TestExploreSpillDirect(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}), mock.Config{})
		post := func(p, n uint64) {
			s.must(s.d.Post(Event{WRID: p<<8 | n}))
			s.accepted++
		}
		// As a post that has found the EVD busy: it does not hand over directly.
		x.Go("poster2", func() {
			ev := Event{WRID: 2<<8 | 1, Stream: Software, EVD: s.d.id}
			if s.d.ring.Push(&ev) != ring.OK {
				x.Failf("the ring is full already")
			}
			s.accepted++
			s.d.trigger(srcPost)
		})
		x.Go("poster1+dequeuer", func() {
			explore.Block(func() bool { return s.d.ring.Accepted() > 0 })
			post(1, 1)
			for range 2 {
				if s.dequeue(s.d.Dequeue) > 0 {
					break
				}
				explore.Spin()
			}
			post(1, 2)
		})
		s.checkRest()
		s.checkSpill()
	})
}

// An upcall that fills ring and list itself, and a producer beside it.
func TestExploreSpillInside(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}), mock.Config{})
		first := true
		s.onUpcall = func(u *Upcall) {
			if !first {
				return
			}
			first = false
			for i := range 2 {
				if u.Post(Event{WRID: 3<<8 | uint64(i+1)}) == nil {
					s.accepted++
				}
			}
		}
		s.poster(1, 2)
		s.checkRest()
		s.checkSpill()
	})
}

// Completions stand back while the list is not empty, however much room there is in
// the ring, and come when it is: whoever empties it starts the pump.
func TestExploreSpillPump(t *testing.T) {
	scenario := func(x *explore.X, p Policy) *scen {
		s := newScen(x, 1, spilling(EVDConfig{Policy: p, Mode: ModeEvent, Dispatch: DispatchQueued, Batch: 1}), mock.Config{})
		primed(s.d)
		for i := 1; i <= 2; i++ {
			s.must(s.d.Post(Event{WRID: 1<<8 | uint64(i)}))
			s.accepted++
		}
		if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | 1}, false); ok {
			s.accepted++ // the event wakes the poller, who runs the pump
		}
		s.checkRest()
		s.checkSpill()
		return s
	}
	turn := func(s *scen, n int, ev *Event) {
		if n == 1 && ev.Stream != Software {
			s.x.Failf("a completion went ahead of the list")
		}
	}
	t.Run("runner", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := scenario(x, SingleInstance)
			s.onUpcall = func(u *Upcall) { turn(s, s.got-1, &u.Events()[0]) }
		})
	})
	t.Run("dequeuer", func(t *testing.T) {
		run(t, func(x *explore.X) {
			s := scenario(x, Disable)
			x.Go("dequeuer", func() {
				for s.dequeued < 3 {
					var buf [1]Event
					if n, _ := s.d.Dequeue(buf[:]); n == 0 {
						explore.Spin()
						continue
					}
					s.order(buf[:])
					turn(s, s.dequeued, &buf[0])
					s.dequeued++
				}
			})
		})
	})
}

// Each event comes once, ring or list.
func TestExploreSpillDequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{Policy: Disable}), mock.Config{})
		s.poster(1, 2)
		x.Go("dequeuer+poster2", func() {
			for i := 1; i <= 2; i++ {
				if s.d.Post(Event{WRID: 2<<8 | uint64(i)}) == nil {
					s.accepted++
				}
			}
			for s.dequeued < 4 {
				if s.dequeue(s.d.Dequeue) == 0 {
					explore.Spin()
				}
			}
		})
		s.checkSpill()
	})
}

// A waiter counts ring and list together.
func TestExploreSpillWait(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{}), mock.Config{})
		s.poster(1, 2)
		s.poster(2, 1)
		s.waiter(1, 3, 4)
		s.checkWaiter(0)
		s.checkSpill()
	})
}

// A waiter counts completions that the ring has no room for, or that wait behind the
// list: what is in their way he puts aside.
func TestExploreSpillWaitPump(t *testing.T) {
	for name, posts := range map[string]int{"list": 2, "ring": 0} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, spilling(EVDConfig{Mode: ModeEvent, Dispatch: DispatchQueued, Batch: 1}), mock.Config{})
				primed(s.d)
				for i := 1; i <= posts; i++ {
					s.must(s.d.Post(Event{WRID: 1<<8 | uint64(i)}))
					s.accepted++
				}
				for i := 1; i <= 2-posts/2; i++ {
					if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | uint64(i)}, false); ok {
						s.accepted++
					}
				}
				s.waiter(1, s.accepted, 4)
				s.checkWaiter(0)
				s.checkSpill()
			})
		})
	}
}

// What he puts aside is pending all the time: Shutdown does not take the EVD for empty.
func TestExploreSpillWaitPending(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{}), mock.Config{})
		s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
		s.accepted++
		s.d.stall() // as a pump
		s.waiter(1, 3, 4, ErrWoken)
		x.Go("observer", func() {
			if s.d.empty() {
				x.Failf("empty, and there is an event")
			}
			s.must(s.d.Wake())
		})
		x.Check(func() {
			for s.dequeue(s.d.Dequeue) > 0 {
			}
		})
		s.checkWaiter(0)
		s.checkSpill()
	})
}

// Close hands out what ring and list have, in order, and nothing comes after it.
func TestExploreSpillClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{Policy: Disable}), mock.Config{})
		s.poster(1, 2)
		s.poster(2, 1)
		x.Go("closer", func() {
			s.must(s.d.Close())
			s.after = true
		})
		s.x.Check(func() {
			if s.left != s.accepted {
				s.x.Failf("accepted %d, left over %d", s.accepted, s.left)
			}
		})
		s.checkSpill()
	})
}
