package chart

import (
	"fmt"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// column is one figure of the intervals.
type column struct {
	name string
	of   func(*bench.Interval) float64
}

var latencies = []column{
	{"p50", func(i *bench.Interval) float64 { return float64(i.P50) }},
	{"p99", func(i *bench.Interval) float64 { return float64(i.P99) }},
	{"p99.9", func(i *bench.Interval) float64 { return float64(i.P999) }},
	{"max", func(i *bench.Interval) float64 { return float64(i.Max) }},
	{"response p99", func(i *bench.Interval) float64 { return float64(i.RespP99) }},
}

var rates = []column{
	{"done", func(i *bench.Interval) float64 { return i.Rate }},
	{"offered", func(i *bench.Interval) float64 { return i.Offered }},
}

// timeline draws latencies where there are any, rates where not. Repetitions
// follow one another. Of several results it draws one figure each.
func timeline(files []*result.File) (*Chart, error) {
	for _, f := range files {
		if !has(f, func(*bench.Interval) float64 { return 1 }) {
			return nil, fmt.Errorf("chart: %s has no series: %w; %s", Label(f), ErrMissing, available(f, Histograms(f)))
		}
	}
	c := &Chart{
		Kind: Timeline, Title: "Latency, interval by interval",
		X: Axis{Label: "time since the measurement began", Unit: Seconds}, Y: nanos,
	}
	columns := latencies
	for _, f := range files {
		if !has(f, latencies[0].of) {
			columns = rates
			c.Title, c.Y = "Rate, interval by interval", Axis{Label: "rate", Unit: PerSec}
			break
		}
	}
	for _, f := range files {
		for _, col := range columns {
			s := Series{Name: col.name}
			if len(files) > 1 {
				if col.name != "p99" && col.name != "done" {
					continue
				}
				s.Name = Label(f) + " " + col.name
			}
			if has(f, col.of) {
				s.Points = over(f, col.of, c.Y.Scale == Log)
				c.Series = append(c.Series, s)
			}
		}
	}
	return c, nil
}

// has tells whether an interval has the figure.
func has(f *result.File, of func(*bench.Interval) float64) bool {
	for _, r := range f.Reps {
		for i := range r.Series {
			if of(&r.Series[i]) > 0 {
				return true
			}
		}
	}
	return false
}

// over is the figure over time.
func over(f *result.File, of func(*bench.Interval) float64, positive bool) []Point {
	var points []Point
	begin := int64(0)
	for _, r := range f.Reps {
		for i := range r.Series {
			in := &r.Series[i]
			if y := of(in); y > 0 || !positive {
				points = append(points, Point{float64(begin+in.End) / 1e9, y})
			}
		}
		if n := len(r.Series); n > 0 {
			begin += r.Series[n-1].End
		}
	}
	return points
}
