package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	cells, err := Plan([]Axis{{"mode", []string{"spin", "event"}}, {"depth", []string{"1", "2", "3"}}})
	require.NoError(t, err)
	var got []string
	for _, c := range cells {
		got = append(got, c.String())
	}
	assert.Equal(t, []string{"mode=spin depth=1", "mode=spin depth=2", "mode=spin depth=3", "mode=event depth=1", "mode=event depth=2", "mode=event depth=3"}, got)

	cells, err = Plan(nil)
	require.NoError(t, err)
	assert.Equal(t, []Cell{{}}, cells)

	_, err = Plan([]Axis{{"a", nil}})
	assert.Error(t, err)
	many := Axis{"a", make([]string, 101)}
	_, err = Plan([]Axis{many, many})
	assert.ErrorContains(t, err, "not 101 times 101")
}

func TestShuffled(t *testing.T) {
	a := Shuffled(50, 7)
	assert.Equal(t, a, Shuffled(50, 7))
	assert.NotEqual(t, a, Shuffled(50, 8))
	slices.Sort(a)
	for i, v := range a {
		assert.Equal(t, i, v)
	}
}

func TestList(t *testing.T) {
	for s, want := range map[string][]string{
		"spin":                   {"spin"},
		"spin, event":            {"spin", "event"},
		"1,8,64":                 {"1", "8", "64"},
		"64..1024*4":             {"64", "256", "1024"},
		"64..1000*4":             {"64", "256"},
		"0..100+50,7":            {"0", "50", "100", "7"},
		"1..3":                   {"1", "2", "3"},
		"1k..4k*2":               {"1000", "2000", "4000"},
		"uniform:1us,3us;none":   {"uniform:1us,3us", "none"},
		"const:1us;1..2;exp:2us": {"const:1us", "1", "2", "exp:2us"},
	} {
		got, err := List(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "a,", ",a", "a,,b", "1..", "..2", "3..1", "0..8*2", "1..8*1", "1..8*x", "1..8+0", "x..y", "1..2..3", "0..99999", "1..9G"} {
		_, err := List(s)
		assert.Error(t, err, s)
	}
}

// queue is a system with a knee: its latency grows without bound where the rate comes
// near to it, and the machine it is on is noisy.
type queue struct {
	knee  float64
	noise float64 // of the logarithm
	bad   float64 // how often a measurement is spoiled
	rng   *rand.Rand
	n     int
}

// limit is kept below 0.9 of the knee.
func (q *queue) measure(_ context.Context, rate float64) (Probe, error) {
	q.n++
	p := Probe{Rate: rate}
	if rate >= q.knee {
		p.Why = "overloaded"
		return p, nil
	}
	latency := 1 / (1 - rate/q.knee) * math.Exp(q.noise*q.rng.NormFloat64())
	if q.rng.Float64() < q.bad {
		latency *= 20
	}
	p.Kept, p.Why = latency < 10, fmt.Sprintf("latency %.1f", latency)
	return p, nil
}

func TestSearchFindsTheKnee(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		q := &queue{knee: math.Exp(rng.Float64()*12 + 5), noise: 0.1, bad: 0.05, rng: rng}
		f, err := Search{Measure: q.measure}.Run(t.Context())
		require.NoError(t, err)
		require.True(t, f.Done)
		true := 0.9 * q.knee
		assert.InEpsilon(t, true, f.Kept, 0.25, "seed %d: %+v", seed, f)
		assert.Greater(t, f.Failed, f.Kept)
		assert.LessOrEqual(t, f.Failed/f.Kept, 1.12, "seed %d", seed)
		assert.NotEmpty(t, f.Why)
		assert.Len(t, f.Probes, q.n)
		assert.Less(t, q.n, 150, "seed %d", seed)
	}
}

// Without noise the bracket is right.
func TestSearchIsExact(t *testing.T) {
	for _, limit := range []float64{3, 999, 1000, 1001, 123_456, 7.7e6} {
		f, err := Search{Precision: 0.01, Measure: func(_ context.Context, r float64) (Probe, error) {
			return Probe{Rate: r, Kept: r <= limit, Why: "x"}, nil
		}}.Run(t.Context())
		require.NoError(t, err)
		assert.True(t, f.Done)
		assert.LessOrEqual(t, f.Kept, limit)
		assert.Greater(t, f.Failed, limit)
		assert.InEpsilon(t, limit, f.Kept, 0.011)
	}
}

func TestSearchEnds(t *testing.T) {
	always := func(kept bool) func(context.Context, float64) (Probe, error) {
		return func(_ context.Context, r float64) (Probe, error) { return Probe{Rate: r, Kept: kept, Why: "so"}, nil }
	}
	f, err := Search{To: 5000, Measure: always(true)}.Run(t.Context())
	require.NoError(t, err)
	assert.True(t, f.Done)
	assert.Equal(t, 5000.0, f.Kept)
	assert.Zero(t, f.Failed)

	f, err = Search{Measure: always(false)}.Run(t.Context())
	require.NoError(t, err)
	assert.True(t, f.Done)
	assert.Zero(t, f.Kept)
	assert.Equal(t, 1.0, f.Failed)
	assert.Equal(t, "so", f.Why)

	stop := errors.New("stop")
	n := 0
	f, err = Search{Measure: func(ctx context.Context, r float64) (Probe, error) {
		if n++; n > 3 {
			return Probe{}, stop
		}
		return always(true)(ctx, r)
	}}.Run(t.Context())
	assert.ErrorIs(t, err, stop)
	assert.False(t, f.Done)
	assert.Equal(t, 4000.0, f.Kept, "what was found until then")
	assert.Len(t, f.Probes, 3)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Search{Measure: always(true)}.Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}
