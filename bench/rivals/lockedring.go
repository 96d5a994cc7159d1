package main

import "sync"

// lockedRing is the baseline: a ring under a mutex, with batches.
type lockedRing[T any] struct {
	mu         sync.Mutex
	slots      []T
	mask       uint64
	head, tail uint64
}

func newLockedRing[T any](size int) *lockedRing[T] {
	return &lockedRing[T]{slots: make([]T, size), mask: uint64(size) - 1}
}

func (r *lockedRing[T]) push(v *T) bool {
	r.mu.Lock()
	ok := r.tail-r.head <= r.mask
	if ok {
		r.slots[r.tail&r.mask] = *v
		r.tail++
	}
	r.mu.Unlock()
	return ok
}

func (r *lockedRing[T]) pop(v *T) bool {
	r.mu.Lock()
	ok := r.tail != r.head
	if ok {
		*v = r.slots[r.head&r.mask]
		r.head++
	}
	r.mu.Unlock()
	return ok
}

func (r *lockedRing[T]) pushN(vs []T) bool {
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

func (r *lockedRing[T]) popN(dst []T) int {
	r.mu.Lock()
	k := min(uint64(len(dst)), r.tail-r.head)
	n := copy(dst[:k], r.slots[r.head&r.mask:])
	copy(dst[n:k], r.slots)
	r.head += k
	r.mu.Unlock()
	return int(k)
}
