package main

import (
	"sync"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// words are on lines of their own.
type words struct {
	_    pad.Line
	tail atom.Uint64
	_    pad.Line
	seq  [slots]atom.Uint64
	_    pad.Line
}

// limitCells are what the hardware takes for the least that a queue can do.
func limitCells() []*cell {
	op := func(impl string, do func(w *words, n uint64)) *cell {
		return native(id{Shape: "LIMIT", Impl: impl}, 1, 64, func(n uint64) (time.Duration, int64, error) {
			w := new(words)
			took, disturbed := alone(func() { do(w, n) })
			return took, disturbed, nil
		})
	}
	var mu sync.Mutex
	out := []*cell{
		op("cas", func(w *words, n uint64) {
			for range n {
				t := w.tail.Load()
				w.tail.CompareAndSwap(t, t+1)
			}
		}),
		op("xchg", func(w *words, n uint64) {
			for i := range n {
				w.seq[i%slots].Store(i)
			}
		}),
		op("cas+xchg", func(w *words, n uint64) {
			for range n {
				t := w.tail.Load()
				w.tail.CompareAndSwap(t, t+1)
				w.seq[t%slots].Store(t + 1)
			}
		}),
		op("mutex", func(_ *words, n uint64) {
			for range n {
				mu.Lock()
				mu.Unlock() //lint:ignore SA2001 the cost of the pair is what is measured
			}
		}),
	}
	if twoCores() {
		out = append(out, native(id{Shape: "ANCHOR", Impl: "line"}, 2, 64, func(n uint64) (time.Duration, int64, error) {
			took, disturbed := anchor(n)
			return took / 2, disturbed, nil
		}), stream[event16](), stream[event64]())
	}
	return out
}

// anchor sends a cache line to another core and back, n times.
func anchor(n uint64) (took time.Duration, disturbed int64) {
	var w struct {
		_ pad.Line
		a uint64
		_ pad.Line
		b uint64
		_ pad.Line
	}
	return pair(func() { bounce(&w.a, &w.b, n, true) }, func() { bounce(&w.b, &w.a, n, false) })
}

// stream is what two cores can do at best: events through 256 KiB of memory, made known
// 32 at a time.
func stream[T any]() *cell {
	q := rival[T]{impl: "stream"}
	return native(q.id(id{Shape: "LIMIT", Batch: batch}), 2, batch, func(n uint64) (time.Duration, int64, error) {
		s := newStreamed[T]()
		var sum uint64
		took, disturbed := pair(func() { s.produce(n) }, func() { sum = s.consume(n) })
		return took, disturbed, wrongSum(n, sum)
	})
}

// streamed is a queue of one producer and one consumer with nothing but two positions.
//
// Invariant: head <= tail <= head + len(events); the producer writes at tail and beyond,
// the consumer reads from head to tail.
type streamed[T any] struct {
	events []T
	_      pad.Line
	tail   atom.Uint64 // the producer stores it after the events, the consumer loads it before them
	_      pad.Line
	head   atom.Uint64 // the consumer stores it when he has read, the producer loads it before he writes
	_      pad.Line
}

func newStreamed[T any]() *streamed[T] {
	q := rival[T]{}
	return &streamed[T]{events: make([]T, 256<<10/q.id(id{}).Event)}
}

func (s *streamed[T]) produce(n uint64) {
	var w waiter
	size := uint64(len(s.events))
	head := uint64(0)
	for t := uint64(0); t < n; {
		for ; t+batch-head > size; head = s.head.Load() {
			w.wait()
		}
		for i := range s.events[t%size:][:batch] {
			*number(&s.events[t%size+uint64(i)]) = t + uint64(i) + 1
		}
		t += batch
		s.tail.Store(t)
	}
}

func (s *streamed[T]) consume(n uint64) (sum uint64) {
	var w waiter
	size := uint64(len(s.events))
	for h := uint64(0); h < n; {
		t := s.tail.Load()
		if t == h {
			w.wait()
			continue
		}
		for ; h < t; h += batch {
			for i := range s.events[h%size:][:batch] {
				sum += *number(&s.events[h%size+uint64(i)])
			}
		}
		s.head.Store(h)
	}
	return sum
}
