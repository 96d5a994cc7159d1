//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
	"github.com/evdengine/evd/ring"
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

// A direct hand-off does not overtake what its poster has queued to a worker: no run
// has begun then, and nothing is marked.
func TestExploreDirectBehindQueued(t *testing.T) {
	for name, post := range map[string]func(d *EVD, ev Event) error{
		"one":  (*EVD).Post,
		"many": func(d *EVD, ev Event) error { _, err := d.PostN([]Event{ev}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
				x.Go("poster", func() {
					ev := Event{WRID: 1<<8 | 1, Stream: Software, EVD: s.d.id}
					if s.d.ring.Push(&ev) != ring.OK { // as PostCM
						x.Failf("the ring is full")
					}
					s.d.trigger(srcPost)
					s.must(post(s.d, Event{WRID: 1<<8 | 2}))
					s.accepted += 2
				})
				s.checkRest()
			})
		})
	}
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
