//go:build !explore

package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/internal/spin"
)

// BenchmarkWake: how long after a post by a goroutine that keeps its CPU the waiter
// has the event, by how long the waiter had waited (gap). The poster measures until he
// sees the waiter's answer, one cache line, and takes off what an answer takes: the
// anchor, one way of a ping-pong between the same two CPUs in the same run.
//
//	p10-ns, p50-ns  of that time
//	anchor-ns       the anchor, the least of ten
//	x-anchor        p10 over the anchor: for a waiter that spins 4 at most, with a gap of 2us
//
// ns/op has the gap in it and says nothing. With other load beside it believe p10.
func BenchmarkWake(b *testing.B) {
	for _, m := range []WaitMode{WaitSpin, WaitAdaptive, WaitPark} {
		for _, gap := range []time.Duration{2 * us, 20 * us, 300 * us} {
			b.Run(fmt.Sprintf("wait=%v/gap=%v", m, gap), func(b *testing.B) {
				if gap >= 300*us && m == WaitSpin && testing.Short() {
					b.Skip("a CPU for long")
				}
				benchWake(b, m, gap)
			})
		}
	}
}

// mailbox is a word with a line of its own.
type mailbox struct {
	_ pad.Line
	n atom.Uint64
	_ pad.Line
}

// pinTo pins where there are two CPUs to choose from.
func pinTo(i int) (restore func()) {
	cpus, err := usableCPUs()
	if err != nil || len(cpus) < 2 {
		return func() {}
	}
	restore, err = pin(cpus[i])
	if err != nil {
		return func() {}
	}
	return restore
}

// anchor is one way of a ping-pong, of the fastest of ten rounds of a thousand.
func anchor() time.Duration {
	const rounds, turns = 10, 1000
	var there, back mailbox
	go func() {
		defer pinTo(1)()
		for i := uint64(1); i <= rounds*turns; i++ {
			for there.n.Load() != i {
				continue
			}
			back.n.Store(i)
		}
	}()
	least := time.Hour
	i := uint64(0)
	for range rounds {
		began := now()
		for range turns {
			i++
			there.n.Store(i)
			for back.n.Load() != i {
				continue
			}
		}
		least = min(least, now()-began)
	}
	return max(least/(2*turns), 1)
}

// clock is what reading it twice adds to a measurement.
func clock() time.Duration {
	least := time.Hour
	for range 100 {
		began := now()
		least = min(least, now()-began)
	}
	return least
}

func benchWake(b *testing.B, m WaitMode, gap time.Duration) {
	e := newTestEngine(b, Config{Workers: 1, Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{WaitMode: m})
	if err != nil {
		b.Fatal(err)
	}
	defer pinTo(0)()
	one, tick := anchor(), clock()
	var answer mailbox
	over := make(chan struct{})
	go func() {
		defer close(over)
		if m != WaitPark { // one that is pinned pays for a switch of threads when it parks
			defer pinTo(1)()
		}
		var buf [1]Event
		for {
			_, _, err := d.Wait(context.Background(), 1, buf[:])
			if err != nil {
				return
			}
			answer.n.Store(buf[0].WRID)
		}
	}()
	times := make([]time.Duration, 0, 1<<20)
	for i := uint64(1); b.Loop(); i++ {
		for waits := bWAIT; d.load()&bOWN == 0 || m == WaitPark && d.load()&waits == 0; {
			spin.Pause()
		}
		for t := now(); now()-t < gap; {
			spin.Pause()
		}
		began := now()
		_ = d.Post(Event{WRID: i})
		for answer.n.Load() != i {
			continue
		}
		if len(times) < cap(times) {
			times = append(times, now()-began-tick-one)
		}
	}
	ends := d.Stats().Ends
	_ = d.Close()
	<-over
	slices.Sort(times)
	p10, p50 := times[len(times)/10], times[len(times)/2]
	b.ReportMetric(float64(p10), "p10-ns")
	b.ReportMetric(float64(p50), "p50-ns")
	b.ReportMetric(float64(one), "anchor-ns")
	b.ReportMetric(float64(p10)/float64(one), "x-anchor")
	b.ReportMetric(float64(ends.Parked)/float64(max(ends.Events, 1)), "parks/wake")
}
