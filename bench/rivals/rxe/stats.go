//go:build linux && (amd64 || arm64)

package main

import "slices"

// spread is what came of several figures: the middle one, and a 95 % interval of the
// median.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Sure   bool    `json:"sure"` // there were enough for an interval; else Low and High are the extremes
}

// spreadOf has the interval of the sign test: it is made of order statistics and assumes
// nothing of the distribution. It needs six figures. v is not empty.
func spreadOf(v []float64) spread {
	s := slices.Sorted(slices.Values(v))
	k := outside(len(s))
	sp := spread{Median: (s[(len(s)-1)/2] + s[len(s)/2]) / 2, Sure: k > 0}
	k = max(k, 1)
	sp.Low, sp.High = s[k-1], s[len(s)-k]
	return sp
}

// outside is how many of n figures in order may be left off, less one, at each end: the
// largest k for which k-1 or fewer heads in n tosses are rarer than 2.5 %. 0: none is.
func outside(n int) (k int) {
	p := 1.0 // of exactly k heads
	for range n {
		p /= 2
	}
	for sum := p; sum <= 0.025; sum += p {
		k++
		p *= float64(n-k+1) / float64(k)
	}
	return k
}
