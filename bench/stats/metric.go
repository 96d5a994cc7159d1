package stats

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evdengine/evd/bench"
)

// Better is the direction in which a metric improves.
type Better int

// Directions.
const (
	Lower   Better = -1
	Neither Better = 0 // more is neither better nor worse
	Higher  Better = 1
)

// String is "lower", "higher" or "neither".
func (b Better) String() string {
	switch b {
	case Lower:
		return "lower"
	case Higher:
		return "higher"
	}
	return "neither"
}

// Units of metrics.
const (
	Nanos     = "ns"
	PerSecond = "/s"
	Percent   = "%"
	Number    = "" // a count, or a ratio of counts
	Seconds   = "s"
)

// Metric is one figure of a report. Value is NaN where the report has the
// metric and no figure for it: a percentile of too few samples. Needs is then how
// many samples it takes.
type Metric struct {
	Name   string
	Unit   string
	Better Better
	Value  float64
	Needs  uint64
}

// Known tells whether there is a figure.
func (m Metric) Known() bool { return !math.IsNaN(m.Value) }

// Metrics are the figures of a report, in the order in which they are shown:
// rate, ns/op; svc.p99 (service time) and resp.p99 (response time), each with min, the
// percentiles, max, mean and sd; those of each stage (queue.p99); what it took: cpu,
// wakeups/wc, mallocs; and what went wrong: lost, overruns, lag.max. A metric that
// the run has not measured is not there.
func Metrics(r *bench.Report) []Metric {
	var c collector
	res := &r.Results
	if res.Operations > 0 {
		c.add("rate", res.Rate)
		c.add("ns/op", res.PerOp)
	}
	c.summary("svc", res.Latency)
	c.summary("resp", res.Response)
	if r.Stages != nil {
		for i := range r.Stages.Parts {
			c.summary(r.Stages.Parts[i].Name, &r.Stages.Parts[i].Time)
		}
	}
	if res.CPU > 0 {
		c.add("cpu", res.CPU)
	}
	c.wake(r)
	c.add("ev/upcall", res.EventsPerUpcall)
	c.add("mallocs", float64(res.Mallocs))
	c.add("gcs", float64(res.GCs))
	if l := r.Load; l != nil {
		c.add("offered", l.Offered)
		c.add("achieved", l.Achieved)
		c.add("lag.max", float64(l.LagMax))
		c.add("lag.p99", float64(l.LagP99))
		c.add("dropped", float64(l.Dropped))
	}
	c.add("overruns", float64(r.CQ.Overruns))
	c.add("lost", lost(&r.Conservation))
	return c.all
}

// Find returns the metric of that name, see [Canonical].
func Find(ms []Metric, name string) (Metric, bool) {
	name = Canonical(name)
	i := slices.IndexFunc(ms, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{}, false
	}
	return ms[i], true
}

// Canonical is the name under which a metric is kept: "p99" is "svc.p99", and a space
// or an underscore is as good as a dot.
func Canonical(name string) string {
	name = strings.NewReplacer(" ", ".", "_", ".").Replace(strings.ToLower(strings.TrimSpace(name)))
	if isStatistic(name) {
		return "svc." + name
	}
	return name
}

// Check tells whether some run can have a metric of that name. Its error lists
// the names.
func Check(name string) error {
	name = Canonical(name)
	var names []string
	for _, s := range single {
		if s.name == name {
			return nil
		}
		names = append(names, s.name)
	}
	of, statistic, ok := strings.Cut(name, ".")
	if ok && slices.Contains(populations, of) && isStatistic(statistic) {
		return nil
	}
	return fmt.Errorf("must be a metric: %s, or of %s one of min, p50, p90, p99, .., max, mean, sd (such as resp.p99; p99 alone is svc.p99)",
		strings.Join(names, ", "), strings.Join(populations, ", "))
}

// single are the metrics that are one figure.
var single = []struct {
	name, unit string
	better     Better
}{
	{"rate", PerSecond, Higher},
	{"ns/op", Nanos, Lower},
	{"cpu", Percent, Lower},
	{"wakeups/wc", Number, Lower},
	{"cpu-s/m", Seconds, Lower},
	{"wake-cost", Nanos, Lower},
	{"ev/upcall", Number, Neither},
	{"mallocs", Number, Lower},
	{"gcs", Number, Lower},
	{"offered", PerSecond, Neither},
	{"achieved", PerSecond, Higher},
	{"lag.max", Nanos, Lower},
	{"lag.p99", Nanos, Lower},
	{"dropped", Number, Lower},
	{"overruns", Number, Lower},
	{"lost", Number, Lower},
}

// kind is the unit of a metric of that name, and in which direction it improves.
// Those of populations are times.
func kind(name string) (unit string, better Better) {
	name = Canonical(name)
	for _, s := range single {
		if s.name == name {
			return s.unit, s.better
		}
	}
	return Nanos, Lower
}

// Unit is the unit of a metric of that name, see [Check].
func Unit(name string) string {
	unit, _ := kind(name)
	return unit
}

// Direction is in which direction a metric of that name improves.
func Direction(name string) Better {
	_, better := kind(name)
	return better
}

// populations are those of which there is a summary.
var populations = []string{"svc", "resp", "post", "queue", "arm", "wake", "poll", "dispatch"}

func isStatistic(s string) bool {
	if slices.Contains([]string{"min", "max", "mean", "sd"}, s) {
		return true
	}
	var p float64
	n, err := fmt.Sscanf(s, "p%g", &p)
	return n == 1 && err == nil && p >= 0 && p <= 100 && (bench.Percentile{P: p}).Name() == s
}

type collector struct{ all []Metric }

func (c *collector) add(name string, v float64) {
	unit, better := kind(name)
	c.all = append(c.all, Metric{Name: name, Unit: unit, Better: better, Value: v})
}

func (c *collector) summary(of string, s *bench.Summary) {
	if s == nil {
		return
	}
	add := func(name string, v float64) { c.add(of+"."+name, v) }
	if s.Samples == 0 {
		return
	}
	add("min", float64(s.Min))
	for _, p := range s.Percentiles {
		v := math.NaN()
		if p.Nanos != nil {
			v = float64(*p.Nanos)
		}
		add(p.Name(), v)
		c.all[len(c.all)-1].Needs = p.Needs
	}
	add("max", float64(s.Max))
	add("mean", s.Mean)
	add("sd", s.StdDev)
}

func (c *collector) wake(r *bench.Report) {
	if w := r.Wake; w != nil {
		c.add("wakeups/wc", w.PerCompletion)
		c.add("cpu-s/m", w.CPUPerMillion)
		c.add("wake-cost", float64(w.Cost))
		return
	}
	if n := r.Conservation.Delivered + r.Conservation.Dequeued; n > 0 {
		c.add("wakeups/wc", float64(r.Engine.Events)/float64(n))
	}
}

// lost is how many events were accepted and did not come out.
func lost(c *bench.Conservation) float64 {
	out := c.Delivered + c.Dequeued + c.LeftOver
	if out >= c.Accepted {
		return 0
	}
	return float64(c.Accepted - out)
}
