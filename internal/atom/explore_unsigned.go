//go:build explore

package atom

import (
	"sync/atomic"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// Uint32 is an atomic uint32.
type Uint32 struct{ v atomic.Uint32 }

// Load returns the value.
func (x *Uint32) Load() uint32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpLoad)
	v := x.v.Load()
	if p {
		explore.Done(uint64(v), uint64(v), true)
	}
	return v
}

// Store sets the value.
func (x *Uint32) Store(v uint32) {
	if !explore.Point(unsafe.Pointer(x), explore.OpStore) {
		x.v.Store(v)
		return
	}
	explore.Done(uint64(x.v.Swap(v)), uint64(v), true)
}

// Swap sets the value and returns the old one.
func (x *Uint32) Swap(v uint32) uint32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpSwap)
	old := x.v.Swap(v)
	if p {
		explore.Done(uint64(old), uint64(v), true)
	}
	return old
}

// CompareAndSwap sets the value to v if it is old.
func (x *Uint32) CompareAndSwap(old, v uint32) bool {
	p := explore.Point(unsafe.Pointer(x), explore.OpCAS)
	ok := x.v.CompareAndSwap(old, v)
	if p {
		if !ok {
			old = x.v.Load()
			v = old
		}
		explore.Done(uint64(old), uint64(v), ok)
	}
	return ok
}

// Add adds d and returns the sum.
func (x *Uint32) Add(d uint32) uint32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAdd)
	v := x.v.Add(d)
	if p {
		explore.Done(uint64(v-d), uint64(v), true)
	}
	return v
}

// And keeps the bits of mask and returns the old value.
func (x *Uint32) And(mask uint32) uint32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAnd)
	old := x.v.And(mask)
	if p {
		explore.Done(uint64(old), uint64(old&mask), true)
	}
	return old
}

// Or sets the bits of mask and returns the old value.
func (x *Uint32) Or(mask uint32) uint32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpOr)
	old := x.v.Or(mask)
	if p {
		explore.Done(uint64(old), uint64(old|mask), true)
	}
	return old
}

// Uint64 is an atomic uint64.
type Uint64 struct{ v atomic.Uint64 }

// Load returns the value.
func (x *Uint64) Load() uint64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpLoad)
	v := x.v.Load()
	if p {
		explore.Done(v, v, true)
	}
	return v
}

// Store sets the value.
func (x *Uint64) Store(v uint64) {
	if !explore.Point(unsafe.Pointer(x), explore.OpStore) {
		x.v.Store(v)
		return
	}
	explore.Done(x.v.Swap(v), v, true)
}

// Swap sets the value and returns the old one.
func (x *Uint64) Swap(v uint64) uint64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpSwap)
	old := x.v.Swap(v)
	if p {
		explore.Done(old, v, true)
	}
	return old
}

// CompareAndSwap sets the value to v if it is old.
func (x *Uint64) CompareAndSwap(old, v uint64) bool {
	p := explore.Point(unsafe.Pointer(x), explore.OpCAS)
	ok := x.v.CompareAndSwap(old, v)
	if p {
		if !ok {
			old = x.v.Load()
			v = old
		}
		explore.Done(old, v, ok)
	}
	return ok
}

// Add adds d and returns the sum.
func (x *Uint64) Add(d uint64) uint64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAdd)
	v := x.v.Add(d)
	if p {
		explore.Done(v-d, v, true)
	}
	return v
}

// And keeps the bits of mask and returns the old value.
func (x *Uint64) And(mask uint64) uint64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAnd)
	old := x.v.And(mask)
	if p {
		explore.Done(old, old&mask, true)
	}
	return old
}

// Or sets the bits of mask and returns the old value.
func (x *Uint64) Or(mask uint64) uint64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpOr)
	old := x.v.Or(mask)
	if p {
		explore.Done(old, old|mask, true)
	}
	return old
}
