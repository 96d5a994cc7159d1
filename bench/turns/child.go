package turns

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/stats"
)

// memoryLimit is where the garbage collector, which is off in a turn, works all the
// same.
const memoryLimit = 1 << 30

// Serve says hello, and then measures with cfg once for each order on in, until in
// ends. How long, an order says: Duration, Count and Warmup of cfg do not count. The
// errors are those of bench.Run, of in and out, and of ctx.
//
// The garbage collector works between turns and not in them, so that neither side
// collects what the other one does not.
func Serve(ctx context.Context, cfg bench.Config, in io.Reader, out io.Writer) error {
	cfg.Count, cfg.Duration, cfg.Warmup = 0, 0, bench.Span{}
	if err := cfg.Validate(); err != nil {
		return err
	}
	clk := bench.NewClock()
	enc := json.NewEncoder(out)
	if err := enc.Encode(Hello{Protocol, bench.Version(), cfg.WithDefaults(), bench.Environment(clk)}); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	for line := range lines(ctx, in) {
		var o Order
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("turns: not an order: %q", line)
		}
		reply, err := measure(ctx, cfg, clk, o)
		if err != nil {
			return err
		}
		runtime.GC() // before the answer: then it is another's turn
		if err := enc.Encode(reply); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lines are those of in, until it or ctx ends. The reader of an in that does not end
// stays behind: it belongs to a process that is about to.
func lines(ctx context.Context, in io.Reader) <-chan []byte {
	ch := make(chan []byte)
	go func() {
		defer close(ch)
		s := bufio.NewScanner(in)
		for s.Scan() {
			select {
			case ch <- append([]byte(nil), s.Bytes()...):
			case <-ctx.Done():
				return
			}
		}
	}()
	return ch
}

func measure(ctx context.Context, cfg bench.Config, clk *bench.Clock, o Order) (Reply, error) {
	cfg.Duration = o.Measure
	cfg.Warmup = bench.Span{Time: o.Warmup, Off: o.Warmup == 0}
	r, err := bench.RunOn(ctx, cfg, clk, bench.Watch{})
	if err != nil {
		return Reply{}, err
	}
	return Reply{
		Metrics: stats.Metrics(r), Violations: r.Conservation.Violations, Invalid: r.Invalid,
		Interrupted: r.Interrupted,
	}, nil
}
