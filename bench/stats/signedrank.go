package stats

import (
	"math"
	"slices"
)

// exactSignedRank is up to how many values the distribution of the signed-rank
// statistic is computed; beyond, it is normal for all that matters.
const exactSignedRank = 100

// Center is the middle of differences (Hodges and Lehmann: the median of the means of
// all pairs of them), with the interval of the middles that Wilcoxon's signed-rank
// test does not refuse.
//
// It assumes that differences are as likely to be above the middle as below by the
// same amount. Those of two runs that differ in nothing and were made in random order
// are, whatever their distribution. Up to 29 of 100 differences may be anything, and a
// normal distribution costs 5 % more of them than the mean would need.
func Center(diffs []float64, confidence float64) Interval {
	n := len(diffs)
	if n == 0 {
		return unknown
	}
	walsh := make([]float64, 0, n*(n+1)/2)
	for i, x := range diffs {
		for _, y := range diffs[:i+1] {
			walsh = append(walsh, (x+y)/2)
		}
	}
	slices.Sort(walsh)
	return inverted(walsh, signedRankCDF(n), confidence)
}

// SignedRank is the p-value of Wilcoxon's signed-rank test that the middle of the
// differences is 0. Those that are 0 say nothing and are left out; of equal ones each
// has their mean rank.
func SignedRank(diffs []float64) float64 {
	var d []float64
	for _, x := range diffs {
		if x != 0 {
			d = append(d, x)
		}
	}
	if len(d) == 0 {
		return 1
	}
	slices.SortFunc(d, func(a, b float64) int { return cmpAbs(a, b) })
	plus, minus := 0.0, 0.0
	for i := 0; i < len(d); {
		j := i
		for j < len(d) && math.Abs(d[j]) == math.Abs(d[i]) {
			j++
		}
		rank := float64(i+1+j) / 2
		for ; i < j; i++ {
			if d[i] > 0 {
				plus += rank
			} else {
				minus += rank
			}
		}
	}
	return min(1, 2*signedRankCDF(len(d))(int(min(plus, minus))))
}

func cmpAbs(a, b float64) int {
	switch a, b = math.Abs(a), math.Abs(b); {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// signedRankCDF is the distribution function of the sum of the ranks of the positive
// ones of n differences.
func signedRankCDF(n int) func(k int) float64 {
	top := n * (n + 1) / 2
	if n > exactSignedRank {
		return normal(float64(top)/2, math.Sqrt(float64(n*(n+1)*(2*n+1))/24))
	}
	// Each rank is in the sum or not, with the same probability.
	p := make([]float64, top+1)
	p[0] = 1
	for rank := 1; rank <= n; rank++ {
		for s := rank * (rank + 1) / 2; s >= 0; s-- {
			p[s] /= 2
			if s >= rank {
				p[s] += p[s-rank] / 2
			}
		}
	}
	return cumulative(p)
}
