package result

import (
	"slices"
	"strconv"
	"strings"

	"github.com/evdengine/evd/bench"
)

// Metric is one figure of a repetition.
type Metric struct {
	Name   string // as in CSV: letters, digits, "_" and "."; times end in _ns
	Short  string // as conditions and comparisons have it: svc.p99, rate
	Label  string // for people
	Better Better

	// Of returns the figure; false: this repetition has none.
	Of func(*bench.Report) (float64, bool)
}

// Better says which way a figure is better.
type Better int

// Ways.
const (
	Neither Better = iota
	Lower
	Higher
)

// Metrics lists the figures that there can be. The order is stable: new ones go to
// the end.
func Metrics() []Metric { return metrics }

// MetricNamed finds a metric by its name, long or short. A statistic alone is one of
// the service time.
func MetricNamed(name string) (Metric, bool) {
	for _, m := range metrics {
		if m.Name == name || m.Short == name || m.Short == "svc."+name {
			return m, true
		}
	}
	return Metric{}, false
}

var metrics = allMetrics()

func allMetrics() []Metric {
	results := func(name, label string, better Better, of func(*bench.Results) float64) Metric {
		return newMetric(name, label, better, func(r *bench.Report) (float64, bool) { return of(&r.Results), true })
	}
	all := []Metric{
		results("operations", "operations", Neither, func(r *bench.Results) float64 { return float64(r.Operations) }),
		results("elapsed_ns", "elapsed", Neither, func(r *bench.Results) float64 { return float64(r.Elapsed) }),
		results("per_second", "rate", Higher, func(r *bench.Results) float64 { return r.Rate }),
		results("per_operation_ns", "time each", Lower, func(r *bench.Results) float64 { return r.PerOp }),
	}
	all = append(all, summary("service", func(r *bench.Report) *bench.Summary { return r.Results.Latency })...)
	all = append(all, summary("response", func(r *bench.Report) *bench.Summary { return r.Results.Response })...)
	cpu := results("cpu_percent", "cpu", Lower, func(r *bench.Results) float64 { return r.CPU })
	known := cpu.Of
	cpu.Of = func(r *bench.Report) (float64, bool) { v, _ := known(r); return v, v > 0 }
	all = append(all, cpu,
		results("mallocs", "heap objects", Lower, func(r *bench.Results) float64 { return float64(r.Mallocs) }),
		results("gcs", "garbage collections", Lower, func(r *bench.Results) float64 { return float64(r.GCs) }),
		results("events_per_upcall", "events an upcall", Neither, func(r *bench.Results) float64 { return r.EventsPerUpcall }))
	load := func(name, label string, better Better, of func(*bench.Load) float64) {
		all = append(all, newMetric(name, label, better, func(r *bench.Report) (float64, bool) {
			if r.Load == nil {
				return 0, false
			}
			return of(r.Load), true
		}))
	}
	load("offered_per_second", "offered", Neither, func(l *bench.Load) float64 { return l.Offered })
	load("lag_p99_ns", "lag p99", Lower, func(l *bench.Load) float64 { return float64(l.LagP99) })
	load("lag_max_ns", "lag max", Lower, func(l *bench.Load) float64 { return float64(l.LagMax) })
	load("dropped", "dropped", Lower, func(l *bench.Load) float64 { return float64(l.Dropped) })
	wake := func(name, label string, better Better, of func(*bench.Wake) float64) {
		all = append(all, newMetric(name, label, better, func(r *bench.Report) (float64, bool) {
			if r.Wake == nil {
				return 0, false
			}
			return of(r.Wake), true
		}))
	}
	wake("wakeups_per_completion", "wake-ups a completion", Lower, func(w *bench.Wake) float64 { return w.PerCompletion })
	wake("cpu_seconds_per_million", "CPU s a million", Lower, func(w *bench.Wake) float64 { return w.CPUPerMillion })
	wake("wake_cost_ns", "wake-up", Lower, func(w *bench.Wake) float64 { return float64(w.Cost) })
	count := func(name, label string, better Better, of func(*bench.Report) uint64) {
		all = append(all, newMetric(name, label, better, func(r *bench.Report) (float64, bool) { return float64(of(r)), true }))
	}
	count("upcalls", "upcalls", Neither, func(r *bench.Report) uint64 { return r.Engine.Upcalls })
	count("arms", "arms", Neither, func(r *bench.Report) uint64 { return r.Engine.Arms })
	count("events", "events of the CQ", Neither, func(r *bench.Report) uint64 { return r.Engine.Events })
	count("spurious", "spurious events", Neither, func(r *bench.Report) uint64 { return r.Engine.Spurious })
	count("overruns", "overruns", Lower, func(r *bench.Report) uint64 { return r.CQ.Overruns })
	return all
}

