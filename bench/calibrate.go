package bench

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// pair is a reading of the TSC and of the monotonic clock at the same moment,
// as nearly as possible.
type pair struct {
	ticks Ticks
	at    time.Time
}

// tscPair reads both clocks. Of several tries it takes the one in which the
// two TSC readings around the monotonic one are closest together: an
// interruption in between would be an error of the calibration.
func tscPair() pair {
	best := pair{}
	width := Ticks(math.MaxInt64)
	for range 20 {
		a := tscNow()
		at := time.Now()
		b := tscNow()
		if w := b - a; w >= 0 && w < width {
			best, width = pair{a + w/2, at}, w
		}
	}
	return best
}

// calibrationPlan says how to calibrate.
type calibrationPlan struct {
	stretches int
	each      time.Duration
	worst     float64 // largest relative deviation of a stretch from the whole
}

// 5 ms a stretch: the readings of a pair are some tens of ns apart, so a
// stretch is good to about 10 ppm. A TSC that is not what the kernel's clock
// is made of (an emulated one, one that stops) is off by far more than 500.
var calibration = calibrationPlan{stretches: 5, each: 5 * time.Millisecond, worst: 500e-6}

// maxWarp is how far, in ns, the TSCs of two CPUs may be apart. RDTSC is not
// serialising, so some tens of ns are not the TSC's fault.
const maxWarp = 250

const warpTime = time.Millisecond

type calibrated struct {
	pair // the last
	conv conversion
}

// calibrate compares the clock that read reads with the monotonic clock over
// several stretches. why says what is wrong with it, empty if nothing.
func calibrate(read func() pair, plan calibrationPlan) (c calibrated, why string) {
	pairs := []pair{read()}
	for range plan.stretches {
		time.Sleep(plan.each)
		pairs = append(pairs, read())
	}
	first, last := pairs[0], pairs[len(pairs)-1]
	ticks, nanos := last.ticks-first.ticks, last.at.Sub(first.at)
	if ticks <= 0 || nanos <= 0 {
		return c, "the TSC does not advance"
	}
	rate := float64(ticks) / float64(nanos)
	for i := 1; i < len(pairs); i++ {
		r := float64(pairs[i].ticks-pairs[i-1].ticks) / float64(pairs[i].at.Sub(pairs[i-1].at))
		if off := math.Abs(r/rate - 1); !(off <= plan.worst) {
			return c, fmt.Sprintf("the TSC disagrees with CLOCK_MONOTONIC by %.0f ppm", off*1e6)
		}
	}
	return calibrated{last, newConversion(uint64(nanos), uint64(ticks))}, ""
}

// worstWarp returns how far time went backwards, at worst, for goroutines
// that take turns at reading the clock, one a processor, for about d.
func worstWarp(now func() Ticks, d time.Duration) Ticks {
	var (
		mu    sync.Mutex
		last  Ticks = math.MinInt64
		worst Ticks
		stop  atomic.Bool
		wg    sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !stop.Load() {
				mu.Lock()
				t := now()
				if t < last {
					worst = max(worst, last-t)
				} else {
					last = t
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(d)
	stop.Store(true)
	wg.Wait()
	return worst
}
