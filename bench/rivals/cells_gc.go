package main

import (
	"runtime"
	"time"

	"github.com/evdengine/evd/internal/atom"
)

// node is of a heap that takes a collector some time to mark.
type node struct {
	left, right *node
	_           [48]byte
}

func tree(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

// gcCells are U1 while the garbage collector marks all the time, on the other core.
func gcCells() []*cell {
	q := rival[event16]{impl: "evd-try", new: newevdTry[event16]}
	return []*cell{native(q.id(id{Shape: "U1-GC"}), 1, 64, func(n uint64) (time.Duration, int64, error) {
		k, heap := q.new(slots), tree(18)
		var stop atom.Bool
		marking, over := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(over)
			close(marking)
			for !stop.Load() {
				runtime.GC()
			}
		}()
		<-marking
		var sum uint64
		took, disturbed := alone(func() { sum = k.u1(n) })
		stop.Store(true)
		<-over
		runtime.KeepAlive(heap)
		return took, disturbed, wrongSum(n, sum)
	})}
}
