package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	s := func(ns float64, disturbed int64, far bool) sampled {
		if far {
			return sampled{turn: turn{ns, disturbed}, anchor: near + 1}
		}
		return sampled{turn: turn{ns, disturbed}, anchor: near}
	}
	c := id{Shape: "U1", Impl: "x"}
	r := summary(c, []sampled{s(900, 1, false), s(1, 0, true), s(30, 0, false), s(10, 0, false), s(20, 0, false)})
	require.Equal(t, []float64{30, 10, 20}, r.NS)
	require.Equal(t, 2, r.Dropped)
	require.EqualValues(t, near, r.Anchor.Median)
	require.InDelta(t, 20, r.Median, 0)
	require.False(t, r.Noisy || r.Far)

	r = summary(c, []sampled{s(900, 1, false), s(7, 0, true)})
	require.Equal(t, []float64{7}, r.NS)
	require.True(t, r.Far && !r.Noisy)
	r = summary(c, []sampled{s(900, 1, false), s(800, 2, true)})
	require.Equal(t, []float64{900}, r.NS)
	require.True(t, r.Noisy && !r.Far)
	r = summary(c, []sampled{s(800, 2, true)})
	require.Equal(t, []float64{800}, r.NS)
	require.True(t, r.Noisy && r.Far)
	late := s(700, 0, false)
	late.slowed = true
	r = summary(c, []sampled{late, s(7, 0, false)})
	require.Equal(t, []float64{7}, r.NS)
	require.True(t, !r.Noisy && r.Dropped == 1)
	r = summary(c, []sampled{late})
	require.True(t, r.Noisy && !r.Far)
	require.Zero(t, summary(c, nil).Samples)
}

func TestQuantiles(t *testing.T) {
	var all []sampled
	for i := 101; i > 0; i-- {
		all = append(all, sampled{turn: turn{ns: float64(i)}})
	}
	r := summary(id{}, all)
	require.Equal(t, quantiles{Median: 51, P10: 11, P90: 91}, r.quantiles)
	// The middle of an even number, and what there is of one.
	require.Equal(t, quantiles{Median: 12, P10: 8, P90: 16}, quantilesOf([]float64{17, 7}))
	require.Equal(t, quantiles{Median: 7, P10: 7, P90: 7}, quantilesOf([]float64{7}))
}
