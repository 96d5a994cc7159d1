package bench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// BenchmarkFlood: one EVD is flooded by posters as fast as they can, whose upcalls
// take some 100 ns an event; 16 others get an event now and then. What is reported is
// the latency of those, from post to upcall: p50, p99 and the worst, in ns, and how
// many events the flooded one delivered meanwhile, in ev/us.
func BenchmarkFlood(b *testing.B) {
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		for _, flood := range []bool{false, true} {
			b.Run(fmt.Sprintf("workers=%d/flood=%v", workers, flood), func(b *testing.B) { benchFlood(b, workers, flood) })
		}
	}
}

// work takes some 100 ns.
func work(n int) (sum uint64) {
	for i := range n * 100 {
		sum += uint64(i) * sum >> 7
	}
	return sum
}

func benchFlood(b *testing.B, workers int, flood bool) {
	e, err := engine.New(engine.Config{Workers: workers})
	require.NoError(b, err)
	defer func() { require.NoError(b, e.Close()) }()
	clock, hist := NewClock(), NewHist()
	var sum atomic.Uint64
	flooded, err := e.NewEVD(engine.EVDConfig{
		Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) { sum.Add(work(len(u.Events()))) },
	})
	require.NoError(b, err)
	arrived := make(chan Ticks, 1)
	others := make([]*engine.EVD, 16)
	for i := range others {
		others[i], err = e.NewEVD(engine.EVDConfig{
			Capacity: 64, Policy: engine.SingleInstance,
			Upcall: func(*engine.Upcall) { arrived <- clock.Now() },
		})
		require.NoError(b, err)
	}
	var stop atomic.Bool
	var posters sync.WaitGroup
	if flood {
		for range 2 {
			posters.Go(func() {
				for !stop.Load() {
					if flooded.Post(engine.Event{}) != nil {
						runtime.Gosched() // full
					}
				}
			})
		}
	}
	began, i := time.Now(), 0
	for b.Loop() {
		sent := clock.Now()
		if err := others[i%len(others)].Post(engine.Event{}); err != nil {
			b.Fatal(err)
		}
		hist.Record(clock.Nanos(<-arrived - sent))
		i++
		time.Sleep(100 * time.Microsecond) // now and then
	}
	spent := time.Since(began)
	delivered := flooded.Stats().Delivered
	stop.Store(true)
	posters.Wait()
	s := hist.Summary()
	for _, p := range s.Percentiles {
		if p.Nanos != nil && (p.P == 50 || p.P == 99) {
			b.ReportMetric(float64(*p.Nanos), p.Name()+"-ns")
		}
	}
	b.ReportMetric(float64(s.Max), "max-ns")
	b.ReportMetric(float64(delivered)/float64(max(1, spent.Microseconds())), "ev/us")
}
