package chart

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/internal/param"
)

// Varied lists the settings in which the cells differ.
func Varied(cells []*result.File) []string {
	values := map[string]map[string]bool{}
	for _, c := range cells {
		for k := range c.Settings {
			values[k] = map[string]bool{}
		}
	}
	for _, c := range cells {
		for k := range values {
			values[k][c.Settings[k]] = true
		}
	}
	maps.DeleteFunc(values, func(_ string, v map[string]bool) bool { return len(v) < 2 })
	return slices.Sorted(maps.Keys(values))
}

// sweep draws a figure over a setting, one curve for each combination of the
// others.
func sweep(o Options, files []*result.File) (*Chart, error) {
	if o.Metric == "" {
		o.Metric = "per_second"
	}
	m, ok := result.MetricNamed(o.Metric)
	if !ok {
		var names []string
		for _, m := range result.Metrics() {
			names = append(names, m.Short)
		}
		return nil, param.Invalid("chart: New", "metric", fmt.Sprintf("%q", o.Metric), "one of "+strings.Join(names, ", "))
	}
	c := &Chart{Kind: Sweep, Y: Axis{Label: m.Label}}
	switch {
	case m.Time():
		c.Y = Axis{Label: m.Label, Scale: Log, Unit: Nanos}
	case strings.HasSuffix(m.Name, "per_second"):
		c.Y.Unit = PerSec
	case m.Name == "cpu_percent":
		c.Y.Label = "cpu (% of one)"
	}
	var cells []*result.File
	for _, f := range files {
		if len(f.Cells) == 0 {
			return nil, fmt.Errorf("chart: %s is no sweep: %w; %s", Label(f), ErrMissing, available(f, Histograms(f)))
		}
		cells = append(cells, f.Cells...)
	}
	varied := Varied(cells)
	if len(varied) == 0 {
		return nil, fmt.Errorf("chart: the cells do not differ in a setting: %w", ErrMissing)
	}
	if o.Over == "" {
		o.Over = widest(cells, varied)
	} else if !slices.Contains(varied, o.Over) {
		return nil, param.Invalid("chart: New", "over", fmt.Sprintf("%q", o.Over), "a setting that varies: "+strings.Join(varied, ", "))
	}
	c.Title = strings.ToUpper(m.Label[:1]) + m.Label[1:] + " over " + o.Over
	c.X = places(o.Over, cells)
	for _, f := range files {
		c.Series = append(c.Series, curves(c.X, f, m, o, varied, len(files) > 1)...)
	}
	if len(c.Series) == 0 {
		return nil, fmt.Errorf("chart: no cell has a %s: %w", m.Name, ErrMissing)
	}
	return c, nil
}

// widest is the setting with most values: that is what one wants to see a curve
// over.
func widest(cells []*result.File, varied []string) string {
	best, most := "", 0
	for _, k := range varied {
		values := map[string]bool{}
		numbers := 0
		for _, c := range cells {
			if s := c.Settings[k]; !values[s] {
				values[s] = true
				if _, ok := number(s); ok {
					numbers++
				}
			}
		}
		if n := len(values) + numbers; n > most {
			best, most = k, n
		}
	}
	return best
}

// places are the values of a setting along the axis: in their order as numbers or
// times if they are such, otherwise as they came.
func places(over string, cells []*result.File) Axis {
	a := Axis{Label: over, Scale: Names}
	ordered := true
	for _, c := range cells {
		s := c.Settings[over]
		if slices.Contains(a.Names, s) {
			continue
		}
		a.Names = append(a.Names, s)
		_, ok := number(s)
		ordered = ordered && ok
	}
	if ordered {
		slices.SortStableFunc(a.Names, func(x, y string) int {
			m, _ := number(x)
			n, _ := number(y)
			switch {
			case m < n:
				return -1
			case m > n:
				return 1
			}
			return 0
		})
	}
	return a
}

// number reads 64, 200k and 20us.
func number(s string) (float64, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d.Seconds(), true
	}
	unit := 1.0
	for suffix, n := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = rest, n
			break
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	return v * unit, err == nil
}

func curves(x Axis, f *result.File, m result.Metric, o Options, varied []string, named bool) []Series {
	var all []Series
	index := map[string]int{}
	for _, c := range f.Cells {
		y, _, _, ok := m.Median(c.Reps)
		if !ok || m.Time() && y <= 0 {
			continue
		}
		var rest []string
		if named {
			rest = append(rest, Label(f))
		}
		for _, k := range varied {
			if k != o.Over {
				rest = append(rest, k+"="+c.Settings[k])
			}
		}
		name := strings.Join(rest, " ")
		if name == "" {
			name = m.Label
		}
		i, ok := index[name]
		if !ok {
			i = len(all)
			index[name] = i
			all = append(all, Series{Name: name})
		}
		at := float64(slices.Index(x.Names, c.Settings[o.Over]))
		all[i].Points = append(all[i].Points, Point{at, y})
	}
	for _, s := range all {
		slices.SortStableFunc(s.Points, func(a, b Point) int { return int(a.X - b.X) })
	}
	return all
}