func newMetric(name, label string, better Better, of func(*bench.Report) (float64, bool)) Metric {
	return Metric{name, shorten(name), label, better, of}
}

// shorts are the short names that are not made by a rule.
var shorts = map[string]string{
	"per_second": "rate", "per_operation_ns": "ns/op", "cpu_percent": "cpu", "events_per_upcall": "ev/upcall",
	"offered_per_second": "offered", "lag_p99_ns": "lag.p99", "lag_max_ns": "lag.max",
	"wakeups_per_completion": "wakeups/wc", "cpu_seconds_per_million": "cpu-s/m", "wake_cost_ns": "wake-cost",
}

// shorten is the short form of a name: service_stddev_ns is svc.sd.
func shorten(name string) string {
	if s, ok := shorts[name]; ok {
		return s
	}
	of, statistic, ok := strings.Cut(strings.TrimSuffix(name, "_ns"), "_")
	if statistic == "stddev" {
		statistic = "sd"
	}
	switch {
	case ok && of == "service":
		return "svc." + statistic
	case ok && of == "response":
		return "resp." + statistic
	}
	return strings.TrimSuffix(name, "_ns")
}

// standard are the percentiles that have a metric.
var standard = []float64{50, 90, 99, 99.9, 99.99}

// summary are the metrics of a summary.
func summary(name string, of func(*bench.Report) *bench.Summary) []Metric {
	var all []Metric
	add := func(key, label string, better Better, get func(*bench.Summary) (float64, bool)) {
		all = append(all, newMetric(name+"_"+key, name+" "+label, better, func(r *bench.Report) (float64, bool) {
			s := of(r)
			if s == nil || s.Samples == 0 {
				return 0, false
			}
			return get(s)
		}))
	}
	add("samples", "samples", Neither, func(s *bench.Summary) (float64, bool) { return float64(s.Samples), true })
	add("min_ns", "min", Lower, func(s *bench.Summary) (float64, bool) { return float64(s.Min), true })
	for _, p := range standard {
		label := "p" + strconv.FormatFloat(p, 'f', -1, 64)
		all = append(all, newMetric(name+"_"+label+"_ns", name+" "+label, Lower, func(r *bench.Report) (float64, bool) {
			return percentile(of(r), r.Histograms[name], p)
		}))
	}
	add("max_ns", "max", Lower, func(s *bench.Summary) (float64, bool) { return float64(s.Max), true })
	add("mean_ns", "mean", Lower, func(s *bench.Summary) (float64, bool) { return s.Mean, true })
	add("stddev_ns", "sd", Lower, func(s *bench.Summary) (float64, bool) { return s.StdDev, true })
	return all
}

// percentile is that of the summary; if other percentiles were asked for, that of the
// whole population.
func percentile(s *bench.Summary, h *bench.Hist, p float64) (float64, bool) {
	if s == nil || s.Samples == 0 {
		return 0, false
	}
	if h != nil && !slices.ContainsFunc(s.Percentiles, func(q bench.Percentile) bool { return q.P == p }) {
		whole := h.Summary(p)
		s = &whole
	}
	return AtPercentile(s, p)
}

// AtPercentile returns the time at percentile p of s; false: it is not in s, or
// there are too few samples for it.
func AtPercentile(s *bench.Summary, p float64) (float64, bool) {
	for _, q := range s.Percentiles {
		if q.P == p && q.Nanos != nil {
			return float64(*q.Nanos), true
		}
	}
	return 0, false
}

// Time tells whether the metric is a time in nanoseconds.
func (m Metric) Time() bool { return strings.HasSuffix(m.Name, "_ns") }

// Over returns the figure of each repetition that has one.
func (m Metric) Over(reps []*bench.Report) []float64 {
	var all []float64
	for _, r := range reps {
		if v, ok := m.Of(r); ok {
			all = append(all, v)
		}
	}
	return all
}

// Median returns the median of the figure over the repetitions, and its extremes;
// false: none of them has it.
func (m Metric) Median(reps []*bench.Report) (median, least, most float64, ok bool) {
	all := m.Over(reps)
	if len(all) == 0 {
		return 0, 0, 0, false
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2, all[0], all[n-1], true
}
