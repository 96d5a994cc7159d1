//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// newUrgent is newScen with an EVD of software and connection events, which go ahead.
func newUrgent(x *explore.X, cfg EVDConfig) *scen {
	s := newScen(x, 0, EVDConfig{}, mock.Config{})
	s.must(s.d.Close()) // of the wrong streams
	cfg.Streams, cfg.Capacity, cfg.Batch, cfg.Priority = Software|Connection, 2, 2, true
	cfg.Upcall = s.upcall
	cfg.Leftovers = func(evs []Event) {
		s.left += len(evs)
		s.order(evs)
	}
	d, err := s.e.NewEVD(cfg)
	s.must(err)
	s.d = d
	s.x.Check(func() {
		if d.flags.Load()&fUrgent != 0 {
			x.Failf("the mark is up over an empty list")
		}
	})
	return s
}

// urgent posts a connection event and then a software event, n of producer p.
func (s *scen) urgent(p uint64, n int) {
	s.x.Go("urgent", func() {
		for i := 1; i <= 2*n; i += 2 {
			if s.d.PostCM(Event{Stream: Connection, Number: PeerRejected, WRID: p<<8 | uint64(i)}) == nil {
				s.accepted++
			}
			if s.d.Post(Event{WRID: p<<8 | uint64(i+1)}) == nil {
				s.accepted++
			}
		}
	})
}

// Events that go ahead come once, and before what their poster posts after them.
func TestExploreUrgent(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newUrgent(x, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued})
		s.urgent(1, 1)
		s.urgent(2, 1)
		s.checkRest()
	})
}

// Nor does what their poster posts after them come first by the list behind the ring.
func TestExploreUrgentSpill(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newUrgent(x, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Overflow: OverflowSpill})
		for i := 1; i <= 3; i++ { // two in the ring, one in the list
			s.must(s.d.Post(Event{WRID: 3<<8 | uint64(i)}))
			s.accepted++
		}
		s.urgent(1, 1)
		s.checkRest()
	})
}

// A direct hand-off is no way around them.
func TestExploreUrgentDirect(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newUrgent(x, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline})
		s.urgent(1, 1)
		s.poster(2, 1)
		s.checkRest()
	})
}

// Close hands them out with the rest, and refuses those that come too late.
func TestExploreUrgentClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newUrgent(x, EVDConfig{})
		s.urgent(1, 1)
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Check(func() {
			if s.left != s.accepted {
				x.Failf("accepted %d, left over %d", s.accepted, s.left)
			}
		})
	})
}
