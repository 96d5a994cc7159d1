//go:build linux && (amd64 || arm64)

package uring

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/evdengine/evd/internal/mapped"
	"github.com/evdengine/evd/internal/param"
)

// arena is the memory outside the Go heap that lives as long as the ring.
// Invariant: pages is sorted by address. The ring's mutex guards it.
type arena struct{ pages []mapped.Pages }

func byAddress(p mapped.Pages, addr uint64) int { return cmp.Compare(p.Addr(), addr) }

// add makes size bytes of zeroed memory.
func (a *arena) add(size int) (mapped.Pages, error) {
	p, err := mapped.Anon(uintptr(size))
	if err == nil {
		a.keep(p)
	}
	return p, err
}

// keep makes pages part of the arena.
func (a *arena) keep(p mapped.Pages) {
	i, _ := slices.BinarySearchFunc(a.pages, p.Addr(), byAddress)
	a.pages = slices.Insert(a.pages, i, p)
}

// has tells whether addr lies in the arena.
func (a *arena) has(addr uint64) bool {
	// The first that begins after addr; a loop without calls, for the hot path.
	lo, hi := 0, len(a.pages)
	for lo < hi {
		if mid := (lo + hi) / 2; a.pages[mid].Addr() > addr {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo > 0 && addr-a.pages[lo-1].Addr() < uint64(a.pages[lo-1].Size)
}

// release gives the memory back.
func (a *arena) release() error {
	var errs []error
	for i := range a.pages {
		errs = append(errs, a.pages[i].Unmap())
	}
	a.pages = nil
	return errors.Join(errs...)
}

// maxAlloc bounds one Alloc: nobody has a buffer of a terabyte.
const maxAlloc = 1 << 40

// Alloc returns n bytes of zeroed memory outside the Go heap, at the start of a page
// (so that direct I/O takes it). Requests that use it, or parts of it, cost no
// pinning. It is the ring's and is gone with its Close: touching it afterwards
// faults. n is 1..2^40; each call rounds up to pages, so take much at once. Any
// goroutine may call it.
func (r *Ring) Alloc(n int) ([]byte, error) {
	if n < 1 || n > maxAlloc {
		return nil, param.Invalid("uring: Alloc", "n", n, fmt.Sprintf("1..%d", maxAlloc))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load()&stClosing != 0 {
		return nil, errAllocClosed
	}
	p, err := r.arena.add(n)
	if err != nil {
		return nil, fmt.Errorf("uring: alloc of %d bytes: %w", n, err)
	}
	return p.Bytes()[:n:n], nil
}
