package mock_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

func newCQ(tb testing.TB, cfg mock.Config) *mock.CQ {
	tb.Helper()
	cq, err := mock.New(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, cq.Close()) })
	return cq
}

// BenchmarkPoll polls through the interface, as the engine does. ready is how
// many completions each Poll finds; storing them costs time too, which
// BenchmarkComplete tells.
func BenchmarkPoll(b *testing.B) {
	for _, bc := range []struct {
		name string
		n    int
	}{{"state=empty", 0}, {"state=ready/n=1", 1}, {"state=ready/n=16", 16}, {"state=ready/n=64", 64}} {
		b.Run(bc.name, func(b *testing.B) {
			c := newCQ(b, mock.Config{})
			var cq hwcq.CQ = c
			in, out := make([]hwcq.WC, bc.n), make([]hwcq.WC, 64)
			b.ReportAllocs()
			for b.Loop() {
				if bc.n > 0 {
					_, _ = c.CompleteN(in, false)
				}
				if n := cq.Poll(out); n != bc.n {
					b.Fatalf("polled %d of %d", n, bc.n)
				}
			}
		})
	}
}

// BenchmarkDrain fills the ring with the clock stopped and polls it empty:
// the cost of Poll alone, per call.
func BenchmarkDrain(b *testing.B) {
	for _, bc := range []struct {
		name string
		n    int
	}{{"batch=1", 1}, {"batch=16", 16}, {"batch=64", 64}} {
		b.Run(bc.name, func(b *testing.B) {
			const depth = 1 << 12
			c := newCQ(b, mock.Config{Depth: depth})
			var cq hwcq.CQ = c
			in, out := make([]hwcq.WC, depth), make([]hwcq.WC, bc.n)
			b.ReportAllocs()
			left := 0
			for i := 0; i < b.N; i++ {
				if left == 0 {
					b.StopTimer()
					left, _ = c.CompleteN(in, false)
					b.StartTimer()
				}
				left -= cq.Poll(out)
			}
		})
	}
}

func BenchmarkPending(b *testing.B) {
	var cq hwcq.CQ = newCQ(b, mock.Config{})
	b.ReportAllocs()
	for b.Loop() {
		if cq.Pending() {
			b.Fatal("pending")
		}
	}
}

// BenchmarkComplete is the hardware's side, with a Poll of all every 512.
func BenchmarkComplete(b *testing.B) {
	for _, bc := range []struct {
		name string
		n    int
	}{{"batch=1", 1}, {"batch=32", 32}} {
		b.Run(bc.name, func(b *testing.B) {
			cq := newCQ(b, mock.Config{})
			in, out := make([]hwcq.WC, bc.n), make([]hwcq.WC, 512)
			b.ReportAllocs()
			k := 0
			for b.Loop() {
				if bc.n == 1 {
					_, _ = cq.Complete(hwcq.WC{WRID: 1}, false)
				} else {
					_, _ = cq.CompleteN(in, false)
				}
				if k += bc.n; k == 512 {
					k -= cq.Poll(out)
				}
			}
		})
	}
}

// BenchmarkArm is one turn of the event protocol: arm, complete, event, poll.
func BenchmarkArm(b *testing.B) {
	cq := newCQ(b, mock.Config{})
	ev := cq.Events()
	out := make([]hwcq.WC, 1)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = cq.Arm(false)
		_, _ = cq.Complete(hwcq.WC{}, false)
		if e, _ := ev.Wait(); !e || cq.Poll(out) != 1 {
			b.Fatal("no event or no completion")
		}
	}
}

// BenchmarkSubmitComplete is a request's way through a loopback QP and back:
// on the submitter's goroutine, or across to the device's.
func BenchmarkSubmitComplete(b *testing.B) {
	for _, bc := range []struct {
		name  string
		cfg   mock.QPConfig
		depth int
	}{
		{"device=inline/outstanding=1", mock.QPConfig{Inline: true}, 1},
		{"device=goroutine/outstanding=1", mock.QPConfig{}, 1},
		{"device=goroutine/outstanding=64", mock.QPConfig{}, 64},
	} {
		b.Run(bc.name, func(b *testing.B) {
			cq := newCQ(b, mock.Config{})
			qp, err := cq.NewQP(bc.cfg)
			require.NoError(b, err)
			out := make([]hwcq.WC, 64)
			free := bc.depth
			b.ReportAllocs()
			for b.Loop() { // one request each
				if err := qp.Submit(mock.WR{WRID: 7}); err != nil {
					b.Fatal(err)
				}
				for free--; free == 0; {
					if free += cq.Poll(out); free == 0 {
						runtime.Gosched() // device and poller may share a processor
					}
				}
			}
		})
	}
}
