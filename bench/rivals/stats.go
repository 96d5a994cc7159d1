package main

import "slices"

// result is what came out for a cell.
type result struct {
	id
	quantiles
	Samples int       `json:"samples"`
	Dropped int       `json:"dropped"`         // disturbed, and tried again
	Noisy   bool      `json:"noisy,omitempty"` // no sample was undisturbed: these are the disturbed ones
	Far     bool      `json:"far,omitempty"`   // its cores were never near each other
	Anchor  quantiles `json:"anchor"`          // a cache line's way to the other core, just before each of the samples
	NS      []float64 `json:"ns"`              // the samples, in order of time
}

// quantiles are of the samples of a cell.
type quantiles struct {
	Median float64 `json:"median_ns"`
	P10    float64 `json:"p10_ns"`
	P90    float64 `json:"p90_ns"`
}

func quantilesOf(ns []float64) quantiles {
	if len(ns) == 0 {
		return quantiles{}
	}
	sorted := slices.Sorted(slices.Values(ns))
	return quantiles{Median: quantile(sorted, 0.5), P10: quantile(sorted, 0.1), P90: quantile(sorted, 0.9)}
}

// quantile interpolates between the two samples that p lies between, so that of a few
// the median is the middle one, or the mean of the middle two: where a queue is now fast,
// now slow, another definition makes it fast. sorted is not empty.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// few samples are too few for a figure to be believed.
const few = 6

// sampled is a turn, and how long a cache line took to the other core just before, if
// it was of two cores.
type sampled struct {
	turn
	anchor float64
	slowed bool // a core was not at full speed before or after, see calm
}

func (s sampled) quiet() bool { return s.disturbed == 0 && !s.slowed }

func (s sampled) far() bool { return s.anchor > near }

// summary keeps the undisturbed samples with the cores near, or what comes closest.
func summary(c id, all []sampled) result {
	r := result{id: c}
	var anchors []float64
	for _, kind := range []struct{ noisy, far bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		r.NS, anchors, r.Noisy, r.Far = nil, nil, kind.noisy, kind.far
		for _, s := range all {
			if (s.quiet() || kind.noisy) && (!s.far() || kind.far) {
				r.NS = append(r.NS, s.ns)
				anchors = append(anchors, s.anchor)
			}
		}
		if len(r.NS) > 0 {
			break
		}
	}
	r.Samples, r.Dropped = len(r.NS), len(all)-len(r.NS)
	r.quantiles, r.Anchor = quantilesOf(r.NS), quantilesOf(anchors)
	return r
}
