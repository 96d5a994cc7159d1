package ring

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/baseline"
	"github.com/evdengine/evd/internal/pad"
)

// The benchmarks of this file run on one goroutine: they measure the path, not the traffic
// between cores. U1 pushes one event and pops it, Batch pushes and pops 32 of
// them; both report ns/event. The first word of an event is a running number,
// and the consumer's sum of these is checked.
//
// impl=mpsc and chain are Push and Pop, PushN and PopN; try is the fast paths,
// try-inplace the same in the slot, try-chain those of a chain's ends; lane has the full
// fence of TryPush and Commit, lane-release the plain store, in the slot; slots is a
// claim written as a slice. Those of two goroutines are in bench_pair_linux_test.go.
//
// BenchmarkLimit is what the hardware takes for the least that a push and pop
// can do: a compare-and-swap and an exchange. Ratios hold only within one run;
// alternate (a loop around -count=1), because -count repeats each benchmark
// before it goes on to the next.

const benchBatch = 32

// Events as structs, as users have them. 56 bytes are the engine's events.
type (
	bench16 struct{ n, a uint64 }
	bench32 struct{ n, a, b, c uint64 }
	bench56 struct{ n, a, b, c, d, e, f uint64 }
	bench64 struct{ n, a, b, c, d, e, f, g uint64 }
)

// Mentioned, because only the first word is used by name.
var _ = [...]any{bench16{0, 1}, bench32{0, 1, 2, 3}, bench56{0, 1, 2, 3, 4, 5, 6}, bench64{0, 1, 2, 3, 4, 5, 6, 7}}

// number is the first word of an event.
func number[T any](v *T) *uint64 { return (*uint64)(unsafe.Pointer(v)) }

// tally checks that what was pushed was popped: numbers 1..n.
type tally struct{ n, sum uint64 }

func (y *tally) report(b *testing.B, each int) {
	b.Helper()
	if want := y.n * (y.n + 1) / 2; y.sum != want || y.n != uint64(b.N*each) {
		b.Fatalf("pushed %d events in %d turns, the sum of those popped is %d, want %d", y.n, b.N, y.sum, want)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(y.n), "ns/event")
}

func BenchmarkLimit(b *testing.B) {
	var w struct {
		_    pad.Line
		tail atom.Uint64
		_    pad.Line
		free atom.Uint64
		_    pad.Line
		seq  [1024]atom.Uint64
	}
	b.Run("op=cas", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t := w.tail.Load()
			w.tail.CompareAndSwap(t, t+1)
		}
	})
	b.Run("op=cas+xchg", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t := w.tail.Load()
			w.tail.CompareAndSwap(t, t+1)
			w.seq[t&1023].Store(t + 1)
		}
	})
	b.Run("op=cas+2xchg", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t := w.tail.Load()
			w.tail.CompareAndSwap(t, t+1)
			w.seq[t&1023].Store(t + 1)
			w.free.Store(t + 1)
		}
	})
}

func BenchmarkU1(b *testing.B) {
	benchU1[bench16](b)
	benchU1[bench32](b)
	benchU1[bench56](b)
	benchU1[bench64](b)
}

