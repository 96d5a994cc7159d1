package explore_test

import (
	"testing"

	"github.com/evdengine/evd/internal/explore"
)

// steps is a scenario of n threads with k operations each.
func steps(n, k int) func(x *explore.X) {
	return func(x *explore.X) {
		w := make([]word, 4)
		for i := range n {
			x.Go("t", func() {
				for j := range k {
					w[(i+j)&3].add(1)
				}
			})
		}
	}
}

func benchmark(b *testing.B, o explore.Options, body func(x *explore.X)) {
	o.MaxExecutions = b.N
	b.ReportAllocs()
	res := explore.Run(o, body)
	if res.Failure != nil {
		b.Fatal(res.Failure)
	}
	b.ReportMetric(float64(res.Steps)/float64(res.Executions), "steps/exec")
	b.ReportMetric(float64(res.Executions)/res.Elapsed.Seconds(), "exec/s")
}

func BenchmarkDFS(b *testing.B) {
	b.Run("3x25", func(b *testing.B) {
		benchmark(b, explore.Options{Preemptions: 5}, steps(3, 25))
	})
	b.Run("daemon", func(b *testing.B) {
		benchmark(b, explore.Options{Preemptions: 5}, func(x *explore.X) {
			steps(2, 30)(x)
			x.Daemon("d", func() { explore.Block(func() bool { return false }) })
		})
	})
	b.Run("unbounded", func(b *testing.B) {
		benchmark(b, explore.Options{Preemptions: explore.Unbounded}, steps(3, 25))
	})
}
