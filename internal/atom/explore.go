//go:build explore

package atom

import (
	"sync/atomic"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// Exploring tells whether this build is instrumented.
const Exploring = true

// PlainRead declares a read of the plain memory at p to the race check of the
// explorer.
func PlainRead(p unsafe.Pointer) { explore.Read(p) }

// PlainWrite declares a write of the plain memory at p.
func PlainWrite(p unsafe.Pointer) { explore.Write(p) }

// Bool is an atomic bool.
type Bool struct{ v atomic.Bool }

func b64(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Load returns the value.
func (b *Bool) Load() bool {
	p := explore.Point(unsafe.Pointer(b), explore.OpLoad|explore.AsBool)
	v := b.v.Load()
	if p {
		explore.Done(b64(v), b64(v), true)
	}
	return v
}

// Store sets the value.
func (b *Bool) Store(v bool) {
	if !explore.Point(unsafe.Pointer(b), explore.OpStore|explore.AsBool) {
		b.v.Store(v)
		return
	}
	explore.Done(b64(b.v.Swap(v)), b64(v), true)
}

// Swap sets the value and returns the old one.
func (b *Bool) Swap(v bool) bool {
	p := explore.Point(unsafe.Pointer(b), explore.OpSwap|explore.AsBool)
	old := b.v.Swap(v)
	if p {
		explore.Done(b64(old), b64(v), true)
	}
	return old
}

// CompareAndSwap sets the value to v if it is old.
func (b *Bool) CompareAndSwap(old, v bool) bool {
	p := explore.Point(unsafe.Pointer(b), explore.OpCAS|explore.AsBool)
	ok := b.v.CompareAndSwap(old, v)
	if p {
		now := b64(v)
		if !ok {
			now = b64(b.v.Load())
			old = now != 0
		}
		explore.Done(b64(old), now, ok)
	}
	return ok
}

// Pointer is an atomic *T.
type Pointer[T any] struct{ v atomic.Pointer[T] }

func p64[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// Load returns the value.
func (x *Pointer[T]) Load() *T {
	p := explore.Point(unsafe.Pointer(x), explore.OpLoad|explore.AsPointer)
	v := x.v.Load()
	if p {
		explore.Done(p64(v), p64(v), true)
	}
	return v
}

// Store sets the value.
func (x *Pointer[T]) Store(v *T) {
	if !explore.Point(unsafe.Pointer(x), explore.OpStore|explore.AsPointer) {
		x.v.Store(v)
		return
	}
	explore.Done(p64(x.v.Swap(v)), p64(v), true)
}

// Swap sets the value and returns the old one.
func (x *Pointer[T]) Swap(v *T) *T {
	p := explore.Point(unsafe.Pointer(x), explore.OpSwap|explore.AsPointer)
	old := x.v.Swap(v)
	if p {
		explore.Done(p64(old), p64(v), true)
	}
	return old
}

// CompareAndSwap sets the value to v if it is old.
func (x *Pointer[T]) CompareAndSwap(old, v *T) bool {
	p := explore.Point(unsafe.Pointer(x), explore.OpCAS|explore.AsPointer)
	ok := x.v.CompareAndSwap(old, v)
	if p {
		if !ok {
			old = x.v.Load()
			v = old
		}
		explore.Done(p64(old), p64(v), ok)
	}
	return ok
}
