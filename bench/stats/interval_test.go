package stats

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// distributions have their middle at 0.
var distributions = map[string]struct {
	draw      func(*rand.Rand) float64
	symmetric bool
}{
	"normal":  {(*rand.Rand).NormFloat64, true},
	"uniform": {func(r *rand.Rand) float64 { return r.Float64() - 0.5 }, true},
	"cauchy":  {func(r *rand.Rand) float64 { return math.Tan(math.Pi * (r.Float64() - 0.5)) }, true},
	"bimodal": {func(r *rand.Rand) float64 { return float64(2*r.IntN(2)-1) + 0.1*r.NormFloat64() }, true},
	"latency": {func(r *rand.Rand) float64 { return r.ExpFloat64() - math.Ln2 }, false},
}

// An interval holds the truth as often as it says, whatever the distribution.
func TestCoverage(t *testing.T) {
	const runs = 500
	for name, d := range distributions {
		for _, n := range []int{8, 15, 35} {
			for _, confidence := range []float64{0.95, 0.99} {
				rng := rand.New(rand.NewPCG(uint64(n), 7))
				sample := func() []float64 {
					v := make([]float64, n)
					for i := range v {
						v[i] = d.draw(rng)
					}
					return v
				}
				var inMedian, inCenter, inShift int
				for range runs {
					holds := func(i Interval) int {
						if i.Lo <= 0 && i.Hi >= 0 {
							return 1
						}
						return 0
					}
					a, b := sample(), sample()
					inMedian += holds(Median(a, confidence))
					if n < 20 {
						inShift += holds(Shift(a, b, confidence))
					}
					inCenter += holds(Center(a, confidence))
				}
				// Three standard deviations of luck, with a fixed seed.
				least := runs * (confidence - 3*math.Sqrt(confidence*(1-confidence)/runs))
				what := fmt.Sprintf("%s, %d values, %g", name, n, confidence)
				// The median's is benchstat's: its normal approximation, from 31 values
				// on, misses 0.95 by up to a hundredth.
				assert.GreaterOrEqual(t, float64(inMedian), least-0.01*runs, "median: %s", what)
				if n < 20 {
					assert.GreaterOrEqual(t, float64(inShift), least, "shift: %s", what)
				}
				if d.symmetric {
					assert.GreaterOrEqual(t, float64(inCenter), least, "center: %s", what)
				}
			}
		}
	}
}

// An interval is not wider than it must be: it misses the truth nearly as often as it
// may.
func TestIntervalsAreTight(t *testing.T) {
	const runs, n, confidence = 1500, 15, 0.95
	rng := rand.New(rand.NewPCG(3, 4))
	center, shift := 0, 0
	for range runs {
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i], b[i] = rng.NormFloat64(), rng.NormFloat64()
		}
		for at, i := range map[*int]Interval{&center: Center(a, confidence), &shift: Shift(a, b, confidence)} {
			if i.Lo <= 0 && i.Hi >= 0 {
				*at++
			}
		}
	}
	assert.Less(t, float64(center)/runs, 0.97)
	assert.Less(t, float64(shift)/runs, 0.97)
}

// The intervals are exactly what the tests do not refuse.
func TestIntervalsInvertTheTests(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := 6; n < 30; n += 5 {
		a, b := make([]float64, n), make([]float64, n+2)
		for i := range a {
			a[i] = rng.NormFloat64()
		}
		for i := range b {
			b[i] = 0.4 + rng.ExpFloat64()
		}
		moved := func(v []float64, by float64) []float64 {
			out := make([]float64, len(v))
			for i := range v {
				out[i] = v[i] - by
			}
			return out
		}
		const tiny = 1e-9
		s := Shift(a, b, 0.95)
		for at, inside := range map[float64]bool{s.Lo - tiny: false, s.Lo + tiny: true, s.Hi - tiny: true, s.Hi + tiny: false} {
			assert.Equal(t, inside, UTest(a, moved(b, at)) > 0.05, "shift, %d values, %v of %v", n, at, s)
		}
		c := Center(a, 0.95)
		for at, inside := range map[float64]bool{c.Lo - tiny: false, c.Lo + tiny: true, c.Hi - tiny: true, c.Hi + tiny: false} {
			assert.Equal(t, inside, SignedRank(moved(a, at)) > 0.05, "center, %d values, %v of %v", n, at, c)
		}
	}
}

