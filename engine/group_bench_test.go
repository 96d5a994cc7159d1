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
// all are armed and g sleeps. each is what one takes beside its CQ.
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
	idle(t, g)
	return cqs, (float64(inUse()) - float64(before)) / float64(n)
}

// BenchmarkPollers: a completion of one of so many CQs, from the hardware's store to
// the return of its upcall, by one poller. own: each CQ has a poller of its own (with
// more than some thousand that is a benchmark of the scheduler). mode=event: the poller
// sleeps before each. mode=adaptive: it does not, and the one CQ is active all the
// time. B/member is the memory of a member without its CQ.
func BenchmarkPollers(b *testing.B) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		for _, n := range []int{1, 100, 10_000, 100_000} {
			for _, spread := range []bool{false, true} {
				if spread && n == 1 {
					continue
				}
				b.Run(fmt.Sprintf("mode=%v/members=%d/active=1/spread=%v", mode, n, spread), func(b *testing.B) {
					e, err := New(Config{Workers: 1})
					require.NoError(b, err)
					g := newPoller(b, e)
					var got atom.Counter
					cqs, each := members(b, e, g, n, mode, func(*Upcall) { got.Add(1) })
					i, sent := 0, uint64(0)
					b.ReportAllocs()
					for b.Loop() {
						_, _ = cqs[i].Complete(hwcq.WC{}, false)
						for sent++; got.Load() != sent; {
							atom.Spin()
						}
						if spread {
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
				})
			}
		}
	}
}
