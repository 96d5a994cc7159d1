package baseline

import "sync"

// MutexDirect is the strongest of the locked ones: a poster that finds nobody
// delivering, and the queue therefore empty, hands his event over without queueing it.
type MutexDirect[T any] struct {
	mu sync.Mutex
	run[T]
	one []T // owner: who set running; so that *v of Post does not escape
}

// NewMutexDirect is as [NewMutexQueue].
func NewMutexDirect[T any](capacity, batch int, fn func([]T)) *MutexDirect[T] {
	return &MutexDirect[T]{run: newRun(capacity, batch, fn), one: make([]T, 1)}
}

// Post delivers *v, or queues it. It answers false if the queue is full.
func (q *MutexDirect[T]) Post(v *T) bool {
	q.mu.Lock()
	if !q.running {
		q.running = true
		q.mu.Unlock()
		q.one[0] = *v
		q.fn(q.one)
		q.drain()
		return true
	}
	ok := q.tail-q.head < uint64(len(q.slots))
	if ok {
		q.slots[int(q.tail)&(len(q.slots)-1)] = *v
		q.tail++
	}
	q.mu.Unlock()
	return ok
}

// PostN delivers all of vs, in place, or queues as many as fit. It answers how
// many.
func (q *MutexDirect[T]) PostN(vs []T) int {
	q.mu.Lock()
	if !q.running {
		q.running = true
		q.mu.Unlock()
		for i := 0; i < len(vs); i += q.batch {
			q.fn(vs[i:min(i+q.batch, len(vs))])
		}
		q.drain()
		return len(vs)
	}
	n := q.put(vs)
	q.mu.Unlock()
	return n
}

// drain delivers what has come meanwhile.
func (q *MutexDirect[T]) drain() {
	q.mu.Lock()
	for {
		vs := q.next()
		if len(vs) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		q.fn(vs)
		q.mu.Lock()
		q.head += uint64(len(vs))
	}
}
