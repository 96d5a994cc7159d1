package baseline

import "sync"

// MutexQueue is a mutex, a flag and a queue: who finds nobody delivering does it
// until the queue is empty. An event costs two pairs of lock and unlock.
type MutexQueue[T any] struct {
	mu sync.Mutex
	run[T]
}

// NewMutexQueue returns one with room for capacity events, a power of two, whose
// upcall fn gets at most batch of them. fn may use its argument until it returns.
func NewMutexQueue[T any](capacity, batch int, fn func([]T)) *MutexQueue[T] {
	return &MutexQueue[T]{run: newRun(capacity, batch, fn)}
}

// Post queues *v, and delivers. It answers false if the queue is full.
func (q *MutexQueue[T]) Post(v *T) bool {
	q.mu.Lock()
	if q.tail-q.head == uint64(len(q.slots)) {
		q.mu.Unlock()
		return false
	}
	q.slots[int(q.tail)&(len(q.slots)-1)] = *v
	q.tail++
	q.deliver()
	return true
}

// PostN queues as many of vs as fit, and delivers. It answers how many.
func (q *MutexQueue[T]) PostN(vs []T) int {
	q.mu.Lock()
	n := q.put(vs)
	q.deliver()
	return n
}

// deliver is entered with the lock and leaves without.
func (q *MutexQueue[T]) deliver() {
	if q.running {
		q.mu.Unlock()
		return
	}
	q.running = true
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
