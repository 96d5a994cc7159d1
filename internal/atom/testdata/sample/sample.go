// Package sample is compiled by the test of the generated code, once as it is
// and once with the standard packages in place of package atom. It imports
// atom and nothing else that has atomics, and calls every method.
package sample

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// Ring is a bounded multi-producer queue, the typical user of the package.
type Ring struct {
	slots [64]struct {
		seq atom.Uint64
		v   uint64
	}
	enq, deq atom.Uint64
}

// Push adds a value.
func (r *Ring) Push(v uint64) bool {
	for {
		pos := r.enq.Load()
		s := &r.slots[pos%64]
		switch seq := s.seq.Load(); {
		case seq == pos:
			if r.enq.CompareAndSwap(pos, pos+1) {
				atom.PlainWrite(unsafe.Pointer(&s.v))
				s.v = v
				s.seq.Store(pos + 1)
				return true
			}
		case seq < pos:
			return false
		}
	}
}

// Pop takes a value.
func (r *Ring) Pop() (v uint64, ok bool) {
	pos := r.deq.Load()
	if atom.Exploring && pos > 1000 {
		return 0, false
	}
	s := &r.slots[pos%64]
	if s.seq.Load() != pos+1 {
		return 0, false
	}
	atom.PlainRead(unsafe.Pointer(&s.v))
	v = s.v
	s.seq.Store(pos + 64)
	r.deq.Store(pos + 1)
	return v, true
}

// All has one of each.
type All struct {
	b   atom.Bool
	i32 atom.Int32
	i64 atom.Int64
	u32 atom.Uint32
	u64 atom.Uint64
	p   atom.Pointer[All]
	mu  atom.Mutex
	n   int
}

// Bools calls the methods of Bool.
func (a *All) Bools(v bool) bool {
	a.b.Store(v)
	return a.b.Load() && a.b.Swap(v) && a.b.CompareAndSwap(v, !v)
}

// Int32s calls the methods of Int32.
func (a *All) Int32s(v int32) int32 {
	a.i32.Store(v)
	if a.i32.CompareAndSwap(v, v+1) {
		return a.i32.And(v) + a.i32.Or(v)
	}
	return a.i32.Load() + a.i32.Swap(v) + a.i32.Add(v)
}

// Int64s calls the methods of Int64.
func (a *All) Int64s(v int64) int64 {
	a.i64.Store(v)
	if a.i64.CompareAndSwap(v, v+1) {
		return a.i64.And(v) + a.i64.Or(v)
	}
	return a.i64.Load() + a.i64.Swap(v) + a.i64.Add(v)
}

// Uint32s calls the methods of Uint32.
func (a *All) Uint32s(v uint32) uint32 {
	a.u32.Store(v)
	if a.u32.CompareAndSwap(v, v+1) {
		return a.u32.And(v) + a.u32.Or(v)
	}
	return a.u32.Load() + a.u32.Swap(v) + a.u32.Add(v)
}

// Uint64s calls the methods of Uint64.
func (a *All) Uint64s(v uint64) uint64 {
	a.u64.Store(v)
	if a.u64.CompareAndSwap(v, v+1) {
		return a.u64.And(v) + a.u64.Or(v)
	}
	return a.u64.Load() + a.u64.Swap(v) + a.u64.Add(v)
}

// Pointers calls the methods of Pointer.
func (a *All) Pointers(v *All) *All {
	a.p.Store(v)
	if a.p.CompareAndSwap(v, nil) {
		return a.p.Swap(v)
	}
	return a.p.Load()
}

// Locks calls the methods of Mutex.
func (a *All) Locks() bool {
	a.mu.Lock()
	a.n++
	a.mu.Unlock()
	if !a.mu.TryLock() {
		return false
	}
	a.mu.Unlock()
	return true
}
