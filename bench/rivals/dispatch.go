package main

import (
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/baseline"
	"github.com/evdengine/evd/internal/spin"
)

// dispatcher hands posted events to an upcall that adds up their numbers. Each
// implementation has loops of its own, for the reason that the kernels have.
//
// Concurrency: post and burst from any number of goroutines, the others after them.
type dispatcher interface {
	post(first, end uint64)  // events first..end-1, one at a time
	burst(first, end uint64) // the same 32 at a time
	delivered(n uint64)      // waits until n events have been handed to the upcall
	total() (uint64, error)  // the end; the sum of the numbers that came
}

// adder is the upcall of all. Upcalls are one at a time.
type adder struct{ sum uint64 }

func (a *adder) add(evs []engine.Event) {
	for i := range evs {
		a.sum += evs[i].WRID
	}
}

// Who posts delivers: nothing is left to wait for.
func (a *adder) delivered(uint64)       {}
func (a *adder) total() (uint64, error) { return a.sum, nil }

func numbered(evs []engine.Event, first uint64) {
	for i := range evs {
		evs[i] = engine.Event{WRID: first + uint64(i)}
	}
}

// bare calls the upcall, and nothing else.
type bare struct {
	adder
	fn func([]engine.Event)
}

func newBare() *bare {
	b := new(bare)
	b.fn = b.add
	return b
}

func (b *bare) post(i, end uint64) {
	evs := make([]engine.Event, 1)
	for ; i < end; i++ {
		numbered(evs, i)
		b.fn(evs)
	}
}

func (b *bare) burst(i, end uint64) {
	evs := make([]engine.Event, batch)
	for ; i < end; i += batch {
		numbered(evs, i)
		b.fn(evs)
	}
}

type mutexQueue struct {
	adder
	q *baseline.MutexQueue[engine.Event]
}

func newMutexQueue() *mutexQueue {
	m := new(mutexQueue)
	m.q = baseline.NewMutexQueue(slots, batch, m.add)
	return m
}

func (m *mutexQueue) post(i, end uint64) {
	for ; i < end; i++ {
		ev := engine.Event{WRID: i}
		for !m.q.Post(&ev) {
			spin.Pause()
		}
	}
}

func (m *mutexQueue) burst(i, end uint64) {
	evs := make([]engine.Event, batch)
	for ; i < end; i += batch {
		numbered(evs, i)
		for n := m.q.PostN(evs); n < batch; n += m.q.PostN(evs[n:]) {
			spin.Pause()
		}
	}
}

type mutexDirect struct {
	adder
	q *baseline.MutexDirect[engine.Event]
}

func newMutexDirect() *mutexDirect {
	m := new(mutexDirect)
	m.q = baseline.NewMutexDirect(slots, batch, m.add)
	return m
}

func (m *mutexDirect) post(i, end uint64) {
	for ; i < end; i++ {
		ev := engine.Event{WRID: i}
		for !m.q.Post(&ev) {
			spin.Pause()
		}
	}
}

func (m *mutexDirect) burst(i, end uint64) {
	evs := make([]engine.Event, batch)
	for ; i < end; i += batch {
		numbered(evs, i)
		for n := m.q.PostN(evs); n < batch; n += m.q.PostN(evs[n:]) {
			spin.Pause()
		}
	}
}

type spinQueue struct {
	adder
	q *baseline.SpinFlagQueue[engine.Event]
}

func newSpinQueue() *spinQueue {
	m := new(spinQueue)
	m.q = baseline.NewSpinFlagQueue(slots, batch, m.add)
	return m
}

func (m *spinQueue) post(i, end uint64) {
	for ; i < end; i++ {
		ev := engine.Event{WRID: i}
		for !m.q.Post(&ev) {
			spin.Pause()
		}
	}
}

func (m *spinQueue) burst(i, end uint64) {
	evs := make([]engine.Event, batch)
	for ; i < end; i += batch {
		numbered(evs, i)
		for n := m.q.PostN(evs); n < batch; n += m.q.PostN(evs[n:]) {
			spin.Pause()
		}
	}
}
