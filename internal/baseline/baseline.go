// Package baseline has the dispatchers that one would write without package
// engine: a lock, a flag and a queue. They are what its posts are measured
// against, so they are as good as they can be made: the queue is a fixed ring,
// upcalls get runs of it in place, nothing is allocated, fields that posters
// write lie together, the spinlock waits with PAUSE, and a batch takes the lock
// once.
//
// All of them hand every event over once, in the order in which they took it
// under the lock, to one upcall at a time. What they lack, and the engine has, is
// everything else: policies, waiting, CQs, closing, budgets, contained panics.
//
// Concurrency: Post and PostN from any goroutine, also from inside the upcall.
// Progress: blocking.
package baseline

// run is a queue of events and the flag that somebody delivers them. The lock
// is the user's.
//
// Invariant: slots [head, tail) hold the events that are queued, those that an upcall
// has now included.
type run[T any] struct {
	head, tail uint64
	running    bool
	slots      []T
	batch      int
	fn         func([]T)
}

// newRun returns a run for capacity events, a power of two, 1 or more.
func newRun[T any](capacity, batch int, fn func([]T)) run[T] {
	if capacity < 1 || capacity&(capacity-1) != 0 || batch < 1 {
		panic("baseline: capacity is no power of two, or batch < 1")
	}
	return run[T]{slots: make([]T, capacity), batch: batch, fn: fn}
}

// put queues as many of vs as fit.
func (r *run[T]) put(vs []T) int {
	n := min(len(vs), len(r.slots)-int(r.tail-r.head))
	at := int(r.tail) & (len(r.slots) - 1)
	k := copy(r.slots[at:], vs[:n])
	copy(r.slots, vs[k:n])
	r.tail += uint64(n)
	return n
}

// next returns the oldest events, in place. Empty: there are none.
func (r *run[T]) next() []T {
	at := int(r.head) & (len(r.slots) - 1)
	n := min(int(r.tail-r.head), r.batch, len(r.slots)-at)
	return r.slots[at : at+n]
}
