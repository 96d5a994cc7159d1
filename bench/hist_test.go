package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHistClamps(t *testing.T) {
	h := NewHist()
	for _, v := range []int64{-5, 0, 1, histMost, histMost + 1, math.MaxInt64 / 4} {
		h.Record(v)
	}
	s := h.Summary()
	assert.EqualValues(t, 6, s.Samples)
	assert.EqualValues(t, 3, s.Clamped)
	assert.EqualValues(t, -5, s.Min, "exact, not clamped")
	assert.EqualValues(t, int64(math.MaxInt64/4), s.Max, "exact, not clamped")
	assert.EqualValues(t, 6, h.base.TotalCount(), "each clamped sample is in a bucket")
	assert.InEpsilon(t, histMost, h.base.Max(), 1e-3)
}

func TestHistEmpty(t *testing.T) {
	s := NewHist().Summary()
	assert.Zero(t, s.Samples)
	assert.Zero(t, s.Min)
	assert.Zero(t, s.Max)
	require.Len(t, s.Percentiles, 5)
	for _, p := range s.Percentiles {
		assert.Nil(t, p.Nanos, p.Name())
	}
}

// A percentile is given as soon as ten samples lie above it, and not before.
func TestPercentilesNeedSamples(t *testing.T) {
	h := NewHist()
	needs := map[string]uint64{"p50": 20, "p90": 100, "p99": 1000, "p99.9": 10000, "p99.99": 100000}
	for n := uint64(1); n <= 100001; n++ {
		h.Record(int64(n))
		if !slices.Contains([]uint64{19, 20, 99, 100, 999, 1000, 9999, 10000, 99999, 100000}, n) {
			continue
		}
		for _, p := range h.Summary().Percentiles {
			require.Equal(t, needs[p.Name()], p.Needs)
			require.Equal(t, n >= p.Needs, p.Nanos != nil, "%s of %d samples", p.Name(), n)
		}
	}
}

// Percentiles of random samples against a sorted copy: three digits.
func TestPercentilesAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	h, all := NewHist(), []int64{}
	var sum float64
	for range 200000 {
		v := int64(math.Exp(rng.Float64() * 23))
		h.Record(v)
		all = append(all, v)
		sum += float64(v)
	}
	slices.Sort(all)
	s := h.Summary()
	assert.Equal(t, all[0], s.Min)
	assert.Equal(t, all[len(all)-1], s.Max)
	assert.InEpsilon(t, sum/float64(len(all)), s.Mean, 1e-9)
	for _, p := range s.Percentiles {
		want := all[int(math.Ceil(p.P/100*float64(len(all))))-1]
		assert.InEpsilon(t, want, *p.Nanos, 2e-3, p.Name())
	}
}

// No percentile lies outside what was recorded, whatever the bucket's ends.
func TestPercentilesStayWithinTheExtremes(t *testing.T) {
	h := NewHist()
	for range 100000 {
		h.Record(1000001) // its bucket is 1000001 +- some hundred
	}
	for _, p := range h.Summary().Percentiles {
		assert.EqualValues(t, 1000001, *p.Nanos, p.Name())
	}
}

func TestHistMerge(t *testing.T) {
	a, b, both := NewHist(), NewHist(), NewHist()
	for i := range int64(5000) {
		h := a
		if i%3 == 0 {
			h = b
		}
		h.Record(i * i)
		both.Record(i * i)
	}
	a.Record(-1)
	both.Record(-1)
	a.Merge(b)
	assert.Equal(t, both.Summary(), a.Summary())
}

func TestRecordDoesNotAllocate(t *testing.T) {
	h, v := NewHist(), int64(-10)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		h.Record(v)
		h.Record(v + histMost)
		v += 1e6
	}))
}

func BenchmarkRecord(b *testing.B) {
	h, v := NewHist(), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		h.Record(v & 0xfffff)
		v += 997
	}
}

// What an arbitrary percentile needs is exact, though no float is 0.1.
func TestNeedsIsExact(t *testing.T) {
	for p, want := range map[float64]uint64{
		1: 11, 25: 14, 50: 20, 75: 40, 90: 100, 95: 200, 97: 334, 99: 1000, 99.5: 2000, 99.9: 10000,
		99.95: 20000, 99.99: 100000, 99.999: 1000000, 99.9999: 10000000, 33.333: 15,
		100: math.MaxUint64, math.NaN(): math.MaxUint64, math.Inf(1): math.MaxUint64,
	} {
		assert.Equal(t, want, needs(p), "p%v", p)
	}
}

// A summary has the percentiles that were asked for, and each as soon as ten samples
// lie above it.
func TestSummaryOfOtherPercentiles(t *testing.T) {
	h := NewHist()
	for i := range int64(333) {
		h.Record(i)
	}
	s := h.Summary(25, 97)
	require.Len(t, s.Percentiles, 2)
	assert.EqualValues(t, 82, *s.Percentiles[0].Nanos, "rank 83.25 is nearest to 83")
	assert.Nil(t, s.Percentiles[1].Nanos)
	assert.EqualValues(t, 334, s.Percentiles[1].Needs)
	h.Record(333)
	assert.EqualValues(t, 323, *h.Summary(97).Percentiles[0].Nanos, "324 at most, ten above")
}

func TestHistReset(t *testing.T) {
	h := NewHist()
	h.Record(5)
	h.Record(-1)
	h.Reset()
	assert.Equal(t, NewHist().Summary(), h.Summary())
	h.Record(7)
	s := h.Summary()
	assert.EqualValues(t, 7, s.Min)
	assert.EqualValues(t, 7, s.Max)
}

// Recording has its own way to the buckets: it must be the library's.
func TestRecordAgreesWithTheLibrary(t *testing.T) {
	h, want := NewHist(), hdr.New(1, histMost, histDigits)
	record := func(v int64) {
		if v >= 0 && v <= histMost {
			h.Record(v)
			require.NoError(t, want.RecordValue(v))
		}
	}
	for shift := range 37 {
		for d := int64(-3); d <= 3; d++ {
			record(1<<shift + d)
			record(3<<shift>>1 + d)
			record(1<<shift + 1<<shift>>10 + d)
		}
	}
	record(histMost)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 10000 {
		record(int64(math.Exp(rng.Float64() * 24.8)))
	}
	assert.True(t, want.Equals(h.folded()))
	assert.True(t, want.Equals(h.folded()), "once")
	assert.EqualValues(t, want.TotalCount(), h.Count())
}

// The counts that recording keeps have 32 bits; the histogram's have more.
func TestRecordCountsBeyond32Bits(t *testing.T) {
	h := NewHist()
	h.Record(5000)
	i := slices.Index(h.fast, 1)
	h.fast[i] = math.MaxUint32 - 1
	h.Record(5000)
	assert.Zero(t, h.fast[i])
	h.Record(5000)
	assert.EqualValues(t, 1<<32, h.folded().TotalCount())
	assert.InEpsilon(t, 5000, h.folded().ValueAtPercentile(50), 1e-3)
}
