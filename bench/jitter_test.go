package bench

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// All the moments in a gap are late, each by what was left of the gap.
func TestWaitsInAGap(t *testing.T) {
	h := NewHist()
	w := newWaits(&Clock{}, 5*time.Microsecond, h, 0) // ticks are nanoseconds
	for _, x := range []struct {
		now   Ticks
		comes bool
		n     uint64
	}{
		{900, false, 0},
		{1800, false, 0}, // 900 ns are no gap
		{4999, false, 0}, // 3199
		{5000, true, 1},  // late by 0
		{5010, false, 1},
		{10200, true, 2}, // by 200
		{30100, true, 6}, // by 15100, 10100, 5100 and 100
	} {
		assert.Equal(t, x.comes, w.see(x.now), x.now)
		assert.Equal(t, x.n, h.Count(), x.now)
	}
	assert.Equal(t, gaps{n: 3, lost: 3199 + 5190 + 19900, longest: 19900}, w.gaps)
	assert.EqualValues(t, 0, h.min)
	assert.EqualValues(t, 15100, h.max)
	assert.EqualValues(t, 200+15100+10100+5100+100, h.sum)
}

func TestMeasureJitter(t *testing.T) {
	r, err := MeasureJitter(t.Context(), JitterConfig{Duration: 20 * time.Millisecond})
	require.NoError(t, err)
	spin := r.Jitter.Parts[0]
	assert.Equal(t, "spin", spin.Name)
	assert.InDelta(t, spin.Elapsed/5000, spin.Late.Samples, 1, "a sample each 5 us")
	assert.LessOrEqual(t, spin.Lost, spin.Elapsed)
	assert.LessOrEqual(t, spin.Late.Max, max(spin.Longest, 1000), "nothing is later than the longest gap")
	assert.LessOrEqual(t, spin.Longest*int64(min(1, spin.Gaps)), spin.Lost)
	assert.Equal(t, r.Histograms["jitter"].Count(), r.Results.Operations)
	sleep := r.Jitter.Parts[1]
	assert.Equal(t, "sleep", sleep.Name)
	assert.Positive(t, sleep.Late.Samples)
	assert.GreaterOrEqual(t, sleep.Late.Min, int64(0), "time.Sleep is never early")
	assert.Contains(t, r.Histograms, "jitter/sleep")
	assert.True(t, r.OK())

	text, err := json.Marshal(r)
	require.NoError(t, err)
	back := &Report{}
	require.NoError(t, json.Unmarshal(text, back))
	assert.Equal(t, r.Jitter, back.Jitter)
}

func TestJitterInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	r, err := MeasureJitter(ctx, JitterConfig{Duration: time.Hour})
	require.NoError(t, err)
	assert.True(t, r.Interrupted)
}

func TestJitterParameters(t *testing.T) {
	for want, c := range map[string]JitterConfig{
		"duration": {Duration: time.Microsecond}, "period": {Period: 1}, "sleep": {Sleep: time.Minute},
		"cpus = -1": {CPUs: []int{-1}}, "cpus = 3": {CPUs: []int{3, 3}},
	} {
		_, err := MeasureJitter(t.Context(), c)
		require.ErrorIs(t, err, engine.ErrInvalid)
		assert.ErrorContains(t, err, want)
	}
}

func TestFloor(t *testing.T) {
	f := MeasureFloor(t.Context())
	require.NotNil(t, f)
	assert.GreaterOrEqual(t, f.Samples, uint64(10000), "enough for p99.9")
	assert.LessOrEqual(t, f.P50, f.P999)
	assert.LessOrEqual(t, f.P999, f.Max)
	r := &Report{Results: Results{Response: &Summary{Percentiles: []Percentile{{P: 99.9, Nanos: new(int64)}}}}}
	*r.Results.Response.Percentiles[0].Nanos = 100
	r.SetFloor(nil)
	assert.Nil(t, r.Env.Floor)
	r.SetFloor(&Floor{P999: 50})
	assert.Empty(t, r.Warnings)
	r.SetFloor(&Floor{P999: 51})
	assert.Len(t, r.Warnings, 1)
	assert.Equal(t, "p99.9 1.23ms, max 45.68ms", (&Floor{P999: 1_230_000, Max: 45_678_901}).String())
}

func TestJitterDoesNotAllocate(t *testing.T) {
	h := NewHist()
	w := newWaits(&Clock{}, 5, h, 0)
	now := Ticks(0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { now += 7; w.see(now) }))
}
