package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/internal/spin"
)

// alarm is something that one goroutine waits for and another sets off.
type alarm interface {
	ring(n uint64) error   // the n-th time
	wait() (uint64, error) // returns n
	close() error
}

// alarms are ours and what there is without it. word is the floor.
var alarms = []struct {
	impl string
	new  func() (alarm, error)
}{
	{"evd-spinning", func() (alarm, error) { return newWaited(engine.WaitSpin) }},
	{"evd-adaptive", func() (alarm, error) { return newWaited(engine.WaitAdaptive) }},
	{"evd-parked", func() (alarm, error) { return newWaited(engine.WaitPark) }},
	{"word", func() (alarm, error) { return new(word), nil }},
	{"chan", func() (alarm, error) { return make(channel, 1), nil }},
	{"cond", func() (alarm, error) { return newCond(), nil }},
}

// wakeCells wake a waiter on another core, whose waker has been busy for a gap.
func wakeCells() []*cell {
	var out []*cell
	if !twoCores() {
		return nil
	}
	for _, gap := range []int{2, 20, 300} {
		for _, a := range alarms {
			out = append(out, waking(id{Shape: "WAKE", Impl: a.impl, Gap: gap}, a.new))
		}
	}
	return out
}

var clock = sync.OnceValue(bench.NewClock)

// waking times wake-ups: from before the call that sets off the alarm to after the
// return of the one that waits for it, with a reading of the clock in it. A sample is
// the median of a few.
func waking(c id, make func() (alarm, error)) *cell {
	gap := time.Duration(c.Gap) * time.Microsecond
	return &cell{c, 2, func(target time.Duration) (turn, error) {
		a, err := make()
		if err != nil {
			return turn{}, err
		}
		took, disturbed, err := wakes(a, max(int(target/(gap+time.Microsecond)), 5), gap)
		if err = errors.Join(err, a.close()); err != nil {
			return turn{}, fmt.Errorf("%v: %w", c, err)
		}
		slices.Sort(took)
		return turn{quantile(took, 0.5), disturbed}, nil
	}}
}

func wakes(a alarm, n int, gap time.Duration) (took []float64, disturbed int64, err error) {
	clk := clock()
	took = make([]float64, n)
	var ready struct {
		_ pad.Line
		n atom.Uint64 // wake-ups that the waiter has had; before that, what he noted of them
		_ pad.Line
	}
	began := make([]bench.Ticks, n)
	var errs [2]error
	_, disturbed = pair(func() {
		for i := range n {
			for ready.n.Load() != uint64(i) {
				spin.Pause()
			}
			for t := clk.Now(); clk.Nanos(clk.Now()-t) < gap.Nanoseconds(); {
			}
			began[i] = clk.Now() // published by what rings
			if err := a.ring(uint64(i + 1)); err != nil && errs[0] == nil {
				errs[0] = err
			}
		}
	}, func() {
		for i := range n {
			got, err := a.wait()
			ended := clk.Now()
			if err == nil && got != uint64(i+1) {
				err = fmt.Errorf("woken by %d, not by %d", got, i+1)
			}
			if err != nil && errs[1] == nil {
				errs[1] = err
			}
			took[i] = float64(clk.Nanos(ended - began[i]))
			ready.n.Store(uint64(i + 1))
		}
	})
	return took, disturbed, errors.Join(errs[:]...)
}

// waited is an EVD without an upcall.
type waited struct {
	d   *engine.EVD
	buf []engine.Event
}

func newWaited(mode engine.WaitMode) (*waited, error) {
	e, err := shared()
	if err != nil {
		return nil, err
	}
	d, err := e.NewEVD(engine.EVDConfig{WaitMode: mode})
	if err != nil {
		return nil, err
	}
	return &waited{d, make([]engine.Event, 1)}, nil
}

func (w *waited) ring(n uint64) error { return w.d.Post(engine.Event{WRID: n}) }

func (w *waited) wait() (uint64, error) {
	_, _, err := w.d.Wait(context.Background(), 1, w.buf)
	return w.buf[0].WRID, err
}

func (w *waited) close() error { return w.d.Close() }

// word is a line that the waiter looks at.
type word struct {
	_    pad.Line
	n    atom.Uint64
	_    pad.Line
	seen uint64
}

func (w *word) ring(n uint64) error { w.n.Store(n); return nil }
func (w *word) close() error        { return nil }

func (w *word) wait() (uint64, error) {
	for w.n.Load() == w.seen {
		spin.Pause()
	}
	w.seen++
	return w.seen, nil
}

type channel chan uint64

func (c channel) ring(n uint64) error   { c <- n; return nil }
func (c channel) wait() (uint64, error) { return <-c, nil }
func (c channel) close() error          { return nil }

// cond is a condition variable.
type cond struct {
	mu   sync.Mutex
	c    *sync.Cond
	n    uint64
	seen uint64
}

func newCond() *cond {
	c := new(cond)
	c.c = sync.NewCond(&c.mu)
	return c
}

func (c *cond) ring(n uint64) error {
	c.mu.Lock()
	c.n = n
	c.mu.Unlock()
	c.c.Signal()
	return nil
}

func (c *cond) wait() (uint64, error) {
	c.mu.Lock()
	for c.n == c.seen {
		c.c.Wait()
	}
	c.seen = c.n
	c.mu.Unlock()
	return c.seen, nil
}

func (c *cond) close() error { return nil }
