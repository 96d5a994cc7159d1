package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evdengine/evd/bench"
)

// AA is what identical runs differ by: a difference below it says nothing.
type AA struct {
	Runs   int      `json:"runs"` // of each workload
	Spread []Spread `json:"spread"`
}

// Spread is that of one figure.
type Spread struct {
	Figure string  `json:"figure"` // "lat p50", ..
	Median float64 `json:"median"`
	// Spread is half of what lies between the extremes, as a part of the median.
	Spread float64 `json:"spread"`
}

// Runs of MeasureAA, and how long each is.
const (
	aaRuns  = 8
	aaTime  = 150 * time.Millisecond
	aaCalm  = 0.02
	aaNoisy = 0.10
)

// figures are those whose spread is told.
var figures = []struct {
	name     string
	workload string
	of       func(*bench.Report) float64
}{
	{"lat p50", bench.Lat, func(r *bench.Report) float64 { return percentile(r, 50) }},
	{"lat p99", bench.Lat, func(r *bench.Report) float64 { return percentile(r, 99) }},
	{"bw rate", bench.BW, func(r *bench.Report) float64 { return r.Results.Rate }},
}

// percentile is 0 where there are too few samples.
func percentile(r *bench.Report, p float64) float64 {
	if r.Results.Latency != nil {
		for _, q := range r.Results.Latency.Percentiles {
			if q.P == p && q.Nanos != nil {
				return float64(*q.Nanos)
			}
		}
	}
	return 0
}

// MeasureAA makes the same short runs of lat and bw over and over, in turn. It takes
// about four seconds.
func MeasureAA(ctx context.Context) (*AA, error) { return measureAA(ctx, aaRuns, aaTime) }

func measureAA(ctx context.Context, runs int, each time.Duration) (*AA, error) {
	values := make([][]float64, len(figures))
	for range runs {
		for _, w := range []string{bench.Lat, bench.BW} {
			r, err := bench.Run(ctx, bench.Config{
				Workload: w, Duration: each, Warmup: bench.Span{Time: each / 5},
			})
			switch {
			case err != nil:
				return nil, err
			case r.Interrupted:
				return nil, context.Cause(ctx)
			case !r.OK():
				return nil, errors.New("host: a run was invalid")
			}
			for i, f := range figures {
				if v := f.of(r); f.workload == w && v > 0 { // 0: too few samples for that percentile
					values[i] = append(values[i], v)
				}
			}
		}
	}
	a := &AA{Runs: runs}
	for i, f := range figures {
		if len(values[i]) > 1 {
			a.Spread = append(a.Spread, spread(f.name, values[i]))
		}
	}
	if len(a.Spread) == 0 {
		return nil, errors.New("host: too little happened in the runs to say how they differ")
	}
	return a, nil
}

func spread(name string, v []float64) Spread {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	f := Spread{Figure: name, Median: (s[(n-1)/2] + s[n/2]) / 2}
	if f.Median > 0 {
		f.Spread = (s[n-1] - s[0]) / 2 / f.Median
	}
	return f
}

// Finding judges the spread as one of the findings, named "aa".
func (a *AA) Finding() Finding {
	worst, text := 0.0, ""
	for i, f := range a.Spread {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s +-%.1f %%", f.Figure, 100*f.Spread)
		worst = max(worst, f.Spread)
	}
	text = fmt.Sprintf("%d identical runs: %s", a.Runs, text)
	f := ok("%s", text)
	switch {
	case worst > aaNoisy:
		f = warn("%s: a difference below that is noise", text).
			fix("more and longer runs: --reps 20 --duration 5s; and the findings above")
	case worst > aaCalm:
		f = note("%s: a difference below that is noise", text)
	}
	f.Check, f.Fixes = "aa", append([]string{}, f.Fixes...)
	return f
}
