package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// A worker that sleeps is woken once, however many runs are queued before he has
// come round; and where none sleeps nobody is woken.
func TestRunQueueOneWake(t *testing.T) {
	q := &runq{parked: 2}
	q.cond = atom.NewCond(&q.mu)
	for range 5 {
		q.push(&machine{})
	}
	_, _, _, wakes := q.counters()
	require.EqualValues(t, 2, wakes)
	require.Zero(t, q.parked)
	for range 5 {
		require.NotNil(t, q.pop())
	}
	q.push(&machine{})
	_, _, pops, wakes := q.counters()
	require.EqualValues(t, 2, wakes)
	require.EqualValues(t, 5, pops)
}

// Of any number of posts to one EVD whose run is queued one wakes a worker.
func TestPostsOneWake(t *testing.T) {
	e, err := newEngine(Config{Workers: 1}, func(string, string, func()) {}) // nobody runs
	require.NoError(t, err)
	e.rq.parked = 1
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, d.Post(Event{}))
	}
	require.EqualValues(t, 1, e.Stats().Wakes)
	require.Equal(t, 1, e.Stats().Queued)
	e.rq.parked = 1 // another one
	for range 100 {
		require.NoError(t, d.Post(Event{}))
	}
	require.EqualValues(t, 1, e.Stats().Wakes, "the run is queued still")
}
