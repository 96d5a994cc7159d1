//go:build explore

package engine

import (
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// resizer resizes, and takes the errors in may for an answer.
func (s *scen) resizer(sizes []int, may ...error) {
	s.x.Go("resizer", func() {
		for _, n := range sizes {
			s.resize(n, may...)
		}
	})
}

func (s *scen) resize(n int, may ...error) {
	was := s.d.Capacity()
	err := s.d.Resize(n)
	for _, e := range may {
		if errors.Is(err, e) {
			if c := s.d.Capacity(); c != was {
				s.x.Failf("refused, and the capacity is %d instead of %d", c, was)
			}
			return
		}
	}
	if s.must(err); s.d.Capacity() != n {
		s.x.Failf("resized to %d: the capacity is %d", n, s.d.Capacity())
	}
}

// Posts and upcalls beside a resize, up and down.
func TestExploreResizePosts(t *testing.T) {
	for name, sizes := range map[string][]int{"grow": {2}, "shrink": {1}} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Capacity: 3 - sizes[0], Batch: 1}, mock.Config{})
				s.poster(1, 2)
				s.resizer(sizes, ErrTooSmall)
				s.checkRest()
			})
		})
	}
}

// An inline post whose event goes by the ring must not be overtaken by one that
// finds only a part of the chain idle.
func TestExploreResizeDirect(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Capacity: 2, Batch: 1}, mock.Config{})
		s.poster(1, 2)
		s.poster(2, 1)
		s.resizer([]int{1}, ErrTooSmall)
		s.checkRest()
	})
}

// A pump that has gone away from the full ring, or is about to, is started by
// whoever makes room.
func TestExploreResizePump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
		for i := 1; i <= 2; i++ {
			if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: uint64(i)}, false); ok {
				s.accepted++
			}
		}
		s.resizer([]int{2})
		x.Check(func() {
			if n := s.d.ring.Held(); n != 2 || s.cq[0].Pending() || s.d.pumpsHold() {
				x.Failf("%d of 2 completions came to a ring that has room for them", n)
			}
			for s.dequeue(s.d.Dequeue) > 0 {
			}
			if s.dequeued != 2 {
				x.Failf("%d of 2 dequeued", s.dequeued)
			}
		})
	})
}

// Close beside a resize: what was accepted is left over, in order.
func TestExploreResizeClose(t *testing.T) {
	for name, n := range map[string]int{"grow": 4, "shrink": 1} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Capacity: 2, Batch: 1}, mock.Config{})
				s.must(s.d.Post(Event{WRID: 2<<8 | 1}))
				s.accepted++
				s.poster(1, 1)
				s.resizer([]int{n}, ErrTooSmall, ErrClosed)
				x.Go("closer", func() { s.must(s.d.Close()) })
				x.Check(func() {
					if s.left != s.accepted || s.d.load()&bTAKE != 0 {
						x.Failf("accepted %d, left over %d, word %x", s.accepted, s.left, s.d.load())
					}
				})
			})
		})
	}
}

// A waiter never waits for more than fits, however the size changes.
func TestExploreResizeWait(t *testing.T) {
	for name, n := range map[string]int{"grow": 4, "shrink": 1} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Capacity: 2}, mock.Config{})
				s.waiter(1, 2, 2, ErrThreshold)
				if name == "grow" {
					s.must(s.d.Post(Event{WRID: 2<<8 | 1}))
					s.accepted++
					s.poster(1, 1)
					s.resizer([]int{n})
				} else {
					s.poster(1, 2) // of which the second does not go into a smaller one
					s.resizer([]int{n}, ErrTooSmall, ErrWaiter)
				}
				x.Check(func() {
					for s.dequeue(s.d.Dequeue) > 0 {
					}
				})
				s.checkWaiter(0)
			})
		})
	}
}

// Dequeues beside one who becomes smaller: one consumer at a time, and what is
// refused changes nothing.
func TestExploreResizeDequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Capacity: 2}, mock.Config{})
		s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
		s.must(s.d.Post(Event{WRID: 1<<8 | 2}))
		s.accepted = 2
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		s.resizer([]int{1}, ErrTooSmall)
		s.poster(2, 1)
		x.Check(func() {
			for s.dequeue(s.d.Dequeue) > 0 {
			}
		})
		s.checkWaiter(0)
	})
}
