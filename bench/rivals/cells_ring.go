package main

import (
	"fmt"
	"sync"
	"time"
	"unsafe"
)

// rival is a queue of events T.
type rival[T any] struct {
	impl    string
	new     func(size int) kernel[T]
	writers int  // most producers; 0: any number
	parks   bool // its consumer sleeps in it: it is not asked on a core of its own
}

// rivals are the queues written in Go, ours first. Those of C++ are in cells_cc.go.
func rivals[T any]() []rival[T] {
	return []rival[T]{
		{impl: "evd-copy", new: newevdCopy[T]},
		{impl: "evd-try", new: newevdTry[T]},
		{impl: "evd-inplace", new: newevdInPlace[T]},
		{impl: "evd-inplace-all", new: newevdInPlaceAll[T]},
		{impl: "evd-release", new: newevdRelease[T]},
		{impl: "evd-release-all", new: newevdReleaseAll[T]},
		{impl: "evd-lane", new: newevdLane[T], writers: 1},
		{impl: "evd-lane-fence", new: newevdLaneFence[T], writers: 1},
		{impl: "chan", new: newgoChan[T]},
		{impl: "xsync-mpmc", new: newxsyncMPMC[T]},
		{impl: "xsync-spsc", new: newxsyncSPSC[T], writers: 1},
		{impl: "xsync-umpsc", new: newxsyncUMPSC[T], parks: true},
		{impl: "workiva", new: newworkiva[T]},
		{impl: "mutex", new: newmutexRing[T]},
	}
}

const (
	batch = 32
)

// ringCells are the shapes that are measured with events of 16, 32 and 64 bytes.
func ringCells() []*cell {
	var out []*cell
	out = append(out, shapes[event16]()...)
	out = append(out, shapes[event32]()...)
	return append(out, shapes[event64]()...)
}

func shapes[T any]() []*cell {
	var out []*cell
	for _, q := range rivals[T]() {
		_, batches := q.new(slots).(batcher[T])
		out = append(out, q.u1("U1"))
		if batches {
			out = append(out, q.ub("UB", batch))
		}
		if !q.parks && twoCores() {
			out = append(out, q.pair(), q.lat())
			if batches {
				out = append(out, q.pairBatch())
			}
		}
		if q.writers == 1 {
			continue
		}
		for _, p := range []int{2, 4} {
			shape := fmt.Sprintf("%dP1C", p)
			out = append(out, q.crowd(id{Shape: shape}, 2, p, 1))
			if batches {
				out = append(out, q.crowd(id{Shape: shape + "b", Batch: batch}, 2, p, batch))
			}
		}
	}
	return out
}

func (q rival[T]) id(c id) id {
	c.Impl, c.Event = q.impl, int(unsafe.Sizeof(*new(T)))
	return c
}

// u1: one goroutine pushes one and pops one.
func (q rival[T]) u1(shape string) *cell {
	return native(q.id(id{Shape: shape}), 1, 64, func(n uint64) (time.Duration, int64, error) {
		k := q.new(slots)
		var sum uint64
		took, disturbed := alone(func() { sum = k.u1(n) })
		return took, disturbed, wrongSum(n, sum)
	})
}

// ub: one goroutine pushes a batch and pops it.
func (q rival[T]) ub(shape string, batch uint64) *cell {
	return native(q.id(id{Shape: shape, Batch: int(batch)}), 1, batch, func(n uint64) (time.Duration, int64, error) {
		k := q.new(slots).(batcher[T])
		var sum uint64
		took, disturbed := alone(func() { sum = k.ub(n, batch) })
		return took, disturbed, wrongSum(n, sum)
	})
}

// pair: a producer and a consumer on a core each.
func (q rival[T]) pair() *cell {
	return native(q.id(id{Shape: "1P1C"}), 2, 64, func(n uint64) (time.Duration, int64, error) {
		k := q.new(slots)
		var sum uint64
		took, disturbed := pair(
			func() { k.produce(1, n+1, waiter{}) },
			func() { sum = k.consume(n, waiter{}) })
		return took, disturbed, wrongSum(n, sum)
	})
}

func (q rival[T]) pairBatch() *cell {
	return native(q.id(id{Shape: "1P1Cb", Batch: batch}), 2, batch, func(n uint64) (time.Duration, int64, error) {
		k := q.new(slots).(batcher[T])
		var sum uint64
		took, disturbed := pair(
			func() { k.produceN(1, n+1, batch, waiter{}) },
			func() { sum = k.consumeN(n, batch, waiter{}) })
		return took, disturbed, wrongSum(n, sum)
	})
}

// lat: an event there and one back, over two queues; half of that.
func (q rival[T]) lat() *cell {
	return native(q.id(id{Shape: "LAT"}), 2, 16, func(n uint64) (time.Duration, int64, error) {
		there, back := q.new(slots), q.new(slots)
		var sums [2]uint64
		took, disturbed := pair(
			func() { sums[0] = there.echo(back, n, true) },
			func() { sums[1] = back.echo(there, n, false) })
		if err := wrongSum(n, sums[0]); err != nil {
			return 0, 0, err
		}
		return took / 2, disturbed, wrongSum(n, sums[1])
	})
}

// crowd: producers and a consumer that are not pinned, on procs CPUs.
func (q rival[T]) crowd(c id, procs, producers int, batch uint64) *cell {
	return native(q.id(c), 1, uint64(producers)*batch, func(n uint64) (time.Duration, int64, error) {
		k := q.new(slots)
		each := n / uint64(producers)
		var sum uint64
		produce := func(i int, w waiter) {
			first := uint64(i)*each + 1
			if batch > 1 {
				k.(batcher[T]).produceN(first, first+each, batch, w)
			} else {
				k.produce(first, first+each, w)
			}
		}
		took, disturbed := crowd(procs, producers, produce, func(w waiter) {
			if batch > 1 {
				sum = k.(batcher[T]).consumeN(n, batch, w)
			} else {
				sum = k.consume(n, w)
			}
		})
		return took, disturbed, wrongSum(n, sum)
	})
}

// twoCores starts the two threads that are pinned, once.
var twoCores = sync.OnceValue(func() bool { return startCores() == nil })

// startCores says why there are no two cores.
var startCores = sync.OnceValue(func() error {
	cpus, err := cpuPair()
	for i := range cores {
		if err == nil {
			cores[i], err = newCore(cpus[i])
		}
	}
	return err
})
