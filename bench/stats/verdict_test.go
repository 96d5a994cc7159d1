package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	p, err := NewPlan(0.99, 60)
	require.NoError(t, err)
	assert.Equal(t, 60, p.Most())
	for most := 8; most <= 300; most++ {
		p, err := NewPlan(0.99, most)
		require.NoError(t, err, most)
		assert.Equal(t, most, p.Most())
		assert.IsIncreasing(t, append([]int{0}, p.Looks...))
		assert.InDelta(t, 0.01, (1-p.At())*float64(len(p.Looks)), 1e-12)
		assert.GreaterOrEqual(t, p.Looks[0], Needs(p.At()), "the first look has an interval")
		for n := range most + 2 {
			assert.Equal(t, n > 0 && contains(p.Looks, n), p.Due(n))
		}
	}
	_, err = NewPlan(0.99, 7)
	assert.EqualError(t, err, "must be 8 or more for an interval of 99 %")
}

func contains(v []int, x int) bool {
	for _, y := range v {
		if x == y {
			return true
		}
	}
	return false
}

// Looking again and again, and stopping at the first look that shows something, is
// wrong no more often than promised.
func TestOptionalStopping(t *testing.T) {
	const runs = 600
	for _, confidence := range []float64{0.95, 0.99} {
		plan, err := NewPlan(confidence, 60)
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(8, 9))
		wrong, naive := 0, 0
		for range runs {
			d := make([]float64, plan.Most())
			for i := range d {
				d[i] = rng.NormFloat64()
			}
			planned, each := false, false
			for _, n := range plan.Looks {
				i, j := Center(d[:n], plan.At()), Center(d[:n], confidence)
				planned = planned || i.Lo > 0 || i.Hi < 0
				each = each || j.Lo > 0 || j.Hi < 0
			}
			if planned {
				wrong++
			}
			if each {
				naive++
			}
		}
		alpha := (1 - confidence) * runs
		assert.LessOrEqual(t, float64(wrong), alpha+3*math.Sqrt(alpha), confidence)
		assert.Greater(t, float64(naive), 1.5*alpha, "without the plan it would be wrong more often")
	}
}

func TestDecide(t *testing.T) {
	for _, x := range []struct {
		name          string
		d             Interval
		floor, effect float64
		better        Better
		want          Verdict
	}{
		{"nothing", Interval{0, -0.01, 0.01}, 0.01, 0.05, Lower, Same},
		{"more of what should be less", Interval{0.05, 0.03, 0.07}, 0.01, 0.05, Lower, Worse},
		{"more of what should be more", Interval{0.05, 0.03, 0.07}, 0.01, 0.05, Higher, BetterBy},
		{"less of what should be more", Interval{-0.05, -0.07, -0.03}, 0.01, 0.05, Higher, Worse},
		{"less of what should be less", Interval{-0.05, -0.07, -0.03}, 0.01, 0.05, Lower, BetterBy},
		{"not even in the interval's own terms", Interval{0.05, -0.01, 0.11}, 0.01, 0.05, Lower, Inconclusive},
		{"beyond chance, and too little to matter", Interval{0.02, 0.01, 0.03}, 0.01, 0.05, Lower, Same},
		{"beyond chance, but below the floor", Interval{0.05, 0.03, 0.07}, 0.06, 0.05, Lower, Inconclusive},
		{"nothing, but the floor is too high to tell", Interval{0, -0.01, 0.01}, 0.06, 0.05, Lower, Inconclusive},
		{"far beyond a high floor", Interval{0.5, 0.3, 0.7}, 0.2, 0.05, Lower, Worse},
		{"too wide", Interval{0, -0.06, 0.02}, 0.01, 0.05, Lower, Inconclusive},
		{"unknown", unknown, 0.01, 0.05, Lower, Inconclusive},
		{"neither direction is better", Interval{0.5, 0.3, 0.7}, 0.01, 0.05, Neither, Inconclusive},
		{"no floor", Interval{0, -0.01, 0.01}, math.Inf(1), 0.05, Lower, Inconclusive},
	} {
		assert.Equal(t, x.want, decide(x.d, x.floor, x.effect, x.better), x.name)
	}
}

