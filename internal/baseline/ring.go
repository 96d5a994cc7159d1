package baseline

import "sync"

// MutexRing is a bounded ring under a mutex, with batches: what a lock-free one is
// measured against.
type MutexRing[T any] struct {
	mu         sync.Mutex
	slots      []T
	mask       uint64
	head, tail uint64
}

// NewMutexRing returns one of size places, a power of two.
func NewMutexRing[T any](size int) *MutexRing[T] {
	return &MutexRing[T]{slots: make([]T, size), mask: uint64(size) - 1}
}

// Push appends *v, or answers false: it is full.
func (r *MutexRing[T]) Push(v *T) bool {
	r.mu.Lock()
	ok := r.tail-r.head <= r.mask
	if ok {
		r.slots[r.tail&r.mask] = *v
		r.tail++
	}
	r.mu.Unlock()
	return ok
}

// Pop moves the oldest event to *v, or answers false: there is none.
func (r *MutexRing[T]) Pop(v *T) bool {
	r.mu.Lock()
	ok := r.tail != r.head
	if ok {
		*v = r.slots[r.head&r.mask]
		r.head++
	}
	r.mu.Unlock()
	return ok
}

// PushN appends all of vs, or none, and answers whether it did.
func (r *MutexRing[T]) PushN(vs []T) bool {
	r.mu.Lock()
	ok := r.tail+uint64(len(vs))-r.head <= r.mask+1
	if ok {
		n := copy(r.slots[r.tail&r.mask:], vs)
		copy(r.slots, vs[n:])
		r.tail += uint64(len(vs))
	}
	r.mu.Unlock()
	return ok
}

// PopN moves up to len(dst) events to dst and answers how many.
func (r *MutexRing[T]) PopN(dst []T) int {
	r.mu.Lock()
	k := min(uint64(len(dst)), r.tail-r.head)
	n := copy(dst[:k], r.slots[r.head&r.mask:])
	copy(dst[n:k], r.slots)
	r.head += k
	r.mu.Unlock()
	return int(k)
}