func benchU1[T any](b *testing.B) {
	name := func(impl string, capacity int) string {
		return fmt.Sprintf("impl=%s/event=%d/capacity=%d", impl, unsafe.Sizeof(*new(T)), capacity)
	}
	for _, capacity := range []int{896, 1024} {
		b.Run(name("mpsc", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			var in, out T
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				*number(&in) = y.n
				if r.Push(&in) == OK && r.Pop(&out) == Event {
					y.sum += *number(&out)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("chain", capacity), func(b *testing.B) {
			r, _ := NewChain[T](capacity)
			var in, out T
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				*number(&in) = y.n
				if r.Push(&in) == OK && r.Pop(&out) == Event {
					y.sum += *number(&out)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("try", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			var in, out T
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				*number(&in) = y.n
				if r.TryPush(&in) && r.TryPop(&out) {
					y.sum += *number(&out)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("try-inplace", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				if c, ok := r.TryReserve(1); ok {
					*number(r.Slot(c, 0)) = y.n
					r.Commit(c)
				}
				if p := r.TryPeek(); p != nil {
					y.sum += *number(p)
					r.Advance(1)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("try-chain", capacity), func(b *testing.B) {
			r, _ := NewChain[T](capacity)
			var in, out T
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				*number(&in) = y.n
				if r.In().TryPush(&in) && r.Out().TryPop(&out) {
					y.sum += *number(&out)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("lane", capacity), func(b *testing.B) {
			r, _ := NewLane[T](capacity)
			var in, out T
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				*number(&in) = y.n
				if r.TryPush(&in) && r.TryPop(&out) {
					y.sum += *number(&out)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("lane-release", capacity), func(b *testing.B) {
			r, _ := NewLane[T](capacity)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				if c, ok := r.TryReserve(1); ok {
					*number(r.Slot(c, 0)) = y.n
					r.CommitRelease(c)
				}
				if p := r.TryPeek(); p != nil {
					y.sum += *number(p)
					r.Advance(1)
				}
			}
			y.report(b, 1)
		})
		b.Run(name("inplace", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				y.n++
				if c, st := r.Reserve(1); st == OK {
					*number(r.Slot(c, 0)) = y.n
					r.Commit(c)
				}
				if s := r.Ready(1); len(s) == 1 {
					y.sum += *number(&s[0])
					r.Advance(1)
				}
			}
			y.report(b, 1)
		})
	}
	b.Run(name("mutex", 1024), func(b *testing.B) {
		r := baseline.NewMutexRing[T](1024)
		var in, out T
		var y tally
		b.ReportAllocs()
		for b.Loop() {
			y.n++
			*number(&in) = y.n
			if r.Push(&in) && r.Pop(&out) {
				y.sum += *number(&out)
			}
		}
		y.report(b, 1)
	})
	b.Run(name("chan", 1024), func(b *testing.B) {
		r := make(chan T, 1024)
		var in, out T
		var y tally
		b.ReportAllocs()
		for b.Loop() {
			y.n++
			*number(&in) = y.n
			select {
			case r <- in:
			default:
			}
			select {
			case out = <-r:
				y.sum += *number(&out)
			default:
			}
		}
		y.report(b, 1)
	})
}

func BenchmarkBatch(b *testing.B) {
	benchBatches[bench16](b)
	benchBatches[bench32](b)
	benchBatches[bench56](b)
	benchBatches[bench64](b)
}

func benchBatches[T any](b *testing.B) {
	name := func(impl string, capacity int) string {
		return fmt.Sprintf("impl=%s/event=%d/capacity=%d/batch=%d", impl, unsafe.Sizeof(*new(T)), capacity, benchBatch)
	}
	fill := func(vs []T, y *tally) {
		for i := range vs {
			y.n++
			*number(&vs[i]) = y.n
		}
	}
	add := func(vs []T, y *tally) {
		for i := range vs {
			y.sum += *number(&vs[i])
		}
	}
	for _, capacity := range []int{896, 1024} {
		b.Run(name("mpsc", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			in, out := make([]T, benchBatch), make([]T, benchBatch)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				fill(in, &y)
				r.PushN(in)
				add(out[:r.PopN(out)], &y)
			}
			y.report(b, benchBatch)
		})
		b.Run(name("chain", capacity), func(b *testing.B) {
			r, _ := NewChain[T](capacity)
			in, out := make([]T, benchBatch), make([]T, benchBatch)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				fill(in, &y)
				r.PushN(in)
				add(out[:r.PopN(out)], &y)
			}
			y.report(b, benchBatch)
		})
		b.Run(name("slots", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				c, _ := r.TryReserve(benchBatch)
				for n := 0; n < c.Len(); {
					s := r.Slots(c, n)
					fill(s, &y)
					n += len(s)
				}
				r.Commit(c)
				for s := r.Ready(benchBatch); len(s) > 0; s = r.Ready(benchBatch) {
					add(s, &y)
					r.Advance(len(s))
				}
			}
			y.report(b, benchBatch)
		})
		b.Run(name("lane", capacity), func(b *testing.B) {
			r, _ := NewLane[T](capacity)
			in, out := make([]T, benchBatch), make([]T, benchBatch)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				fill(in, &y)
				r.PushN(in)
				add(out[:r.PopN(out)], &y)
			}
			y.report(b, benchBatch)
		})
		b.Run(name("lane-release", capacity), func(b *testing.B) {
			r, _ := NewLane[T](capacity)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				c, _ := r.TryReserve(benchBatch)
				for n := 0; n < c.Len(); {
					s := r.Slots(c, n)
					fill(s, &y)
					n += len(s)
				}
				r.CommitRelease(c)
				for s := r.Ready(benchBatch); len(s) > 0; s = r.Ready(benchBatch) {
					add(s, &y)
					r.Advance(len(s))
				}
			}
			y.report(b, benchBatch)
		})
		b.Run(name("inplace", capacity), func(b *testing.B) {
			r, _ := New[T](capacity)
			var y tally
			b.ReportAllocs()
			for b.Loop() {
				c, _ := r.Reserve(benchBatch)
				for i := range c.Len() {
					y.n++
					*number(r.Slot(c, i)) = y.n
				}
				r.Commit(c)
				for s := r.Ready(benchBatch); len(s) > 0; s = r.Ready(benchBatch) {
					add(s, &y)
					r.Advance(len(s))
				}
			}
			y.report(b, benchBatch)
		})
	}
	b.Run(name("mutex", 1024), func(b *testing.B) {
		r := baseline.NewMutexRing[T](1024)
		in, out := make([]T, benchBatch), make([]T, benchBatch)
		var y tally
		b.ReportAllocs()
		for b.Loop() {
			fill(in, &y)
			r.PushN(in)
			add(out[:r.PopN(out)], &y)
		}
		y.report(b, benchBatch)
	})
	b.Run(name("chan", 1024), func(b *testing.B) {
		r := make(chan T, 1024)
		in, out := make([]T, benchBatch), make([]T, benchBatch)
		var y tally
		b.ReportAllocs()
		for b.Loop() {
			fill(in, &y)
			for i := range in {
				r <- in[i]
			}
			for i := range out {
				out[i] = <-r
			}
			add(out, &y)
		}
		y.report(b, benchBatch)
	})
}
