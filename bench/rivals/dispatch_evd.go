package main

import (
	"errors"
	"runtime"
	"sync"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/spin"
)

// evd is ours: one EVD, or several that get their posts in turn. With several the sum
// is of the upcalls of one at a time too: one goroutine posts, and they are Inline.
type evd struct {
	adder
	evds []*engine.EVD
}

// shared is the engine of all EVDs that are posted to, and lasts as long as the program:
// a new one starts goroutines, whose first steps would disturb the sample.
var shared = sync.OnceValues(func() (*engine.Engine, error) { return engine.New(engine.Config{}) })

func newEVD(dispatch engine.Dispatch, count int) (*evd, error) {
	e, err := shared()
	if err != nil {
		return nil, err
	}
	d := new(evd)
	cfg := engine.EVDConfig{
		// The baselines have no budget: who delivers goes on until nothing is left.
		Capacity: slots - slots/8, Batch: batch, Budget: 1 << 20, Dispatch: dispatch, Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) { d.add(u.Events()) },
	}
	if count > 1 {
		cfg.Capacity = 64
	}
	for range count {
		one, err := e.NewEVD(cfg)
		if err != nil {
			_, _ = d.total()
			return nil, err
		}
		d.evds = append(d.evds, one)
	}
	return d, nil
}

func (d *evd) post(i, end uint64) {
	one := d.evds[0]
	for ; i < end; i++ {
		for one.Post(engine.Event{WRID: i}) != nil {
			spin.Pause() // full
		}
	}
}

// turns posts to one EVD after the other.
func (d *evd) turns(i, end uint64) {
	for k := 0; i < end; i++ {
		for d.evds[k].Post(engine.Event{WRID: i}) != nil {
			spin.Pause()
		}
		if k++; k == len(d.evds) {
			k = 0
		}
	}
}

func (d *evd) burst(i, end uint64) {
	one := d.evds[0]
	evs := make([]engine.Event, batch)
	for ; i < end; i += batch {
		numbered(evs, i)
		for rest := evs; len(rest) > 0; {
			n, err := one.PostN(rest)
			if rest = rest[n:]; err != nil {
				spin.Pause() // full
			}
		}
	}
}

// delivered: a budget may have been used up and the rest handed to a worker. Where there
// are several EVDs nobody but one posts, and his post has run the upcall.
func (d *evd) delivered(n uint64) {
	for len(d.evds) == 1 && d.evds[0].Stats().Delivered < n {
		runtime.Gosched()
	}
}

// total closes the EVDs: their upcalls are over then.
func (d *evd) total() (uint64, error) {
	var errs error
	for _, one := range d.evds {
		errs = errors.Join(errs, one.Close())
	}
	return d.sum, errs
}
