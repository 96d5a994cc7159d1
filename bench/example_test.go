package bench_test

import (
	"context"
	"fmt"

	"github.com/evdengine/evd/bench"
)

func ExampleRun() {
	r, err := bench.Run(context.Background(), bench.Config{
		Workload: bench.BW, Mode: "event", Posters: 2,
		Count: 3000, Warmup: bench.Span{Off: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := r.Conservation
	fmt.Println("accepted", c.Accepted, "delivered", c.Delivered, "nothing lost:", c.OK())
	// Output: accepted 3000 delivered 3000 nothing lost: true
}

func ExampleHist() {
	h := bench.NewHist()
	for us := range int64(100) {
		h.Record(us * 1000)
	}
	s := h.Summary()
	fmt.Println("samples", s.Samples, "max", s.Max)
	for _, p := range s.Percentiles[1:3] {
		if p.Nanos == nil {
			fmt.Println(p.Name(), "needs", p.Needs, "samples")
			continue
		}
		fmt.Println(p.Name(), "is about", *p.Nanos/1000, "us")
	}
	// Output:
	// samples 100 max 99000
	// p90 is about 89 us
	// p99 needs 1000 samples
}

func ExampleClock() {
	clk := bench.NewClock()
	start := clk.Now()
	took := clk.Nanos(clk.Now() - start)
	fmt.Println(took >= 0)
	// Output: true
}

func ExampleChecker() {
	c := bench.NewChecker(1)
	for _, seq := range []uint64{0, 1, 3, 3} {
		c.See(bench.WRID(0, seq))
	}
	o := c.Producer(0)
	fmt.Println("missing", o.Missing, "duplicates", o.Duplicates)
	// Output: missing 1 duplicates 1
}
