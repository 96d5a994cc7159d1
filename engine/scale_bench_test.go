package engine

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// BenchmarkScaleActive: what an event costs on 8 EVDs that are used in turn, beside
// idle ones; ns/op is from post to the upcall's return, inline.
func BenchmarkScaleActive(b *testing.B) {
	for _, idle := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) {
			e := newTestEngine(b, Config{})
			evds := idleEVDs(b, e, idle, DispatchQueued)
			active := idleEVDs(b, e, 8, DispatchInline)
			runtime.GC()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := active[i&7].Post(Event{}); err != nil {
					b.Fatal(err)
				}
				i++
			}
			runtime.KeepAlive(evds)
		})
	}
}

// BenchmarkScaleWake: one of the first "among" EVDs gets an event and its upcall runs on a worker,
// another one each time, and the rest are idle. Between the first two, what differs
// is how many there are; between the last two, how much memory is touched. B/EVD, what each takes with its ring of 64 places;
// goroutines, of the whole process; us/new and us/close, of making and closing them.
func BenchmarkScaleWake(b *testing.B) {
	for _, c := range [][2]int{{1000, 1000}, {100_000, 1000}, {100_000, 100_000}} {
		n, among := c[0], c[1]
		b.Run(fmt.Sprintf("evds=%d/among=%d", n, among), func(b *testing.B) {
			e, err := New(Config{Workers: 1})
			require.NoError(b, err)
			var got atom.Counter
			before, began := inUse(), time.Now()
			evds := make([]*EVD, n)
			for i := range evds {
				evds[i], err = e.NewEVD(EVDConfig{Capacity: 64, Policy: SingleInstance, Upcall: func(*Upcall) { got.Add(1) }})
				require.NoError(b, err)
			}
			made := time.Since(began)
			each := float64(inUse()-before) / float64(n)
			i, posted := 0, uint64(0)
			for b.Loop() {
				if err := evds[i].Post(Event{}); err != nil {
					b.Fatal(err)
				}
				for posted++; got.Load() != posted; {
					atom.Spin()
				}
				if i += 7919; i >= among { // a prime: neighbours do not follow each other
					i %= among
				}
			}
			goroutines := runtime.NumGoroutine()
			began = time.Now()
			require.NoError(b, e.Close())
			b.ReportMetric(each, "B/EVD")
			b.ReportMetric(float64(goroutines), "goroutines")
			b.ReportMetric(float64(made.Microseconds())/float64(n), "us/new")
			b.ReportMetric(float64(time.Since(began).Microseconds())/float64(n), "us/close")
		})
	}
}
