package engine

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// members makes n EVDs of 64 places on g, each over a CQ of its own, and waits until
// all are armed and g sleeps; with g nil each has its own. each is what one takes beside its CQ.
func members(t testing.TB, e *Engine, g *Poller, n int, mode Mode, up UpcallFunc) (cqs []*mock.CQ, each float64) {
	t.Helper()
	cqs = make([]*mock.CQ, n)
	for i := range cqs {
		var err error
		cqs[i], err = mock.New(mock.Config{Depth: 1})
		require.NoError(t, err)
	}
	before := inUse()
	for _, cq := range cqs {
		_, err := e.NewEVD(EVDConfig{Capacity: 64, Mode: mode, Poller: g, CQs: []hwcq.CQ{cq}, Policy: SingleInstance, Upcall: up})
		require.NoError(t, err)
	}
	if g != nil {
		idle(t, g)
	} else {
		time.Sleep(50 * time.Millisecond)
	}
	return cqs, (float64(inUse()) - float64(before)) / float64(n)
}

// BenchmarkPollers: a completion of one of so many CQs, from the hardware's store to
// the return of its upcall. poller=group: one Poller has all; own: each CQ has a
// goroutine. mode=event: it sleeps before each event; adaptive: those that had one
// lately are polled. active=1: always the same CQ; all: another one each time, so that
// the memory of all is touched. B/member is the memory of a member without its CQ and
// without the places of its ring.
func BenchmarkPollers(b *testing.B) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		for _, n := range []int{1, 100, 10_000, 100_000} {
			for _, active := range []string{"1", "all"} {
				for _, kind := range []string{"group", "own"} {
					if active == "all" && n == 1 || kind == "own" && n > 100 {
						continue
					}
					b.Run(fmt.Sprintf("mode=%v/members=%d/active=%s/poller=%s", mode, n, active, kind), func(b *testing.B) {
						benchPollers(b, mode, n, active == "all", kind == "group")
					})
				}
			}
		}
	}
}

func benchPollers(b *testing.B, mode Mode, n int, all, group bool) {
	e, err := New(Config{Workers: 1})
	require.NoError(b, err)
	var g *Poller
	if group {
		g = newPoller(b, e)
	}
	var got atom.Counter
	cqs, each := members(b, e, g, n, mode, func(*Upcall) { got.Add(1) })
	i, sent := 0, uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = cqs[i].Complete(hwcq.WC{}, false)
		for sent++; got.Load() != sent; {
			atom.Spin()
		}
		if all {
			if i += 7919; i >= n { // a prime: neighbours do not follow each other
				i %= n
			}
		}
	}
	b.ReportMetric(each-64*float64(slotBytes), "B/member")
	b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
	began := time.Now()
	require.NoError(b, e.Close())
	b.ReportMetric(float64(time.Since(began).Microseconds())/float64(n), "us/close")
}

// BenchmarkPollersPlaced: 8 CQs that never run dry, on one of two Pollers or half of them
// on each; ns an event, of all together, by how long an upcall works. What is won by the
// second is all that moving members from one Poller to another could win.
func BenchmarkPollersPlaced(b *testing.B) {
	for _, work := range []int{0, 100, 1000} {
		for _, spread := range []bool{false, true} {
			b.Run(fmt.Sprintf("spins=%d/spread=%v", work, spread), func(b *testing.B) {
				e := newTestEngine(b, Config{Workers: 1})
				gs := [2]*Poller{newPoller(b, e), newPoller(b, e)}
				var got atom.Counter
				done := make(chan struct{})
				most := uint64(b.N)
				b.ResetTimer()
				for i := range 8 {
					g := gs[0]
					if spread {
						g = gs[i%2]
					}
					var c *counted
					c = newCounted(b, e, EVDConfig{Poller: g, Upcall: func(u *Upcall) {
						x, n := u.Events()[0].WRID, uint64(len(u.Events()))
						if now := got.Add(n); now >= most && now-n < most {
							close(done)
						}
						defer func() { c.sent = x }() // or nothing would be done
						for range u.Events() {
							for range work {
								x = x*6364136223846793005 + 1
							}
							_, _ = c.cq.Complete(hwcq.WC{}, false)
						}
					}}, mock.Config{Depth: 64})
					_, _ = c.cq.CompleteN(make([]hwcq.WC, 32), false)
				}
				<-done
				b.StopTimer()
			})
		}
	}
}