func TestBlock(t *testing.T) {
	nan := math.NaN()
	b := Block{
		{{100, 100}, {110, 110}},
		{{200, 200}, {220, 220}},  // the whole machine is slower
		{{100, 100}, {9000, 110}}, // one turn is disturbed
		{{nan, 100}, {110, nan}},  // two turns are missing
	}
	d, ok := b.Delta(1)
	require.True(t, ok)
	assert.InDelta(t, math.Log(1.1), d, 1e-12)
	d, ok = b.Delta(0)
	require.True(t, ok)
	assert.Zero(t, d)
	f, ok := b.Floor(1)
	require.True(t, ok)
	assert.Zero(t, f)
	assert.Len(t, b.Values(0), 7)
	_, ok = Block{{{nan, nan}, {1, 1}}}.Delta(1)
	assert.False(t, ok)
	// A copy that is slower for its whole life is noise, and no difference.
	b = Block{{{100, 104}, {104, 100}}, {{100, 104}, {104, 100}}}
	d, _ = b.Delta(1)
	assert.InDelta(t, 0, d, 1e-12)
	f, _ = b.Floor(1)
	assert.InDelta(t, 0, f, 1e-12)
	b = Block{{{100, 104}, {100, 104}}}
	f, _ = b.Floor(1)
	assert.InDelta(t, math.Log(1.04), f, 1e-12)
}

func TestBlocksOfNothing(t *testing.T) {
	m := Metric{Name: "gcs", Unit: Number, Better: Lower}
	zero := []Block{{{{0, 0}, {0, 0}}}}
	j := Blocks(m, zero, 1, 0.99, 0.05)
	assert.False(t, j.Known())
	assert.Equal(t, Same, j.Verdict)
	j = Blocks(m, []Block{{{{0, 0}, {3, 3}}}}, 1, 0.99, 0.05)
	assert.Equal(t, Inconclusive, j.Verdict)
	assert.Equal(t, 3.0, j.B)
	j = Blocks(m, nil, 1, 0.99, 0.05)
	assert.Equal(t, Inconclusive, j.Verdict)
}

func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	sample := func(n int, middle float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = middle * math.Exp(0.01*rng.NormFloat64())
		}
		return v
	}
	m := Metric{Name: "svc.p50", Unit: Nanos, Better: Lower}
	j := Runs(m, sample(10, 1000), sample(12, 1080), 0.95, 0.05)
	assert.Equal(t, Worse, j.Verdict)
	assert.Equal(t, 10, j.N)
	assert.InDelta(t, 0.08, j.Delta.Center, 0.02)
	assert.Less(t, j.P, 0.001)
	j = Runs(m, sample(10, 1000), sample(10, 1000), 0.95, 0.05)
	assert.Equal(t, Same, j.Verdict)
	assert.Less(t, j.Floor, 0.03)
	j = Runs(m, sample(10, 1000), sample(10, 900), 0.95, 0.05)
	assert.Equal(t, BetterBy, j.Verdict)
	j = Runs(m, sample(3, 1000), sample(3, 2000), 0.95, 0.05)
	assert.Equal(t, Inconclusive, j.Verdict, "three are too few, however far apart")
	j = Runs(m, make([]float64, 10), make([]float64, 10), 0.95, 0.05)
	assert.Equal(t, Same, j.Verdict)
	assert.False(t, j.Known())
}

func TestEffect(t *testing.T) {
	for name, want := range map[string]float64{"rate": 0.05, "p50": 0.05, "p90": 0.05, "p99": 0.1, "resp.p99.9": 0.1, "max": 0.1, "sd": 0.1, "mean": 0.05} {
		assert.Equal(t, want, Effect(name, 0), name)
		assert.Equal(t, 0.02, Effect(name, 0.02), name)
	}
}
