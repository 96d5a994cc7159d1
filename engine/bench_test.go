package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// BenchmarkPoll: bursts of completions stored and polled by a spinning poller
// of the engine's own; ns per completion from store to upcall.
func BenchmarkPoll(b *testing.B) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		b.Run("dispatch="+disp.String()+"/burst=32", func(b *testing.B) {
			cq := newTestCQ(b, mock.Config{})
			e := newTestEngine(b, Config{})
			var got atom.Counter
			_, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Mode: ModeSpin, Dispatch: disp, Policy: SingleInstance,
				Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
			})
			if err != nil {
				b.Fatal(err)
			}
			wcs := make([]hwcq.WC, 32)
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := cq.CompleteN(wcs, false); err != nil {
					b.Fatal(err)
				}
				for n += 32; got.Load() != n; {
					atom.Spin()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/wc")
		})
	}
}
