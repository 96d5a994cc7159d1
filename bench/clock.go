package bench

import (
	"math"
	"math/bits"
	"time"

	"github.com/loov/hrtime"
)

// Ticks is a reading of a [Clock], or the difference of two.
type Ticks int64

// ClockSource says where a clock's readings come from.
type ClockSource string

// Clock sources.
const (
	SourceTSC       ClockSource = "tsc"       // the CPU's time stamp counter
	SourceMonotonic ClockSource = "monotonic" // time.Since: CLOCK_MONOTONIC
)

// Clock is a stopwatch for the hot path. Reading it neither allocates nor
// makes a system call; converting a difference is one multiplication.
//
// Concurrency: all methods from any goroutine. A clock is immutable.
// Zero value: the monotonic clock, usable.
type Clock struct {
	tsc   bool
	base  time.Time // of the monotonic readings
	start Ticks     // TSC at base
	conv  conversion
	why   string // why not the TSC
	cost  time.Duration
}

// NewClock returns a clock that reads the TSC if it is usable here: the CPU
// says that it is invariant, it agrees with CLOCK_MONOTONIC over several
// stretches of a calibration of about 25 ms, and it does not jump between
// CPUs. Otherwise it is a clock of SourceMonotonic, and Why says why.
func NewClock() *Clock {
	c := &Clock{base: time.Now()}
	if !hrtime.TSCSupported() {
		c.why = "the CPU has no invariant TSC"
	} else if cal, why := calibrate(tscPair, calibration); why != "" {
		c.why = why
	} else if back := worstWarp(tscNow, warpTime); cal.conv.nanos(back) > maxWarp {
		c.why = "the TSC differs between CPUs"
	} else {
		c.tsc, c.conv = true, cal.conv
		c.base, c.start = cal.at, cal.ticks
	}
	c.cost = c.measureCost()
	return c
}

// MonotonicClock returns a clock of SourceMonotonic.
func MonotonicClock() *Clock {
	c := &Clock{base: time.Now(), why: "not asked for"}
	c.cost = c.measureCost()
	return c
}

// Now reads the clock.
func (c *Clock) Now() Ticks {
	if c.tsc {
		return tscNow()
	}
	return Ticks(time.Since(c.base))
}

// Nanos converts a difference of readings to nanoseconds, rounded down
// towards 0. It saturates instead of overflowing.
func (c *Clock) Nanos(d Ticks) int64 {
	if c.tsc {
		return c.conv.nanos(d)
	}
	return int64(d)
}

// Ticks converts a duration to a difference of readings.
func (c *Clock) Ticks(d time.Duration) Ticks {
	if c.tsc {
		return Ticks(float64(d) * c.conv.ticksPerNano)
	}
	return Ticks(d)
}

// Source says what Now reads.
func (c *Clock) Source() ClockSource {
	if c.tsc {
		return SourceTSC
	}
	return SourceMonotonic
}

// Why says why the clock does not read the TSC; empty if it does.
func (c *Clock) Why() string { return c.why }

// Cost is what one reading costs, measured when the clock was made.
func (c *Clock) Cost() time.Duration { return c.cost }

// Hertz is the frequency of the readings.
func (c *Clock) Hertz() float64 {
	if c.tsc {
		return c.conv.ticksPerNano * 1e9
	}
	return 1e9
}

// Drift compares the clock with CLOCK_MONOTONIC over the time since it was
// made, in parts per million; positive if the clock is fast. It is 0 for a
// clock of SourceMonotonic.
func (c *Clock) Drift() float64 {
	if !c.tsc {
		return 0
	}
	p := tscPair()
	real := p.at.Sub(c.base)
	if real <= 0 {
		return 0
	}
	return (float64(c.conv.nanos(p.ticks-c.start))/float64(real) - 1) * 1e6
}

func (c *Clock) measureCost() time.Duration {
	const reads = 1000
	best := time.Hour
	for range 5 {
		t0 := time.Now()
		for range reads {
			c.Now()
		}
		best = min(best, time.Since(t0))
	}
	return best / reads
}

func tscNow() Ticks { return Ticks(hrtime.TSC()) }

// conversion turns ticks into nanoseconds: ticks * mul / 2^shift, in 128
// bits. (hrtime.Count.ApproxDuration multiplies in 64 bits and overflows
// after some hours' worth of ticks.)
//
// Invariant: mul has its top bit set, so that the ratio is exact to 2^-63.
type conversion struct {
	mul          uint64
	shift        uint // 1..127
	ticksPerNano float64
}

// newConversion makes the conversion for a clock of which ticks elapse in
// nanos. Both must be positive.
func newConversion(nanos, ticks uint64) conversion {
	// The largest shift with mul < 2^64. A quotient of 128 by 64 bits fits
	// when the high word is below the divisor.
	shift := uint(0)
	var hi, lo uint64 = 0, nanos
	for shift < 127 {
		h, l := hi<<1|lo>>63, lo<<1
		if h >= ticks {
			break
		}
		hi, lo, shift = h, l, shift+1
	}
	mul, _ := bits.Div64(hi, lo, ticks)
	return conversion{mul: mul, shift: shift, ticksPerNano: float64(ticks) / float64(nanos)}
}

// nanos saturates at the ends of int64.
func (c conversion) nanos(t Ticks) int64 {
	u := uint64(t)
	if t < 0 {
		u = -u
	}
	hi, lo := bits.Mul64(u, c.mul)
	var v uint64
	switch {
	case c.shift >= 64:
		v = hi >> (c.shift - 64)
	case hi>>c.shift != 0:
		v = math.MaxUint64
	default:
		v = hi<<(64-c.shift) | lo>>c.shift
	}
	if v > math.MaxInt64 {
		v = math.MaxInt64
	}
	if t < 0 {
		return -int64(v)
	}
	return int64(v)
}
