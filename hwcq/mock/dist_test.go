package mock

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func draw(d Dist, seed uint64, n int) []time.Duration {
	s := newSampler(d, seed, 1)
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = s.next()
	}
	return out
}

func TestDraws(t *testing.T) {
	const n = 100_001
	us := time.Microsecond
	for _, tc := range []struct {
		name         string
		d            Dist
		mean, median time.Duration
		low, high    time.Duration
	}{
		{"none", Dist{}, 0, 0, 0, 0},
		{"const", Const(3 * us), 3 * us, 3 * us, 3 * us, 3 * us},
		{"const 0", Const(0), 0, 0, 0, 0},
		{"uniform", Uniform(10*us, 30*us), 20 * us, 20 * us, 10 * us, 30 * us},
		{"uniform, small", Uniform(5, 7), 6, 6, 5, 7},
		{"uniform, a point", Uniform(5, 5), 5, 5, 5, 5},
		{"exp", Exp(100 * us), 100 * us, 69315, 0, maxDraw},
		// e^(sigma^2/2) = 1.1331
		{"lognormal", Lognormal(100*us, 0.5), 113315, 100 * us, 0, maxDraw},
		{"lognormal without spread", Lognormal(100*us, 0), 100 * us, 100 * us, 100 * us, 100 * us},
		{"script", Script(1*us, 2*us, 6*us), 3 * us, 2 * us, 1 * us, 6 * us},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := draw(tc.d, 42, n)
			assert.Equal(t, v, draw(tc.d, 42, n), "the seed decides")
			var sum time.Duration
			for _, x := range v {
				sum += x
			}
			slices.Sort(v)
			// 100001 draws: the standard error is below 0.4 % of the mean for
			// all of these, and the seed is fixed.
			assert.InEpsilon(t, float64(tc.mean)+1, float64(sum)/n+1, 0.02, "mean")
			assert.InEpsilon(t, float64(tc.median)+1, float64(v[n/2])+1, 0.02, "median")
			assert.GreaterOrEqual(t, v[0], tc.low)
			assert.LessOrEqual(t, v[n-1], tc.high)
		})
	}
}

func TestSeedsDiffer(t *testing.T) {
	d := Exp(time.Millisecond)
	assert.NotEqual(t, draw(d, 1, 10), draw(d, 2, 10))
}

func TestTailIsCut(t *testing.T) {
	v := draw(Lognormal(time.Minute, 10), 1, 1000)
	assert.Equal(t, maxDraw, slices.Max(v))
	assert.GreaterOrEqual(t, slices.Min(v), time.Duration(0))
}

func TestScriptIsCopied(t *testing.T) {
	d := Script(1, 2)
	s := newSampler(d, 0, 0)
	d.Steps[0] = 99
	assert.EqualValues(t, 1, s.next())
}
