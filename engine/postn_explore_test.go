//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// posterN posts events 1..n of producer p, burst at once, giving up on what is refused.
func (s *scen) posterN(p uint64, n, burst int) {
	s.x.Go("posterN", func() {
		evs := make([]Event, burst)
		for from := 1; from <= n; from += burst {
			for i := range evs {
				evs[i] = Event{WRID: p<<8 | uint64(from+i)}
			}
			k, _ := s.d.PostN(evs)
			s.accepted += k
		}
	})
}

// Many posts at once beside one: they are handed over, or queued.
func TestExplorePostN(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
		s.posterN(1, 2, 2)
		s.poster(2, 1)
		s.checkRest()
	})
}

// More than an upcall gets: the others come behind, through the ring.
func TestExplorePostNRest(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
		s.posterN(1, 2, 2)
		s.poster(2, 1)
		s.checkRest()
	})
}

// What the upcall itself posts comes after all that its poster has posted before.
func TestExplorePostNInside(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1, Budget: 2}, mock.Config{})
		posted := false
		s.onUpcall = func(u *Upcall) {
			if !posted {
				posted = true
				n, err := u.PostN([]Event{{WRID: 1<<8 | 8}, {WRID: 1<<8 | 9}}) // as if of producer 1
				s.must(err)
				s.accepted += n
			}
		}
		s.posterN(1, 2, 2)
		s.checkRest()
	})
}

// A hand-off does not overtake what a run has left in the ring because a Dequeue was
// taking: as TestExploreDirectBesideDequeue.
func TestExplorePostNDirectBesideDequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
		s.unorder = true // two consumers at once, but among upcalls there is an order
		last := uint64(0)
		s.onUpcall = func(u *Upcall) {
			for _, ev := range u.Events() {
				if ev.WRID < last {
					x.Failf("%x in an upcall after %x", ev.WRID, last)
				}
				last = ev.WRID
			}
		}
		s.posterN(1, 2, 1)
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		s.checkRest()
	})
}

// One trigger for all of them, after all of them.
func TestExplorePostNQueued(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Batch: 1}, mock.Config{})
		s.posterN(1, 2, 2)
		s.poster(2, 1)
		s.checkRest()
	})
}

// What found room is told of, though the rest did not.
func TestExplorePostNFull(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Capacity: 2, Policy: SingleInstance, Dispatch: DispatchQueued}, mock.Config{})
		s.posterN(1, 3, 3)
		s.checkRest()
	})
}

// The list behind the ring: what finds no room goes there, in order.
func TestExplorePostNSpill(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, spilling(EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Batch: 1}), mock.Config{})
		s.posterN(1, 4, 2)
		s.checkRest()
		s.checkSpill()
	})
}

// Beside Disable, which is exact, and Enable.
func TestExplorePostNDisable(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
		s.posterN(1, 2, 2)
		x.Go("policy", func() {
			s.must(s.d.ModifyUpcall(Teardown, Same))
			if s.inside > 0 {
				x.Failf("torn down, and an upcall runs")
			}
			s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
		})
		s.checkRest()
	})
}

// Beside Close: what was accepted is delivered, or left over, in order.
func TestExplorePostNClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
		s.posterN(1, 2, 2)
		s.closing = true
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Check(func() {
			if s.got+s.left != s.accepted {
				x.Failf("%d accepted, %d delivered, %d left over", s.accepted, s.got, s.left)
			}
		})
	})
}

// A waiter for two is woken by two that come at once.
func TestExplorePostNWait(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.waiter(1, 2, 2)
		s.posterN(1, 2, 2)
		s.checkWaiter(0)
	})
}
