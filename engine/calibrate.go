package engine

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// The time to go on polling before sleeping is the classic break-even of the
// ski-rental problem: as long as a wake-up costs. Then a poller never pays
// more than twice what a clairvoyant one would (Karlin et al., SODA 1990).

// Limits of a measured wake-up. Below, the clock is the larger part of the
// measurement; above, the host was busy elsewhere.
const (
	wakeLeast = time.Microsecond
	wakeMost  = time.Millisecond

	wakeRounds = 17 // odd: the median is a sample
)

// WakeCost returns what it costs on this machine to wake a parked goroutine
// from another that keeps its CPU: the median of a few rounds, measured once
// per process, some milliseconds.
func WakeCost() time.Duration { return wakeCost() }

var wakeCost = sync.OnceValue(func() time.Duration {
	tok, parked := atom.NewToken(), make(chan struct{})
	var woken atom.Int64
	start := time.Now()
	go func() {
		for range wakeRounds {
			parked <- struct{}{}
			tok.Wait()
			woken.Store(int64(time.Since(start)))
		}
	}()
	costs := make([]time.Duration, 0, wakeRounds)
	for range wakeRounds {
		<-parked
		time.Sleep(100 * time.Microsecond) // let it park, and its thread go idle
		woken.Store(0)
		t0 := time.Since(start)
		tok.Signal()
		for n := 0; woken.Load() == 0; n++ {
			spin.Pause()
			if n > 1<<16 || runtime.GOMAXPROCS(0) == 1 {
				runtime.Gosched()
			}
		}
		costs = append(costs, time.Duration(woken.Load())-t0)
	}
	slices.Sort(costs)
	return min(max(costs[len(costs)/2], wakeLeast), wakeMost)
})

// pollCost is what one turn of an idle poller's loop costs, its share of the
// yields included.
var pollCost = sync.OnceValue(func() time.Duration {
	const turns = 32 * yieldEvery
	var w atom.Uint32
	best := time.Hour
	for range 5 {
		t0 := time.Now()
		for i := range turns {
			if w.Load() == 0 && i%yieldEvery != 0 {
				spin.Pause()
			} else {
				runtime.Gosched()
			}
		}
		best = min(best, time.Since(t0))
	}
	return max(best/turns, 1)
})

// spinTurns converts a time to spin into turns of the poller's loop.
func spinTurns(d time.Duration) int {
	return max(1, int(d/pollCost()))
}

// spinBudget is the longest that a ModeAdaptive poller polls before it sleeps. It
// has everything measured that is needed then.
func (e *Engine) spinBudget() time.Duration {
	if atom.Exploring {
		return 1
	}
	pollCost()
	wake := WakeCost()
	if b := e.cfg.SpinBudget; b != 0 {
		return b
	}
	return wake
}

// started is what now counts from.
var started = time.Now()

// now is the time, for differences; always 0 under the explorer.
func now() time.Duration {
	if atom.Exploring {
		return 0
	}
	return time.Since(started)
}

// pause sleeps; under the explorer it lets others go first.
func pause(d time.Duration) {
	if atom.Exploring {
		atom.Spin()
		return
	}
	time.Sleep(d)
}
