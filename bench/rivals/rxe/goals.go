//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"strings"
)

// goal is what ours must reach beside a rival.
type goal struct {
	name        string
	ours, rival string
	limit       bool    // ours/rival is at most need; else rival/ours is at least need
	need        float64 // 0: there is no goal, it is only told
	stretch     float64 // 0: none
	bound       bool    // judged by the far end of the interval, not by the median
	higher      bool    // figures are rates
}

// Verdicts.
const (
	ok     = "ok"
	short  = "short"
	told   = "told"   // there is no goal
	absent = "absent" // one of the two did not run
)

// verdict is how it came out.
type verdict struct {
	Name    string  `json:"name"`
	Ours    string  `json:"ours"`
	Rival   string  `json:"rival"`
	OursIs  float64 `json:"ours_is"` // medians, in the contest's unit
	RivalIs float64 `json:"rival_is"`
	Unit    string  `json:"unit"`
	Ratio   spread  `json:"ratio"` // of pairs
	Pairs   int     `json:"pairs"`
	Need    float64 `json:"need"`
	Limit   bool    `json:"limit"` // need is the most the ratio may be, not the least
	Bound   bool    `json:"bound"` // it is the end of the interval that must be within
	Stretch float64 `json:"stretch,omitempty"`
	Verdict string  `json:"verdict"`
	Why     string  `json:"why,omitempty"`
}

func (c *contest) judge(g goal) verdict {
	v := verdict{
		Name: "rxe-" + g.name, Ours: g.ours, Rival: g.rival, Unit: c.unit,
		Need: g.need, Limit: g.limit, Bound: g.bound, Stretch: g.stretch, Verdict: absent,
	}
	a, b := c.party(g.ours), c.party(g.rival)
	if a == nil || b == nil {
		v.Why = "it was not started"
		return v
	}
	r := c.ratios(a, b)
	if g.limit == g.higher { // a time that is to be so many times less, or a rate that may be
		r = c.ratios(b, a)
	}
	var notes []string
	for _, p := range []*party{a, b} {
		if len(p.fails) > 0 {
			notes = append(notes, fmt.Sprintf("%s failed %d times", p.name, len(p.fails)))
		}
	}
	if v.Pairs = len(r); v.Pairs == 0 {
		v.Why = strings.Join(append(notes, "no pair"), ", ")
		return v
	}
	v.OursIs, v.RivalIs, v.Ratio = spreadOf(c.figures(a)).Median, spreadOf(c.figures(b)).Median, spreadOf(r)
	if !v.Ratio.Sure {
		notes = append(notes, "too few pairs for an interval")
	}
	reached := v.Ratio.Median
	if g.bound {
		if reached = v.Ratio.Low; g.limit {
			reached = v.Ratio.High
		}
	}
	meets := func(need float64) bool { return g.limit && reached <= need || !g.limit && reached >= need }
	switch {
	case g.need == 0:
		v.Verdict = told
	case meets(g.need) && (v.Ratio.Sure || !g.bound):
		v.Verdict = ok
		if g.stretch != 0 {
			if meets(g.stretch) {
				notes = append(notes, fmt.Sprintf("stretch %.2f too", g.stretch))
			} else {
				notes = append(notes, fmt.Sprintf("stretch %.2f not", g.stretch))
			}
		}
	default:
		v.Verdict = short
	}
	v.Why = strings.Join(notes, ", ")
	return v
}

func (v verdict) String() string {
	sign, why := ">=", v.Why
	if v.Limit {
		sign = "<="
	}
	if why != "" {
		why = " (" + why + ")"
	}
	need := "-"
	if v.Need != 0 {
		need = fmt.Sprintf("%s%.2f", sign, v.Need)
	}
	if v.Bound {
		need += ",bound"
	}
	if v.Pairs == 0 {
		return fmt.Sprintf("goal %s ours=%s rival=%s ratio=- need=%s %s%s", v.Name, v.Ours, v.Rival, need, v.Verdict, why)
	}
	return fmt.Sprintf("goal %s ours=%.4g rival=%s:%.4g ratio=%.2f interval=%.2f..%.2f pairs=%d need=%s %s%s",
		v.Name, v.OursIs, v.Rival, v.RivalIs, v.Ratio.Median, v.Ratio.Low, v.Ratio.High, v.Pairs, need, v.Verdict, why)
}
