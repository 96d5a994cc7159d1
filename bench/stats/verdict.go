package stats

import (
	"fmt"
	"math"
	"strings"
)

// Verdict is what a comparison comes to.
type Verdict string

// Verdicts.
const (
	Same         Verdict = "same"
	BetterBy     Verdict = "better"
	Worse        Verdict = "worse"
	Inconclusive Verdict = "inconclusive"
)

// Judgement is what is known of one metric of B in comparison with A. Differences are
// relative: 0.05 is 5 % more.
type Judgement struct {
	Metric  string   `json:"metric"`
	Unit    string   `json:"unit"`
	Better  Better   `json:"better"`
	A       float64  `json:"a"` // median
	B       float64  `json:"b"`
	N       int      `json:"n"` // blocks, or the fewer runs of the two
	Delta   Interval `json:"delta"`
	P       float64  `json:"p"`
	Floor   float64  `json:"floor"`  // what identical runs may differ by; NaN: not known
	Effect  float64  `json:"effect"` // a difference that matters
	Verdict Verdict  `json:"verdict"`
}

// Known tells whether there is an estimate of the difference.
func (j *Judgement) Known() bool { return !math.IsNaN(j.Delta.Center) }

// decide gives the verdict, from the interval d of the difference of the logarithms,
// and the floor and the effect in logarithms too.
//
// Worse, or better: 0 lies outside the interval, and the estimate is above the noise
// floor and above half of the effect. Same: the interval lies within the effect, and
// the floor too. So at a difference of the effect "same" is said, and at none
// "worse", no more often than the interval is wrong; in between, where it does not
// matter, the half decides. All else is inconclusive.
func decide(d Interval, floor, effect float64, better Better) Verdict {
	if !d.Known() || better == Neither {
		return Inconclusive
	}
	apart := d.Lo > 0 || d.Hi < 0
	size := math.Abs(d.Center)
	switch {
	case apart && size > floor && size > effect/2:
		if (d.Center > 0) == (better == Higher) {
			return BetterBy
		}
		return Worse
	case d.Within(effect) && floor < effect:
		return Same
	}
	return Inconclusive
}

// Blocks judges arm against arm 0.
func Blocks(m Metric, blocks []Block, arm int, confidence, effect float64) Judgement {
	j := Judgement{Metric: m.Name, Unit: m.Unit, Better: m.Better, Effect: effect, Floor: math.NaN(), Delta: unknown, P: 1}
	var a, b, deltas, floors []float64
	for _, bl := range blocks {
		a = append(a, bl.Values(0)...)
		b = append(b, bl.Values(arm)...)
		d, ok := bl.Delta(arm)
		f, okFloor := bl.Floor(arm)
		if ok && okFloor {
			deltas, floors = append(deltas, d), append(floors, f)
		}
	}
	j.A, j.B = medianOf(a), medianOf(b)
	if j.N = len(deltas); j.N == 0 {
		j.Verdict = none(j.A, j.B)
		return j
	}
	d, floor := Center(deltas, confidence), Center(floors, confidence).Reach()
	j.P = SignedRank(deltas)
	j.Verdict = decide(d, floor, math.Log1p(effect), m.Better)
	j.Delta, j.Floor = d.Exp(), math.Expm1(floor)
	return j
}

// none is the verdict where there is no ratio: a metric that is 0.
func none(a, b float64) Verdict {
	if a == b {
		return Same
	}
	return Inconclusive
}

func medianOf(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	return median(v)
}

// Runs judges the runs b against the runs a, which were not made in turn: what changed
// on the machine in between is not in the floor. That is what the median of either may
// be off by.
func Runs(m Metric, a, b []float64, confidence, effect float64) Judgement {
	j := Judgement{
		Metric: m.Name, Unit: m.Unit, Better: m.Better, Effect: effect, Floor: math.NaN(), Delta: unknown, P: 1,
		N: min(len(a), len(b)), A: medianOf(a), B: medianOf(b),
	}
	la, lb := logged(a), logged(b)
	if len(la) == 0 || len(lb) == 0 {
		j.Verdict = none(j.A, j.B)
		return j
	}
	d := Shift(la, lb, confidence)
	floor := 0.0
	for _, l := range [][]float64{la, lb} {
		i := Median(l, confidence)
		floor = max(floor, (i.Hi-i.Lo)/2)
	}
	j.P = UTest(a, b)
	j.Verdict = decide(d, floor, math.Log1p(effect), m.Better)
	j.Delta, j.Floor = d.Exp(), math.Expm1(floor)
	return j
}

// logged are the logarithms; none where one does not exist.
func logged(values []float64) []float64 {
	out := make([]float64, 0, len(values))
	for _, v := range values {
		if !(v > 0) {
			return nil
		}
		out = append(out, math.Log(v))
	}
	return out
}

// Effect is the relative difference of a metric that matters: what was asked for, if
// that is not 0, or else 10 % of what depends on few events (the percentiles above the
// 95th, maximum and deviation), and 5 % of all else.
func Effect(metric string, asked float64) float64 {
	if asked != 0 {
		return asked
	}
	_, s, _ := strings.Cut(Canonical(metric), ".")
	var p float64
	if n, _ := fmt.Sscanf(s, "p%g", &p); n == 1 && p > 95 || s == "max" || s == "sd" {
		return 0.10
	}
	return 0.05
}
