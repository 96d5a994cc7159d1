//go:build explore

package engine

import (
	"slices"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// Two bad completions, dequeued at two EVDs, and a disconnect: one of them ends
// the connection, and says so once.
func TestR49BrokenOnce(t *testing.T) {
	run(t, func(x *explore.X) {
		e, err := newEngine(Config{Workers: 1}, func(string, string, func()) {})
		if err != nil {
			x.Failf("%v", err)
		}
		bed := func(streams Stream) (*EVD, *mock.CQ) {
			cfg := EVDConfig{Streams: streams, Mode: ModeEvent, Capacity: 4, Batch: 1}
			var cq *mock.CQ
			if streams&DTO != 0 {
				cq, _ = mock.New(mock.Config{Depth: 4})
				cfg.CQs = []hwcq.CQ{cq}
			}
			d, err := e.NewEVD(cfg)
			if err != nil {
				x.Failf("%v", err)
			}
			return d, cq
		}
		recv, rcq := bed(DTO)
		req, scq := bed(DTO)
		conn, _ := bed(Connection)
		ep, err := e.NewEndpoint(EndpointConfig{QPNum: 7, Recv: recv, Request: req, Connect: conn})
		if err != nil {
			x.Failf("%v", err)
		}
		ep.Established()
		bad := hwcq.WC{QPNum: 7, Status: hwcq.StatusRetryExcErr}
		_, _ = rcq.Complete(bad, false)
		_, _ = scq.Complete(bad, false)
		for _, d := range []*EVD{recv, req} {
			x.Go("consumer", func() {
				var buf [1]Event
				if n, err := d.Dequeue(buf[:]); n != 1 || err != nil {
					x.Failf("%d, %v", n, err)
				}
			})
		}
		mine := false
		x.Go("disconnect", func() { mine = ep.Disconnected() })
		x.Check(func() {
			var buf [4]Event
			var got []EventNumber
			for {
				n, err := conn.Dequeue(buf[:])
				if err != nil {
					x.Failf("%v", err)
				}
				if n == 0 {
					break
				}
				for _, ev := range buf[:n] {
					got = append(got, ev.Number)
				}
			}
			want := Broken
			if mine {
				want = Disconnected
			}
			if len(got) != 2 || got[0] != Established || got[1] != want {
				x.Failf("%v, disconnected by us: %v", got, mine)
			}
		})
	})
}

// One EVD for everything: established comes before the first completion,
// whoever is first to know, and disconnected behind the last one that was
// there.
func TestExploreMergedOrder(t *testing.T) {
	t.Run("first", func(t *testing.T) {
		mergedOrder(t, []EventNumber{Established, DTOCompletion}, func(x *explore.X, ep *Endpoint, cq *mock.CQ) {
			x.Go("cm", func() { ep.Established() })
			x.Go("hw", func() { _, _ = cq.Complete(hwcq.WC{QPNum: 7}, false) })
		})
	})
	t.Run("last", func(t *testing.T) {
		mergedOrder(t, []EventNumber{Established, DTOCompletion, Disconnected}, func(x *explore.X, ep *Endpoint, cq *mock.CQ) {
			ep.Established()
			x.Go("cm", func() {
				_, _ = cq.Complete(hwcq.WC{QPNum: 7}, false)
				ep.Disconnected()
			})
		})
	})
}

func mergedOrder(t *testing.T, want []EventNumber, threads func(x *explore.X, ep *Endpoint, cq *mock.CQ)) {
	run(t, func(x *explore.X) {
		e, _ := newEngine(Config{Workers: 1}, func(role, _ string, fn func()) { x.Daemon(role, fn) })
		cq, _ := mock.New(mock.Config{Depth: 4})
		var got []EventNumber
		d, err := e.NewEVD(EVDConfig{
			Streams: DTO | Connection, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Capacity: 4, Batch: 2,
			Upcall: func(u *Upcall) {
				for _, ev := range u.Events() {
					got = append(got, ev.Number)
				}
			},
		})
		if err != nil {
			x.Failf("%v", err)
		}
		ep, err := e.NewEndpoint(EndpointConfig{QPNum: 7, Recv: d, Connect: d})
		if err != nil {
			x.Failf("%v", err)
		}
		primed(d)
		threads(x, ep, cq)
		x.Check(func() {
			if !slices.Equal(got, want) {
				x.Failf("%v", got)
			}
		})
	})
}

// Two EVDs whose bad completions break each other's connections: no deadlock,
// no recursion, everything arrives.
func TestR05CrossedBroken(t *testing.T) {
	run(t, func(x *explore.X) {
		e, _ := newEngine(Config{Workers: 1}, func(role, _ string, fn func()) {
			if role == "worker" {
				x.Daemon(role, fn)
			}
		})
		var ds [2]*EVD
		got := 0
		for i := range ds {
			cq, _ := mock.New(mock.Config{Depth: 4})
			_, _ = cq.Complete(hwcq.WC{QPNum: uint32(i), Status: hwcq.StatusRetryExcErr}, false)
			d, err := e.NewEVD(EVDConfig{
				Streams: DTO | Connection, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Capacity: 4, Batch: 1,
				Policy: SingleInstance, Upcall: func(u *Upcall) { got += len(u.Events()) },
			})
			if err != nil {
				x.Failf("%v", err)
			}
			ds[i] = d
		}
		for i := range ds {
			if _, err := e.NewEndpoint(EndpointConfig{QPNum: uint32(i), Recv: ds[i], Connect: ds[1-i]}); err != nil {
				x.Failf("%v", err)
			}
		}
		for i := range ds {
			x.Go("poller", func() { ds[i].links()[0].poll.start(srcWatch) })
		}
		x.Check(func() {
			if got != 4 || ds[0].pending() || ds[1].pending() {
				x.Failf("%d events", got)
			}
		})
	})
}
