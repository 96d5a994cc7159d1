package bench

import (
	"math"
	"time"
)

// recordings is how often something is done to know what it costs.
const recordings = 4000

// cost measures what recording an operation costs, as it was done in the run.
func (s *session) cost(r *Report) {
	if s.rec == nil {
		return
	}
	rec := &recorder{ends: math.MaxInt64, breach: math.MaxInt64, cur: newStretch(s.cfg.open())}
	c := &Recording{Clock: each(func() { s.clk.Now() }), Readings: 2}
	x := uint64(1)
	times := func() int64 {
		// 1 to 17 us, evenly: not always the same line of the cache.
		x = x*6364136223846793005 + 1442695040888963407
		return 1000 + int64(x>>50)
	}
	idle := each(func() { times() })
	if s.cfg.open() {
		c.Readings = 3 // the generator waits, then makes the request
		c.Record = each(func() { t := times(); rec.recordOpen(0, t, t+5, 5) })
	} else {
		c.Record = each(func() { rec.record(0, times()) })
	}
	c.Record = max(c.Record-idle, 0)
	r.Recording = c
}

// each is what a call of fn costs in ns, at best: an interruption is not its fault.
func each(fn func()) float64 {
	best := time.Hour
	for range 5 {
		t0 := time.Now()
		for range recordings {
			fn()
		}
		best = min(best, time.Since(t0))
	}
	return float64(best) / recordings
}
