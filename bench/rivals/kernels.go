package main

import (
	"runtime"
	"unsafe"

	"github.com/evdengine/evd/internal/spin"
)

//go:generate go run ./gen

// kernel is a queue together with the loops that are timed. An event's first word is its
// number; who consumes answers with the sum of those.
//
// Concurrency: one goroutine in consume, as many in produce as the queue allows.
type kernel[T any] interface {
	u1(n uint64) uint64                               // n times push one, pop one
	produce(first, end uint64, w waiter)              // pushes first..end-1
	consume(n uint64, w waiter) uint64                // pops n
	echo(back kernel[T], n uint64, first bool) uint64 // one side of a ping-pong over two queues
}

// batcher is a kernel that moves many events at once. n and end-first are multiples of
// batch.
type batcher[T any] interface {
	ub(n, batch uint64) uint64
	produceN(first, end, batch uint64, w waiter)
	consumeN(n, batch uint64, w waiter) uint64
}

// Events as structs, as users have them.
type (
	event16 struct{ n, a uint64 }
	event24 struct{ n, a, b uint64 }
	event32 struct{ n, a, b, c uint64 }
	event40 struct{ n, a, b, c, d uint64 }
	event48 struct{ n, a, b, c, d, e uint64 }
	event56 struct{ n, a, b, c, d, e, f uint64 }
	event64 struct{ n, a, b, c, d, e, f, g uint64 }
)

// Mentioned, because only the first word is used, and not by name.
var _ = [...]any{
	event16{0, 1},
	event24{0, 1, 2},
	event32{0, 1, 2, 3},
	event40{0, 1, 2, 3, 4},
	event48{0, 1, 2, 3, 4, 5},
	event56{0, 1, 2, 3, 4, 5, 6},
	event64{0, 1, 2, 3, 4, 5, 6, 7},
}

// number is the first word of an event.
func number[T any](v *T) *uint64 { return (*uint64)(unsafe.Pointer(v)) }

// whole writes all words of an event, one by one: from a composite literal the compiler
// makes a copy elsewhere first, and reads that before its stores have got through.
func whole[T any](v *T, n uint64) {
	p := unsafe.Pointer(v)
	switch unsafe.Sizeof(*v) { // known when it is compiled
	case 16:
		e := (*event16)(p)
		e.n, e.a = n, n
	case 32:
		e := (*event32)(p)
		e.n, e.a, e.b, e.c = n, n, n, n
	case 64:
		e := (*event64)(p)
		e.n, e.a, e.b, e.c, e.d, e.e, e.f, e.g = n, n, n, n, n, n, n, n
	default:
		*(*uint64)(p) = n
	}
}

// use keeps the compiler from complaining of an event that a queue has no use for.
func use[T any](...*T) {}

// boxMask: where a queue takes pointers, every producer uses the events that they point
// at again in turn, twice as many as fit in.
const boxMask = 2*slots - 1

// waiter is what a thread does that finds the queue full or empty: a pause if it has a
// core of its own, and its core for others every 16 pauses if not.
type waiter struct {
	yields bool
	n      uint32
}

func (w *waiter) wait() {
	spin.Pause()
	if w.yields {
		if w.n++; w.n%16 == 0 {
			runtime.Gosched()
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // a size of this program's own
	}
	return v
}