// The distribution of the statistic, against all 2^n signs.
func TestSignedRankCDF(t *testing.T) {
	for n := 1; n <= 12; n++ {
		count := make([]int, n*(n+1)/2+1)
		for signs := range 1 << n {
			sum := 0
			for i := range n {
				if signs>>i&1 == 1 {
					sum += i + 1
				}
			}
			count[sum]++
		}
		cdf, below := signedRankCDF(n), 0
		for s, c := range count {
			below += c
			assert.InDelta(t, float64(below)/float64(int(1)<<n), cdf(s), 1e-12)
		}
	}
	// The normal one takes over smoothly.
	exact, normal := signedRankCDF(exactSignedRank), normal(exactSignedRank*(exactSignedRank+1)/4, math.Sqrt(exactSignedRank*(exactSignedRank+1)*(2*exactSignedRank+1)/24.0))
	for _, k := range []int{1700, 2000, 2525, 3000} {
		assert.InDelta(t, exact(k), normal(k), 0.001)
	}
	assert.InDelta(t, 0.5, signedRankCDF(exactSignedRank+1)(101*102/4), 0.01)
}

// Hollander and Wolfe's depression scores: V = 40 of 9 pairs.
func TestSignedRankKnown(t *testing.T) {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	d := make([]float64, len(before))
	for i := range d {
		d[i] = before[i] - after[i]
	}
	assert.InDelta(t, 0.0390625, SignedRank(d), 1e-12)
	assert.InDelta(t, 0.46, Center(d, 0.95).Center, 1e-9) // the published estimate
	assert.Equal(t, 1.0, SignedRank(nil))
	assert.Equal(t, 1.0, SignedRank([]float64{0, 0}))
	assert.Equal(t, 1.0, SignedRank([]float64{1, -1}))
}

func TestTooFew(t *testing.T) {
	for _, i := range []Interval{Median(nil, 0.95), Center(nil, 0.95), Shift(nil, []float64{1}, 0.95)} {
		assert.False(t, i.Known())
		assert.True(t, math.IsNaN(i.Center))
	}
	five := []float64{5, 1, 4, 2, 3}
	assert.Equal(t, Interval{3, math.Inf(-1), math.Inf(1)}, Median(five, 0.99))
	assert.Equal(t, []float64{5, 1, 4, 2, 3}, five, "the caller's order stays")
	assert.False(t, Center(five, 0.95).Known())
	assert.True(t, Center(append(five, 6), 0.95).Known())
	for confidence, n := range map[float64]int{0.9: 5, 0.95: 6, 0.99: 8, 0.999: 11} {
		assert.Equal(t, n, Needs(confidence))
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(i)
		}
		assert.True(t, Center(v, confidence).Known(), confidence)
		assert.False(t, Center(v[1:], confidence).Known(), confidence)
	}
}

// benchmarks reads the values of a file in Go's benchmark format.
func benchmarks(t *testing.T, name string) map[string][]float64 {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	all := map[string][]float64{}
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		v, err := strconv.ParseFloat(w[2], 64)
		require.NoError(t, err)
		name := strings.TrimPrefix(w[0], "Benchmark")
		all[name] = append(all[name], v)
	}
	return all
}

// The medians, intervals and p-values are those that benchstat prints. testdata has
// what it printed; where the Go tool is at hand it is asked again.
func TestAsBenchstat(t *testing.T) {
	saved, err := os.ReadFile("testdata/benchstat.csv")
	require.NoError(t, err)
	if _, err := exec.LookPath("go"); err == nil && !testing.Short() {
		cmd := exec.Command("go", "tool", "-modfile=tools/go.mod", "benchstat", "-format", "csv",
			"bench/stats/testdata/old.txt", "bench/stats/testdata/new.txt")
		cmd.Dir = "../.."
		if now, err := cmd.Output(); err == nil { // without a network it may not be there
			assert.Equal(t, string(saved), string(now))
		}
	}
	r := csv.NewReader(strings.NewReader(string(saved)))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	require.NoError(t, err)
	old, recent := benchmarks(t, "testdata/old.txt"), benchmarks(t, "testdata/new.txt")
	seen := 0
	for _, row := range rows {
		a, b := old[row[0]], recent[row[0]]
		if a == nil {
			continue
		}
		seen++
		number := func(i int) float64 {
			v, err := strconv.ParseFloat(row[i], 64)
			require.NoError(t, err)
			return v
		}
		ma, mb := Median(a, 0.95), Median(b, 0.95)
		assert.InEpsilon(t, 1e9*number(1), ma.Center, 1e-9)
		assert.InEpsilon(t, 1e9*number(3), mb.Center, 1e-9)
		width := func(i Interval) string {
			return fmt.Sprintf("%.0f%%", 100*max(i.Hi/i.Center-1, 1-i.Lo/i.Center))
		}
		assert.Equal(t, row[2], width(ma))
		assert.Equal(t, row[4], width(mb))
		assert.Equal(t, row[6], fmt.Sprintf("p=%.3f n=%d", UTest(a, b), len(a)))
	}
	assert.Equal(t, 2, seen)
}
