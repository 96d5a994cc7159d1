package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/evdengine/evd/engine"
)

// Shapes of which one number grows.
const (
	growProducers = "GROW-producers" // on two CPUs
	growBatch     = "GROW-batch"     // pushed and popped by one goroutine
	growSize      = "GROW-size"      // of events pushed and popped one by one
	growEVDs      = "GROW-evds"      // that one goroutine posts to in turn
	scaling       = "SCALE"          // producers, on as many CPUs as there are
)

// curve says what grows; "" for cells that stand alone.
func (c id) curve() string {
	switch c.Shape {
	case growProducers:
		return "producers"
	case growBatch:
		return "batch"
	case growSize:
		return "event size"
	case growEVDs:
		return "EVDs"
	case scaling:
		return "producers, a CPU each"
	}
	return ""
}

// point is where on its curve a cell lies.
func (c id) point() (curve string, x int) {
	switch c.Shape {
	case growProducers, scaling:
		x = c.Producers
	case growBatch:
		x = c.Batch
	case growSize:
		x = c.Event
	case growEVDs:
		x = c.Count
	}
	return c.curve(), x
}

// chosen are the queues of which curves are drawn.
var chosen = []string{"evd-try", "evd-inplace", "evd-release", "evd-copy", "chan", "xsync-mpmc", "mutex"}

func growthCells() []*cell {
	var out []*cell
	for _, q := range rivals[event16]() {
		if !slices.Contains(chosen, q.impl) {
			continue
		}
		if _, batches := q.new(slots).(batcher[event16]); batches {
			for b := 1; b <= 256; b *= 2 {
				out = append(out, q.ub(growBatch, uint64(b)))
			}
		}
		for p := 1; p <= 16; p *= 2 {
			out = append(out, q.crowd(id{Shape: growProducers, Producers: p}, 2, p, 1))
		}
	}
	out = append(out, sizes[event16]()...)
	out = append(out, sizes[event24]()...)
	out = append(out, sizes[event32]()...)
	out = append(out, sizes[event40]()...)
	out = append(out, sizes[event48]()...)
	out = append(out, sizes[event56]()...)
	out = append(out, sizes[event64]()...)
	for n := 1; n <= 4096; n *= 8 {
		out = append(out, posting(id{Shape: growEVDs, Impl: "evd-inline", Count: n}, func() (dispatcher, error) {
			return newEVD(engine.DispatchInline, n)
		}, func(d dispatcher, first, end uint64) { d.(*evd).turns(first, end) }))
	}
	return out
}

func sizes[T any]() []*cell {
	var out []*cell
	for _, q := range rivals[T]() {
		if slices.Contains(chosen, q.impl) {
			out = append(out, q.u1(growSize))
		}
	}
	return out
}

// scaleCells have 1 to 16 producers and a consumer with a CPU each, as far as they
// reach. There must be more than four.
func scaleCells() ([]*cell, error) {
	cpus := runtime.NumCPU()
	if cpus <= 4 {
		return nil, fmt.Errorf("scaling needs more than 4 CPUs, and there are %d", cpus)
	}
	var out []*cell
	for _, q := range rivals[event16]() {
		if !slices.Contains(chosen, q.impl) {
			continue
		}
		_, batches := q.new(slots).(batcher[event16])
		for p := 1; p <= 16; p++ {
			c := id{Shape: scaling, Producers: p}
			out = append(out, q.crowd(c, min(p+1, cpus), p, 1))
			if batches {
				c.Batch = batch
				out = append(out, q.crowd(c, min(p+1, cpus), p, batch))
			}
		}
	}
	return out, nil
}
