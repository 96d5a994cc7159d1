package main

import (
	"fmt"
	"time"

	"github.com/evdengine/evd/engine"
)

// dispatchers are ours and what one would write without; bare is the floor.
var dispatchers = []struct {
	impl string
	new  func() (dispatcher, error)
	only bool // one poster at a time
}{
	{impl: "bare", new: func() (dispatcher, error) { return newBare(), nil }, only: true},
	{impl: "evd-inline", new: func() (dispatcher, error) { return newEVD(engine.DispatchInline, 1) }},
	{impl: "evd-queued", new: func() (dispatcher, error) { return newEVD(engine.DispatchQueued, 1) }},
	{impl: "mutex-queue", new: func() (dispatcher, error) { return newMutexQueue(), nil }},
	{impl: "mutex-direct", new: func() (dispatcher, error) { return newMutexDirect(), nil }},
	{impl: "spin-queue", new: func() (dispatcher, error) { return newSpinQueue(), nil }},
}

// dispatchCells post to something idle that calls an upcall.
func dispatchCells() []*cell {
	var out []*cell
	for _, d := range dispatchers {
		out = append(out,
			posting(id{Shape: "EVD1", Impl: d.impl}, d.new, dispatcher.post),
			posting(id{Shape: "EVD32", Impl: d.impl, Batch: batch}, d.new, dispatcher.burst))
		if !d.only && twoCores() {
			out = append(out,
				postingTwo(id{Shape: "EVD2P", Impl: d.impl}, d.new, dispatcher.post),
				postingTwo(id{Shape: "EVD2Pb", Impl: d.impl, Batch: batch}, d.new, dispatcher.burst))
		}
	}
	return out
}

// posting is one goroutine that posts; it has run the upcalls itself, or waits for them.
func posting(c id, make func() (dispatcher, error), post func(d dispatcher, first, end uint64)) *cell {
	return native(c, 1, batch, func(n uint64) (time.Duration, int64, error) {
		d, err := make()
		if err != nil {
			return 0, 0, err
		}
		took, disturbed := alone(func() { post(d, 1, n+1); d.delivered(n) })
		return took, disturbed, summed(d, n)
	})
}

// postingTwo is two of them, on a core each.
func postingTwo(c id, make func() (dispatcher, error), post func(d dispatcher, first, end uint64)) *cell {
	return native(c, 2, 2*batch, func(n uint64) (time.Duration, int64, error) {
		d, err := make()
		if err != nil {
			return 0, 0, err
		}
		took, disturbed := duel(
			func() { post(d, 1, n/2+1) },
			func() { post(d, n/2+1, n+1); d.delivered(n) })
		return took, disturbed, summed(d, n)
	})
}

func summed(d dispatcher, n uint64) error {
	sum, err := d.total()
	if err != nil {
		return fmt.Errorf("the end: %w", err)
	}
	return wrongSum(n, sum)
}
