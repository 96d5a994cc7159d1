package main

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// result is what came out for a cell.
type result struct {
	id
	Median  float64   `json:"median_ns"`
	P10     float64   `json:"p10_ns"`
	P90     float64   `json:"p90_ns"`
	Samples int       `json:"samples"`
	Dropped int       `json:"dropped"`         // disturbed, and tried again
	Noisy   bool      `json:"noisy,omitempty"` // no sample was undisturbed: these are the disturbed ones
	Far     bool      `json:"far,omitempty"`   // its cores were never near each other
	NS      []float64 `json:"ns"`              // the samples, in order of time
}

// sampled is a turn, and whether the cores were near each other then.
type sampled struct {
	turn
	far bool
}

// summary keeps the undisturbed samples with the cores near, or what comes closest.
func summary(c id, all []sampled) result {
	r := result{id: c}
	for _, kind := range []struct{ noisy, far bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		r.NS, r.Noisy, r.Far = nil, kind.noisy, kind.far
		for _, s := range all {
			if (s.disturbed == 0 || kind.noisy) && (!s.far || kind.far) {
				r.NS = append(r.NS, s.ns)
			}
		}
		if len(r.NS) > 0 {
			break
		}
	}
	r.Samples, r.Dropped = len(r.NS), len(all)-len(r.NS)
	if r.Samples == 0 {
		return r
	}
	sorted := slices.Sorted(slices.Values(r.NS))
	r.P10 = stat.Quantile(0.1, stat.LinInterp, sorted, nil)
	r.Median = stat.Quantile(0.5, stat.LinInterp, sorted, nil)
	r.P90 = stat.Quantile(0.9, stat.LinInterp, sorted, nil)
	return r
}
