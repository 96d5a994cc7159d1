package chart

import (
	"fmt"
	"strconv"

	"github.com/evdengine/evd/bench/result"
)

// repetitions draws the same figure of each repetition: latencies where there are
// any, rates where not.
func repetitions(files []*result.File) (*Chart, error) {
	c := &Chart{
		Kind: Repetitions, Title: "Repetition by repetition",
		X: Axis{Label: "repetition", Scale: Names}, Y: nanos,
	}
	names := []string{"service_p50_ns", "service_p99_ns", "service_p99.9_ns", "response_p99_ns"}
	most := 0
	for _, f := range files {
		most = max(most, len(f.Reps))
		for _, r := range f.Reps {
			if r.Results.Latency == nil {
				names = []string{"per_second"}
				c.Y = Axis{Label: "rate", Unit: PerSec}
			}
		}
	}
	for i := range most {
		c.X.Names = append(c.X.Names, strconv.Itoa(i+1))
	}
	for _, f := range files {
		for i, name := range names {
			if len(files) > 1 && name != "service_p99_ns" && name != "per_second" {
				continue
			}
			m, _ := result.MetricNamed(names[i])
			s := Series{Name: m.Label, Style: Dots}
			if len(files) > 1 {
				s.Name = Label(f) + " " + m.Label
			}
			for k, r := range f.Reps {
				if y, ok := m.Of(r); ok && (y > 0 || c.Y.Scale != Log) {
					s.Points = append(s.Points, Point{float64(k), y})
				}
			}
			if s.Points != nil {
				c.Series = append(c.Series, s)
			}
		}
	}
	if c.Series == nil {
		return nil, fmt.Errorf("chart: %s has no repetitions: %w; %s", Label(files[0]), ErrMissing, available(files[0], Histograms(files[0])))
	}
	return c, nil
}
