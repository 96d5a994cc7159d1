//go:build explore

package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// A waiter of the CNO is given an EVD before NewEVD has returned it, and has it join.
func TestExploreShareNewOnCNO(t *testing.T) {
	run(t, func(x *explore.X) {
		must := func(err error) {
			if err != nil {
				x.Failf("%v", err)
			}
		}
		pollers := 0
		e, err := newEngine(Config{Workers: 1}, func(role, _ string, _ func()) {
			if role == "poller" {
				pollers++
			}
		})
		must(err)
		cq, err := mock.New(mock.Config{Depth: 4})
		must(err)
		own, err := mock.New(mock.Config{Depth: 4})
		must(err)
		_, err = own.Complete(hwcq.WC{WRID: 1}, false)
		must(err)
		s, err := e.NewSharedCQ(SharedCQConfig{CQ: cq, Mode: ModeEvent})
		must(err)
		c, err := e.NewCNO(CNOConfig{})
		must(err)
		x.Go("new", func() {
			_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{own}, CNO: c, Mode: ModeEvent})
			must(err)
		})
		x.Go("waiter", func() {
			w, err := c.NewWaiter()
			must(err)
			d, err := w.Wait(context.Background())
			must(err)
			_, err = d.Join(s, 1, 1)
			must(err)
		})
		x.Check(func() {
			if pollers != 2 {
				x.Failf("%d pollers", pollers)
			}
		})
	})
}

// farewell makes an EVD of connections that has joined, with an endpoint of which
// only Disconnected is looked at.
func farewell(x *explore.X, cfg EVDConfig) (*shareScen, *Endpoint) {
	cfg.Streams = DTO | Connection
	s := newBareScen(x, cfg, EVDConfig{}).join(0).join(1)
	ep, err := s.e.NewEndpoint(EndpointConfig{QPNum: 0, Recv: s.d[0], Connect: s.d[0]})
	s.must(err)
	ep.told = true
	s.bare = false
	return s, ep
}

// Who leaves beside Disconnected gets it, though what is on the CQ is never routed.
func TestExploreShareFarewell(t *testing.T) {
	run(t, func(x *explore.X) {
		s, ep := farewell(x, queued)
		s.complete(1)
		x.Go("connection", func() { ep.Disconnected() })
		x.Go("leave", func() { s.must(s.c[0].Close()) })
		x.Check(func() {
			if s.down[0] != 1 {
				x.Failf("%d disconnections", s.down[0])
			}
		})
	})
}

// Nothing can come from a shared CQ that the EVD has left, be its port empty or not:
// a waiter is told, when the EVD's other CQ has failed.
func TestExploreShareLeaveWaiter(t *testing.T) {
	for left := range 2 {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			run(t, func(x *explore.X) {
				own, err := mock.New(mock.Config{Depth: 4})
				if err != nil {
					x.Failf("%v", err)
				}
				s := newBareScen(x, EVDConfig{CQs: []hwcq.CQ{own}, Mode: ModeEvent}).join(0)
				s.d[0].cqFailed(s.d[0].links()[0], hwcq.ErrRemoved, alarmProvider)
				if left == 1 {
					s.complete(0)
				}
				var end error
				x.Go("waiter", func() {
					for end == nil {
						var buf [1]Event
						n := 0
						n, _, end = s.d[0].Wait(context.Background(), 1, buf[:])
						s.mine(0, buf[:n])
						s.taken[0] += n
					}
				})
				x.Go("leave", func() { s.must(s.c[0].Close()) })
				x.Check(func() {
					if s.taken[0] != left || !errors.Is(end, hwcq.ErrRemoved) {
						x.Failf("%d taken, %v", s.taken[0], end)
					}
				})
			})
		})
	}
}
