package chart

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// ErrMissing is matched by the errors for what a result has not got.
var ErrMissing = errors.New("there is nothing to draw")

var errNothing = fmt.Errorf("no result: %w", ErrMissing)

// usual are the histograms drawn where none is asked for.
var usual = []string{"service", "response"}

// Merged returns the histogram of that name over all repetitions, exactly as if
// they were one run; nil if none of them has it.
func Merged(f *result.File, name string) *bench.Hist {
	var sum *bench.Hist
	for _, r := range f.Reps {
		if h := r.Histograms[name]; h != nil && h.Count() > 0 {
			if sum == nil {
				sum = bench.NewHist()
			}
			sum.Merge(h)
		}
	}
	return sum
}

// Histograms lists the names of the histograms of f that are not empty.
func Histograms(f *result.File) []string {
	all := map[string]bool{}
	for _, r := range f.Reps {
		for name, h := range r.Histograms {
			if h.Count() > 0 {
				all[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Pick returns the names of the histograms of f to be used: those asked for, or
// the usual ones, or all.
func Pick(f *result.File, asked string) ([]string, error) {
	have := Histograms(f)
	switch {
	case asked != "" && slices.Contains(have, asked):
		return []string{asked}, nil
	case asked != "":
		return nil, fmt.Errorf("%s has no histogram %q: %w; %s", Label(f), asked, ErrMissing, available(f, have))
	}
	var names []string
	for _, n := range usual {
		if slices.Contains(have, n) {
			names = append(names, n)
		}
	}
	if names == nil {
		names = have
	}
	if names == nil {
		return nil, fmt.Errorf("%s has no histogram: %w; %s", Label(f), ErrMissing, available(f, have))
	}
	return names, nil
}

// available says what there is instead.
func available(f *result.File, have []string) string {
	var b []string
	if len(have) > 0 {
		b = append(b, "the histograms "+strings.Join(have, ", "))
	}
	for _, r := range f.Reps {
		if len(r.Series) > 1 {
			b = append(b, "a "+Timeline)
			break
		}
	}
	if len(f.Cells) > 0 {
		b = append(b, fmt.Sprintf("a %s of %d cells", Sweep, len(f.Cells)))
	}
	if b == nil {
		return "it has nothing that can be drawn"
	}
	return "it has " + strings.Join(b, ", and ")
}

// Label names a result: the file it is from, or what it measured.
func Label(f *result.File) string {
	if f.Name != "" {
		return f.Name
	}
	return f.Command
}

// distributed makes a chart of histograms.
func distributed(o Options, files []*result.File, build func([]Series, []*bench.Hist) *Chart) (*Chart, error) {
	var series []Series
	var hists []*bench.Hist
	for _, f := range files {
		names, err := Pick(f, o.Histogram)
		if err != nil {
			return nil, fmt.Errorf("chart: %w", err)
		}
		if len(files) > 1 {
			names = names[:1]
		}
		for _, n := range names {
			s := Series{Name: n}
			if len(files) > 1 {
				s.Name = Label(f) + " " + n
			}
			series = append(series, s)
			hists = append(hists, Merged(f, n))
		}
	}
	return build(series, hists), nil
}

var nanos = Axis{Label: "time", Scale: Log, Unit: Nanos}

// percentiles ends each curve where 10 samples lie above it: what is beyond is a
// matter of luck, and only its maximum is drawn.
func percentiles(series []Series, hists []*bench.Hist) *Chart {
	c := &Chart{
		Kind: Percentiles, Title: "Latency by percentile",
		X: Axis{Label: "percentile (dot: the maximum)", Scale: Nines}, Y: nanos,
	}
	const perDecade = 24
	for i, h := range hists {
		n := float64(h.Count())
		most := max(n/10, 1)
		for k := 0; ; k++ {
			x := math.Pow(10, float64(k)/perDecade)
			if x > most {
				break
			}
			series[i].Points = append(series[i].Points, Point{x, positive(h.At(100 * (1 - 1/x)))})
		}
		c.Series = append(c.Series, series[i],
			Series{Name: series[i].Name + " max", Style: Dots, Points: []Point{{n, positive(h.At(100))}}})
	}
	return c
}

// positive keeps a time on a logarithmic axis.
func positive(ns int64) float64 { return float64(max(ns, 1)) }

func cdf(series []Series, hists []*bench.Hist) *Chart {
	c := &Chart{
		Kind: CDF, Title: "Share that took no longer",
		X: nanos, Y: Axis{Label: "share", Unit: Share},
	}
	for i, h := range hists {
		n, sum := float64(h.Count()), int64(0)
		last := math.Inf(-1)
		bars := h.HDR().Distribution()
		for k, b := range bars {
			if b.Count == 0 {
				continue
			}
			sum += b.Count
			y := float64(sum) / n
			// A few hundred points are all that can be seen.
			if y-last < 4e-3 && sum != int64(h.Count()) && k > 0 {
				continue
			}
			last = y
			series[i].Points = append(series[i].Points, Point{positive(min(b.To, h.At(100))), y})
		}
		series[i].Style = Step
		c.Series = append(c.Series, series[i])
	}
	return c
}

// bins is how many parts a histogram is drawn in, at most.
const bins = 60

func histogram(series []Series, hists []*bench.Hist) *Chart {
	c := &Chart{
		Kind: Histogram, Title: "How many took how long",
		X: nanos, Y: Axis{Label: "share of all", Unit: Share},
	}
	low, high, distinct := math.Inf(1), 0.0, 0
	for _, h := range hists {
		low, high = min(low, positive(h.At(0))), max(high, positive(h.At(100)))
		n := 0
		for _, b := range h.HDR().Distribution() {
			if b.Count > 0 {
				n++
			}
		}
		distinct = max(distinct, n)
	}
	n := min(bins, max(distinct/2, 1))
	// A little more, so that the largest falls into the last bin.
	width := math.Log(high/low*1.001) / float64(n)
	edge := func(i int) float64 { return low * math.Exp(width*float64(i)) }
	for i, h := range hists {
		counts := make([]int64, n)
		for _, b := range h.HDR().Distribution() {
			if b.Count > 0 {
				v := min(max(positive((b.From+b.To)/2), low), high)
				counts[min(int(math.Log(v/low)/width), n-1)] += b.Count
			}
		}
		s := series[i]
		s.Style = Step
		for k, count := range counts {
			s.Points = append(s.Points, Point{edge(k), float64(count) / float64(h.Count())})
		}
		s.Points = append(s.Points, Point{edge(n), 0})
		c.Series = append(c.Series, s)
	}
	return c
}
