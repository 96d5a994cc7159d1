package bench

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Range and resolution of a Hist: 1 ns to a minute, three digits, 330 KiB.
const (
	histMost   = int64(60e9)
	histDigits = 3
)

// Hist is a histogram of times in nanoseconds, of constant size.
//
// Concurrency: one goroutine at a time; one histogram for each goroutine that
// records, and Merge in the end.
// Zero value: not usable, use NewHist.
//
// Recording counts into an array of its own, with the indices of the histogram below,
// which is filled from it when it is asked something: that takes half the time, and half
// the cache. The exact extremes and the sum are kept beside it, because the histogram
// walks all its buckets for them.
type Hist struct {
	base     *hdr.Histogram // without what is in fast; see folded
	fast     []uint32       // by the indices of h; nil: nothing was recorded yet
	n        uint64
	sum      int64 // overflows after 292 years of latency
	min, max int64
	clamped  uint64
}

// NewHist returns an empty histogram.
func NewHist() *Hist {
	return &Hist{base: hdr.New(1, histMost, histDigits), min: math.MaxInt64, max: math.MinInt64}
}

// Record adds a time. It does not allocate. Times outside 0..60 s count as
// the nearest end in percentiles, and as they are in minimum, maximum and
// mean.
func (h *Hist) Record(ns int64) {
	h.n++
	h.sum += ns
	if ns < h.min {
		h.min = ns
	}
	if ns > h.max {
		h.max = ns
	}
	if uint64(ns) > uint64(histMost) {
		ns = h.clamp(ns)
	}
	// 2048 values of their own, then 1024 steps for each power of two.
	shift := uint(bits.Len64(uint64(ns)|(2<<histHalf-1))) - (histHalf + 1)
	i := shift<<histHalf + uint(ns)>>(shift&63)
	if i >= uint(len(h.fast)) {
		h.fast = make([]uint32, histIndices) // once
	}
	n := h.fast[i] + 1
	h.fast[i] = n
	if n == math.MaxUint32 {
		h.folded()
	}
}

func (h *Hist) clamp(ns int64) int64 {
	h.clamped++
	if ns < 0 {
		return 0
	}
	return histMost
}

// histHalf: three digits are 2^10 steps, and twice as many below the first power of two.
const (
	histHalf    = 10
	histIndices = 27 << histHalf // a minute of nanoseconds has 36 bits
)

// folded is the histogram below, with all that was recorded.
func (h *Hist) folded() *hdr.Histogram {
	for i, n := range h.fast {
		if n == 0 {
			continue
		}
		v := int64(i)
		if shift := i>>histHalf - 1; shift > 0 {
			v = int64(i-shift<<histHalf) << shift
		}
		_ = h.base.RecordValues(v, int64(n)) // in range: cannot fail
		h.fast[i] = 0
	}
	return h.base
}

// Merge adds what other recorded.
func (h *Hist) Merge(other *Hist) {
	h.base.Merge(other.folded()) // same geometry: drops nothing
	h.n += other.n
	h.sum += other.sum
	h.min = min(h.min, other.min)
	h.max = max(h.max, other.max)
	h.clamped += other.clamped
}

// Count returns how many times were recorded.
func (h *Hist) Count() uint64 { return h.n }

// DefaultPercentiles are those of a summary that asks for no others.
var DefaultPercentiles = []float64{50, 90, 99, 99.9, 99.99}

// samplesAbove is how many samples must lie above a percentile for it to be
// printed: with fewer it is a matter of luck.
const samplesAbove = 10

// Summary is what a histogram says. Times are in nanoseconds.
type Summary struct {
	Samples     uint64       `json:"samples"`
	Min         int64        `json:"min_ns"`
	Max         int64        `json:"max_ns"`
	Mean        float64      `json:"mean_ns"`
	StdDev      float64      `json:"stddev_ns"`
	Percentiles []Percentile `json:"percentiles"`
	Clamped     uint64       `json:"clamped"` // outside 0..60 s
}

// Percentile is one percentile. Nanos is nil when fewer than 10 samples lie
// above it; Needs says how many samples there must be.
type Percentile struct {
	P     float64 `json:"p"`
	Nanos *int64  `json:"ns"`
	Needs uint64  `json:"needs_samples"`
}

// Name is "p99.9".
func (p Percentile) Name() string { return "p" + strconv.FormatFloat(p.P, 'f', -1, 64) }

// Summary evaluates the histogram, with these percentiles (0 < p < 100; none:
// DefaultPercentiles): some hundred microseconds.
func (h *Hist) Summary(percentiles ...float64) Summary {
	if len(percentiles) == 0 {
		percentiles = DefaultPercentiles
	}
	s := Summary{Samples: h.n, Clamped: h.clamped}
	if h.n > 0 {
		s.Min, s.Max = h.min, h.max
		s.Mean = float64(h.sum) / float64(h.n)
		s.StdDev = h.folded().StdDev()
	}
	for _, p := range percentiles {
		q := Percentile{P: p, Needs: needs(p)}
		if h.n >= q.Needs {
			v := h.quantile(p)
			q.Nanos = &v
		}
		s.Percentiles = append(s.Percentiles, q)
	}
	return s
}

// quantile is the value at a percentile, of a histogram that is not empty.
func (h *Hist) quantile(p float64) int64 {
	// A bucket's upper end can lie above the largest sample.
	return max(min(h.folded().ValueAtPercentile(p), h.max), h.min)
}

// needs is how many samples there must be for samplesAbove of them to lie above
// percentile p. It is exact: p is taken as the decimal fraction that it is written as,
// since 100 - 99.9 is a little more than 0.1 in floating point.
func needs(p float64) uint64 {
	above, ok := new(big.Rat).SetString(strconv.FormatFloat(p, 'f', -1, 64))
	if !ok || p >= 100 {
		return math.MaxUint64 // not a number, or nothing can lie above it
	}
	above.Sub(big.NewRat(100, 1), above)
	n := new(big.Rat).Quo(big.NewRat(100*samplesAbove, 1), above)
	up := new(big.Int).Add(n.Num(), new(big.Int).Sub(n.Denom(), big.NewInt(1)))
	if up.Quo(up, n.Denom()); !up.IsUint64() {
		return math.MaxUint64
	}
	return up.Uint64()
}

// Reset empties the histogram.
func (h *Hist) Reset() {
	d, fast := h.base, h.fast
	d.Reset()
	clear(fast)
	*h = Hist{base: d, fast: fast, min: math.MaxInt64, max: math.MinInt64}
}
