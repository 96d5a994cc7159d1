package stats

import (
	"math"
	"slices"
	"sort"

	umath "github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// Interval is an estimate with its confidence interval.
type Interval struct {
	Center float64 `json:"center"`
	Lo     float64 `json:"lo"` // -Inf: too few values to tell
	Hi     float64 `json:"hi"` // +Inf: too few values to tell
}

// Known tells whether there were enough values for an interval.
func (i Interval) Known() bool { return !math.IsInf(i.Lo, 0) && !math.IsInf(i.Hi, 0) }

// Within tells whether the whole interval lies strictly between -d and d.
func (i Interval) Within(d float64) bool { return i.Lo > -d && i.Hi < d }

// Reach is the largest distance from 0 in the interval.
func (i Interval) Reach() float64 { return max(math.Abs(i.Lo), math.Abs(i.Hi)) }

// Neg is the interval of the negated quantity.
func (i Interval) Neg() Interval { return Interval{-i.Center, -i.Hi, -i.Lo} }

// Exp turns differences of logarithms into relative ones: 0.0488 into 0.05.
func (i Interval) Exp() Interval {
	return Interval{math.Expm1(i.Center), math.Expm1(i.Lo), math.Expm1(i.Hi)}
}

var unknown = Interval{math.NaN(), math.Inf(-1), math.Inf(1)}

// Median is the median of values with a confidence interval that assumes
// nothing of their distribution: benchstat's.
func Median(values []float64, confidence float64) Interval {
	if len(values) == 0 {
		return unknown
	}
	t := benchmath.DefaultThresholds
	s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &t), confidence)
	return Interval{s.Center, s.Lo, s.Hi}
}

// UTest is the p-value of the Mann-Whitney test that both sets are of the same
// distribution: benchstat's. 1 where either is empty or all values are equal.
func UTest(a, b []float64) float64 {
	t := benchmath.DefaultThresholds
	return benchmath.AssumeNothing.Compare(
		benchmath.NewSample(slices.Clone(a), &t), benchmath.NewSample(slices.Clone(b), &t)).P
}

// Shift is by how much the values of b are above those of a (Hodges and Lehmann:
// the median of all differences), with the interval of the shifts that the
// Mann-Whitney test does not refuse.
func Shift(a, b []float64, confidence float64) Interval {
	n, m := len(a), len(b)
	if n == 0 || m == 0 {
		return unknown
	}
	d := make([]float64, 0, n*m)
	for _, x := range a {
		for _, y := range b {
			d = append(d, y-x)
		}
	}
	slices.Sort(d)
	return inverted(d, rankSumCDF(n, m), confidence)
}

// exactRankSum is up to how many values on each side the distribution of the statistic
// is computed: milliseconds at that.
const exactRankSum = 50

// rankSumCDF is the distribution function of how many of the pairs of n and m values
// have the second above the first.
func rankSumCDF(n, m int) func(k int) float64 {
	if max(n, m) > exactRankSum {
		return normal(float64(n*m)/2, math.Sqrt(float64(n*m)*float64(n+m+1)/12))
	}
	// The largest value of all is one of the first n, and above all m others, or one
	// of the m. p[i] is the distribution for i and j values.
	p := make([][]float64, n+1)
	for i := range p {
		p[i] = []float64{1}
	}
	for j := 1; j <= m; j++ {
		for i := 1; i <= n; i++ {
			next, all := make([]float64, i*j+1), float64(i+j)
			for u := range next {
				if u >= j {
					next[u] += float64(i) / all * p[i-1][u-j]
				}
				if u < len(p[i]) {
					next[u] += float64(j) / all * p[i][u]
				}
			}
			p[i] = next
		}
	}
	return cumulative(p[n])
}

func cumulative(p []float64) func(k int) float64 {
	for s := 1; s < len(p); s++ {
		p[s] += p[s-1]
	}
	return func(k int) float64 { return p[min(k, len(p)-1)] }
}

func normal(mean, sd float64) func(k int) float64 {
	return func(k int) float64 { return umath.StdNormal.CDF((float64(k) + 0.5 - mean) / sd) }
}

// inverted is the interval of a rank test whose statistic is how many of the sorted
// differences d are above the hypothesis, with that distribution function.
func inverted(d []float64, cdf func(k int) float64, confidence float64) Interval {
	i := Interval{quantile(d, 0.5), math.Inf(-1), math.Inf(1)}
	tail := (1 - confidence) / 2 * (1 + 1e-9) // a tail that is exactly as probable counts
	// The largest k that is improbable enough: of so many differences above a hypothesis,
	// or below it, it is refused.
	k := sort.Search(len(d)/2, func(k int) bool { return cdf(k) > tail }) - 1
	if k >= 0 {
		i.Lo, i.Hi = d[k], d[len(d)-1-k]
	}
	return i
}

// quantile interpolates between the two values that p lies between. sorted is not
// empty.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// median sorts values, which are not empty.
func median(values []float64) float64 {
	slices.Sort(values)
	return quantile(values, 0.5)
}
