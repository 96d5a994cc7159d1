//go:build explore

package atom

import (
	"sync/atomic"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// Int32 is an atomic int32.
type Int32 struct{ v atomic.Int32 }

// Load returns the value.
func (x *Int32) Load() int32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpLoad|explore.AsSigned)
	v := x.v.Load()
	if p {
		explore.Done(uint64(int64(v)), uint64(int64(v)), true)
	}
	return v
}

// Store sets the value.
func (x *Int32) Store(v int32) {
	if !explore.Point(unsafe.Pointer(x), explore.OpStore|explore.AsSigned) {
		x.v.Store(v)
		return
	}
	explore.Done(uint64(int64(x.v.Swap(v))), uint64(int64(v)), true)
}

// Swap sets the value and returns the old one.
func (x *Int32) Swap(v int32) int32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpSwap|explore.AsSigned)
	old := x.v.Swap(v)
	if p {
		explore.Done(uint64(int64(old)), uint64(int64(v)), true)
	}
	return old
}

// CompareAndSwap sets the value to v if it is old.
func (x *Int32) CompareAndSwap(old, v int32) bool {
	p := explore.Point(unsafe.Pointer(x), explore.OpCAS|explore.AsSigned)
	ok := x.v.CompareAndSwap(old, v)
	if p {
		if !ok {
			old = x.v.Load()
			v = old
		}
		explore.Done(uint64(int64(old)), uint64(int64(v)), ok)
	}
	return ok
}

// Add adds d and returns the sum.
func (x *Int32) Add(d int32) int32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAdd|explore.AsSigned)
	v := x.v.Add(d)
	if p {
		explore.Done(uint64(int64(v-d)), uint64(int64(v)), true)
	}
	return v
}

// And keeps the bits of mask and returns the old value.
func (x *Int32) And(mask int32) int32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAnd|explore.AsSigned)
	old := x.v.And(mask)
	if p {
		explore.Done(uint64(int64(old)), uint64(int64(old&mask)), true)
	}
	return old
}

// Or sets the bits of mask and returns the old value.
func (x *Int32) Or(mask int32) int32 {
	p := explore.Point(unsafe.Pointer(x), explore.OpOr|explore.AsSigned)
	old := x.v.Or(mask)
	if p {
		explore.Done(uint64(int64(old)), uint64(int64(old|mask)), true)
	}
	return old
}

// Int64 is an atomic int64.
type Int64 struct{ v atomic.Int64 }

// Load returns the value.
func (x *Int64) Load() int64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpLoad|explore.AsSigned)
	v := x.v.Load()
	if p {
		explore.Done(uint64(v), uint64(v), true)
	}
	return v
}

// Store sets the value.
func (x *Int64) Store(v int64) {
	if !explore.Point(unsafe.Pointer(x), explore.OpStore|explore.AsSigned) {
		x.v.Store(v)
		return
	}
	explore.Done(uint64(x.v.Swap(v)), uint64(v), true)
}

// Swap sets the value and returns the old one.
func (x *Int64) Swap(v int64) int64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpSwap|explore.AsSigned)
	old := x.v.Swap(v)
	if p {
		explore.Done(uint64(old), uint64(v), true)
	}
	return old
}

// CompareAndSwap sets the value to v if it is old.
func (x *Int64) CompareAndSwap(old, v int64) bool {
	p := explore.Point(unsafe.Pointer(x), explore.OpCAS|explore.AsSigned)
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
func (x *Int64) Add(d int64) int64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAdd|explore.AsSigned)
	v := x.v.Add(d)
	if p {
		explore.Done(uint64(v-d), uint64(v), true)
	}
	return v
}

// And keeps the bits of mask and returns the old value.
func (x *Int64) And(mask int64) int64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpAnd|explore.AsSigned)
	old := x.v.And(mask)
	if p {
		explore.Done(uint64(old), uint64(old&mask), true)
	}
	return old
}

// Or sets the bits of mask and returns the old value.
func (x *Int64) Or(mask int64) int64 {
	p := explore.Point(unsafe.Pointer(x), explore.OpOr|explore.AsSigned)
	old := x.v.Or(mask)
	if p {
		explore.Done(uint64(old), uint64(old|mask), true)
	}
	return old
}
