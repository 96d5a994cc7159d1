package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/evdengine/evd/bench/stats"
)

// Limit is how much worse a metric may get.
type Limit struct {
	Metric string  `json:"metric"`
	By     float64 `json:"by"` // relative, above 0

	// Filled in by [Result.Limit].
	Side     string   `json:"side,omitempty"`
	Got      *float64 `json:"got,omitempty"` // how much worse it got; nil: not known
	Exceeded bool     `json:"exceeded"`
}

// ParseLimits reads limits such as cpu=+10% (cpu may grow by that) and rate=-3%.
func ParseLimits(texts []string) ([]Limit, error) {
	var all []Limit
	for _, t := range texts {
		name, by, ok := strings.Cut(t, "=")
		bad := func(allowed string) ([]Limit, error) {
			return nil, fmt.Errorf("--limit = %q: %s", t, allowed)
		}
		if !ok {
			return bad("must be METRIC=+PERCENT, such as cpu=+10% or rate=-3%")
		}
		if err := stats.Check(name); err != nil {
			return bad(err.Error())
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(by), "%")), 64)
		if err != nil || v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			return bad("must be METRIC=+PERCENT, such as cpu=+10% or rate=-3%")
		}
		metric := stats.Canonical(name)
		signed := strings.ContainsAny(by, "+-")
		if d := stats.Direction(metric); signed && (v > 0) == (d == stats.Higher) {
			return bad(fmt.Sprintf("must have the other sign: of %s %s is better", metric, d))
		}
		all = append(all, Limit{Metric: metric, By: math.Abs(v) / 100})
	}
	return all, nil
}

// Limit holds the comparison against limits. One is exceeded where the metric got worse
// by more, and is worse beyond chance; and where it was not measured: a limit that can
// not be looked at must not pass.
func (r *Result) Limit(limits []Limit) {
	for _, l := range limits {
		for i := range r.Comparisons {
			x := l
			x.Side = r.Comparisons[i].Side
			j, ok := r.Comparisons[i].Judgement(l.Metric)
			x.Exceeded, x.Got = true, nil
			if ok && j.Known() {
				got, sure := j.Delta.Center, j.Delta.Lo > 0
				if j.Better == stats.Higher {
					got, sure = -got, j.Delta.Hi < 0
				}
				x.Got, x.Exceeded = &got, sure && got > l.By
			} else if ok && j.Verdict == stats.Same {
				x.Exceeded = false
			}
			r.Limits = append(r.Limits, x)
		}
	}
}

// String is "cpu +21.3 % (limit +10 %)".
func (l Limit) String() string {
	sign := "+"
	if stats.Direction(l.Metric) == stats.Higher {
		sign = "-"
	}
	got := "not measured"
	if l.Got != nil {
		got = fmt.Sprintf("%s%.1f %%", sign, 100**l.Got)
	}
	return fmt.Sprintf("%s %s (limit %s%g %%)", l.Metric, got, sign, 100*l.By)
}

// Exceeded are the limits that were exceeded, in words.
func (r *Result) Exceeded() []string {
	var out []string
	for _, l := range r.Limits {
		if l.Exceeded {
			out = append(out, l.String())
		}
	}
	return out
}
