package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

// loadFlags are the flags that say how requests are made, and what is told of them.
func (o *options) loadFlags(f *pflag.FlagSet) {
	c := &o.cfg
	if c.Workload == bench.Lat {
		f.Var(rate{&c.Rate}, "rate", "make so many requests a second, whether the ones before have completed or not: 200k, 1.5M/s, .. (default: a completion makes the next)")
		f.Var(text{&c.Arrival, "form"}, "arrival", "with --rate: how requests are spread over time: const, poisson, or burst:N of N at once (default poisson)")
		f.Var(positive{&c.MaxLag, ""}, "max-lag", "with --rate: a request made later than planned by more makes the run invalid, exit status 4 (default 10ms)")
		f.Var(natural{v: &c.Outstanding, least: 1}, "outstanding", "with --rate: most requests in flight; more wait, and count as late (default 65536; rxe, verbs: an eighth of --depth)")
	}
	f.Var(positive{&c.Interval, ""}, "interval", "length of the parts that the result is also reported in; a long run gets fewer, longer ones (default 1s)")
	f.Var(percentiles{&c.Percentiles}, "percentiles", "percentiles of the summary, above 0 and below 100 (default 50,90,99,99.9,99.99)")
	f.Var(&o.live, "live", "how the run goes, on standard error: auto (a line on a terminal), off, or every so often, such as 1s (lines where it is no terminal)")
}

// rate is a number a second: 200k, 1.5M, 20000/s.
type rate struct{ v *float64 }

func (r rate) String() string {
	if r.v == nil || *r.v == 0 {
		return ""
	}
	return strconv.FormatFloat(*r.v, 'f', -1, 64)
}
func (r rate) Type() string { return "n/s" }

func (r rate) Set(s string) error {
	n, unit := strings.TrimSuffix(s, "/s"), 1.0
	for _, u := range []struct {
		suffix string
		n      float64
	}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if rest, ok := strings.CutSuffix(n, u.suffix); ok {
			n, unit = rest, u.n
			break
		}
	}
	v, err := strconv.ParseFloat(n, 64)
	if err != nil || !(v > 0) || math.IsInf(v*unit, 0) {
		return errors.New("must be a number above 0 a second, such as 200000, 200k or 1.5M/s")
	}
	*r.v = v * unit
	return nil
}

// percentiles is a list of numbers.
type percentiles struct{ v *[]float64 }

func (p percentiles) String() string {
	if p.v == nil {
		return ""
	}
	var all []string
	for _, x := range *p.v {
		all = append(all, strconv.FormatFloat(x, 'f', -1, 64))
	}
	return strings.Join(all, ",")
}
func (p percentiles) Type() string { return "p,p,.." }

func (p percentiles) Set(s string) error {
	var all []float64
	for x := range strings.SplitSeq(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(x), 64)
		if err != nil || !(v > 0 && v < 100) {
			return errors.New("must be numbers above 0 and below 100, such as 50,99,99.9: the smallest and the largest value are always there")
		}
		all = append(all, v)
	}
	*p.v = all
	return nil
}

// Set makes a live the value of a flag.
func (l *live) Set(s string) error {
	switch s {
	case "auto":
		l.mode, l.every = liveAuto, 0
		return nil
	case "off":
		l.mode, l.every = liveOff, 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < leastEvery || d > time.Hour {
		return fmt.Errorf("must be auto, off, or a time of %v to 1h", leastEvery)
	}
	l.mode, l.every = liveEvery, d
	return nil
}

func (l *live) String() string {
	switch l.mode {
	case liveOff:
		return "off"
	case liveEvery:
		return l.every.String()
	}
	return "auto"
}

func (l *live) Type() string { return "auto|off|time" }
