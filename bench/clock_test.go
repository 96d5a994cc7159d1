package bench

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The conversion against exact arithmetic: never off by more than the last
// digit plus 2^-62 of the value, never overflowing.
func TestConversionAgainstBigInt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	extreme := []uint64{0, 1, 2, 3, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 62, 1<<63 - 1}
	pick := func() uint64 {
		if rng.IntN(4) == 0 {
			return extreme[rng.IntN(len(extreme))]
		}
		return rng.Uint64() >> (1 + rng.IntN(63))
	}
	for range 50000 {
		nanos, ticks := max(pick(), 1), max(pick(), 1)
		c := newConversion(nanos, ticks)
		v := pick()

		want := new(big.Int).SetUint64(v)
		want.Mul(want, new(big.Int).SetUint64(nanos))
		want.Quo(want, new(big.Int).SetUint64(ticks))
		if !want.IsInt64() {
			want.SetInt64(math.MaxInt64)
		}
		got := c.nanos(Ticks(v))
		slack := want.Int64()>>62 + 1
		if d := want.Int64() - got; d < 0 || d > slack {
			t.Fatalf("%d ticks at %d ns per %d ticks: %d ns, exactly %d", v, nanos, ticks, got, want)
		}
		if neg := c.nanos(-Ticks(v)); neg != -got {
			t.Fatalf("%d ticks: %d, but %d ticks: %d", v, got, -int64(v), neg)
		}
	}
}

func TestConversionSaturates(t *testing.T) {
	c := newConversion(1000, 1)
	assert.Equal(t, int64(math.MaxInt64), c.nanos(math.MaxInt64))
	assert.Equal(t, int64(-math.MaxInt64), c.nanos(math.MinInt64))
	assert.Equal(t, int64(-math.MaxInt64), newConversion(1<<63, 1).nanos(math.MinInt64))
	// Where hrtime.Count.ApproxDuration overflows: a day of a 3 GHz TSC that
	// was calibrated over 20 ms.
	day := newConversion(20e6, 60e6).nanos(Ticks(24 * 3600 * 3e9))
	assert.InDelta(t, float64(24*time.Hour), float64(day), 1)
}

// counter is a fake TSC of the given rate (ticks a nanosecond) at a given
// time.
type counter struct {
	base time.Time
	rate func(time.Duration) float64
}

func (c counter) pair() pair {
	at := time.Now()
	since := at.Sub(c.base)
	return pair{Ticks(float64(since) * c.rate(since)), at}
}

func TestCalibrate(t *testing.T) {
	plan := calibrationPlan{stretches: 4, each: 2 * time.Millisecond, worst: 500e-6}
	good := counter{time.Now(), func(time.Duration) float64 { return 2.5 }}
	c, why := calibrate(good.pair, plan)
	require.Empty(t, why)
	assert.InEpsilon(t, 2.5, c.conv.ticksPerNano, 1e-4)
	assert.InEpsilon(t, 400, c.conv.nanos(1000), 1e-2)

	stopped := counter{time.Now(), func(time.Duration) float64 { return 0 }}
	_, why = calibrate(stopped.pair, plan)
	assert.Equal(t, "the TSC does not advance", why)

	// A counter whose frequency follows the CPU's.
	start := time.Now()
	varying := counter{start, func(d time.Duration) float64 { return 2 + float64(d)/float64(4*time.Millisecond) }}
	_, why = calibrate(varying.pair, plan)
	assert.Contains(t, why, "disagrees with CLOCK_MONOTONIC by")
}

func TestWorstWarp(t *testing.T) {
	base := time.Now()
	steady := func() Ticks { return Ticks(time.Since(base)) }
	assert.Zero(t, worstWarp(steady, time.Millisecond))
	n := Ticks(0)
	// Called under worstWarp's lock.
	jumping := func() Ticks {
		if n++; n%100 == 0 {
			return n - 40
		}
		return n
	}
	assert.EqualValues(t, 39, worstWarp(jumping, time.Millisecond))
}

func TestClock(t *testing.T) {
	for _, c := range []*Clock{NewClock(), MonotonicClock(), {base: time.Now()}} {
		t.Run(string(c.Source()), func(t *testing.T) {
			assert.Equal(t, c.Source() == SourceMonotonic, !c.tsc)
			if c.Source() == SourceTSC {
				assert.Empty(t, c.Why())
			}
			assert.Positive(t, c.Hertz())
			a := c.Now()
			time.Sleep(20 * time.Millisecond)
			b := c.Now()
			assert.Greater(t, c.Nanos(b-a), int64(15*time.Millisecond), "slept 20 ms")
			assert.InEpsilon(t, int64(time.Second), c.Nanos(c.Ticks(time.Second)), 1e-6, "there and back")
			assert.Zero(t, testing.AllocsPerRun(1000, func() { c.Nanos(c.Now() - a) }))
		})
	}
	assert.NotEmpty(t, MonotonicClock().Why())
	assert.Zero(t, MonotonicClock().Drift())
}

// The clock in use agrees with CLOCK_MONOTONIC: NewClock has checked it, and
// falls back otherwise.
func TestClockDrift(t *testing.T) {
	c := NewClock()
	time.Sleep(50 * time.Millisecond)
	assert.InDelta(t, 0, c.Drift(), 1000, "ppm")
}

func BenchmarkClock(b *testing.B) {
	for _, c := range []*Clock{NewClock(), MonotonicClock()} {
		b.Run("source="+string(c.Source()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Now()
			}
		})
	}
}
