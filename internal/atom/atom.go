//go:build !explore

// Package atom is the only place of the ring, engine and mock CQ that imports
// sync/atomic. In normal builds its types are aliases of the standard ones
// and its hooks are empty, at no cost. Under the build tag explore the same
// names are instrumented types that let package explore run the real code
// through every interleaving.
package atom

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// The typed atomics. Go's atomics are sequentially consistent.
type (
	Bool   = atomic.Bool
	Int32  = atomic.Int32
	Int64  = atomic.Int64
	Uint32 = atomic.Uint32
	Uint64 = atomic.Uint64
)

// Pointer is an atomic *T.
type Pointer[T any] = atomic.Pointer[T]

// Mutex is a sync.Mutex, and Cond a sync.Cond. For cold paths.
type (
	Mutex = sync.Mutex
	Cond  = sync.Cond
)

// NewCond returns a Cond that uses m.
func NewCond(m *Mutex) *Cond { return sync.NewCond(m) }

// Exploring tells whether this build is instrumented.
const Exploring = false

// PlainRead declares a read of the plain memory at p to the race check of the
// explorer. Free in normal builds.
func PlainRead(p unsafe.Pointer) { _ = p }

// PlainWrite declares a write of the plain memory at p.
func PlainWrite(p unsafe.Pointer) { _ = p }

// Spin is called in every turn of a loop that only another goroutine can end.
// A loop that gives up after some turns must not turn at all when Exploring.
//
// Its prologue is where the garbage collector can stop the goroutine. Inlined, it
// left a poller that spins without such a place: whoever collects then waits for a
// signal that comes at the right instruction, and a P with him: three times as long on
// a quiet machine, and seconds were seen on a busy one.
//
//go:noinline
func Spin() { runtime.Gosched() }

// Go starts fn as a goroutine. Under the explorer it is a thread, named name,
// that need not end.
func Go(name string, fn func()) {
	_ = name
	go fn()
}

// mention is never called. The inline bodies of the methods of an alias of
// another package's type are only in reach of the compiler when that package
// is; without this function every Load in a package that imports atom alone
// would be a real call (go1.26).
func mention() {
	var (
		b   atomic.Bool
		i32 atomic.Int32
		i64 atomic.Int64
		u32 atomic.Uint32
		u64 atomic.Uint64
		p   atomic.Pointer[byte]
	)
	b.Store(b.Load() || b.Swap(true) || b.CompareAndSwap(false, true))
	i32.Store(i32.Load() + i32.Swap(1) + i32.Add(1) + i32.And(1) + i32.Or(1))
	i32.CompareAndSwap(0, 1)
	i64.Store(i64.Load() + i64.Swap(1) + i64.Add(1) + i64.And(1) + i64.Or(1))
	i64.CompareAndSwap(0, 1)
	u32.Store(u32.Load() + u32.Swap(1) + u32.Add(1) + u32.And(1) + u32.Or(1))
	u32.CompareAndSwap(0, 1)
	u64.Store(u64.Load() + u64.Swap(1) + u64.Add(1) + u64.And(1) + u64.Or(1))
	u64.CompareAndSwap(0, 1)
	p.Store(p.Load())
	p.Swap(nil)
	p.CompareAndSwap(nil, nil)
	var m sync.Mutex
	if m.TryLock() {
		m.Unlock()
	}
	m.Lock()
	b.Store(false)
	m.Unlock()
}

var _ = mention
