//go:build linux && (amd64 || arm64)

package uring

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/mapped"
)

// rings is a view of the memory that an io_uring shares with the kernel.
//
// Invariants: sqMask+1 and cqMask+1 are powers of two; every word and every entry
// up to the masks lies wholly inside the mappings. All indices run free and are
// masked on use.
//
// Who writes what: we write sqTail, cqHead and cqFlags, the kernel the rest, with
// smp_store_release and smp_load_acquire (io_uring/io_uring.h); neither the race
// detector nor the Go scheduler knows of it.
type rings struct {
	sqHead, sqTail, sqFlags         *atom.Uint32
	cqHead, cqTail, cqFlags, cqLost *atom.Uint32

	sqes, cqes     unsafe.Pointer
	sqMask, cqMask uint32
}

const (
	sqeSize = unsafe.Sizeof(sqe{})
	cqeSize = unsafe.Sizeof(cqe{})
)

// ringSize is how many bytes the rings (without the SQEs) need by the kernel's answer.
func ringSize(p *params) uintptr {
	array := uintptr(0)
	if p.flags&setupNoSQArray == 0 {
		array = uintptr(p.sqOff.array) + 4*uintptr(p.sqEntries)
	}
	return max(array, uintptr(p.cqOff.cqes)+cqeSize*uintptr(p.cqEntries))
}

// newRings checks what the kernel said about the two mappings, and what it wrote
// into them.
func newRings(p *params, ring, sqes mapped.Pages) (rings, error) {
	var bad error
	word := func(name string, off uint32) *atom.Uint32 {
		if off%4 != 0 || uintptr(off)+4 > ring.Size {
			bad = fmt.Errorf("%w: the %s at byte %d of %d", ErrCorrupt, name, off, ring.Size)
			return nil
		}
		return (*atom.Uint32)(unsafe.Add(ring.Base, off))
	}
	size := func(name string, entries uint32, off uint32, limit uint32) uint32 {
		if bits.OnesCount32(entries) != 1 || entries > limit {
			bad = fmt.Errorf("%w: a %s of %d entries, want a power of two up to %d", ErrCorrupt, name, entries, limit)
			return 0
		}
		if w := word(name+" mask", off); w != nil && w.Load() != entries-1 {
			bad = fmt.Errorf("%w: the mask of a %s of %d entries is %#x", ErrCorrupt, name, entries, w.Load())
		}
		return entries - 1
	}
	r := rings{
		sqHead: word("SQ head", p.sqOff.head), sqTail: word("SQ tail", p.sqOff.tail), sqFlags: word("SQ flags", p.sqOff.flags),
		cqHead: word("CQ head", p.cqOff.head), cqTail: word("CQ tail", p.cqOff.tail), cqFlags: word("CQ flags", p.cqOff.flags),
		cqLost: word("CQ overflow counter", p.cqOff.overflow),
		sqMask: size("submission queue", p.sqEntries, p.sqOff.mask, MaxEntries),
		cqMask: size("completion queue", p.cqEntries, p.cqOff.mask, MaxDepth),
	}
	switch {
	case bad != nil:
	case p.cqOff.cqes%16 != 0 || ringSize(p) > ring.Size || p.sqOff.array%4 != 0:
		bad = fmt.Errorf("%w: rings of %d bytes in %d", ErrCorrupt, ringSize(p), ring.Size)
	case sqeSize*uintptr(p.sqEntries) > sqes.Size:
		bad = fmt.Errorf("%w: %d submission queue entries in %d bytes", ErrCorrupt, p.sqEntries, sqes.Size)
	}
	if bad != nil {
		return rings{}, bad
	}
	r.sqes, r.cqes = sqes.Base, unsafe.Add(ring.Base, p.cqOff.cqes)
	if p.flags&setupNoSQArray == 0 {
		array := unsafe.Slice((*uint32)(unsafe.Add(ring.Base, p.sqOff.array)), p.sqEntries)
		for i := range array { // entry i is always at place i
			array[i] = uint32(i)
		}
	}
	return r, nil
}

// sqe returns the submission queue entry of index i.
func (r *rings) sqe(i uint32) *sqe {
	return (*sqe)(unsafe.Add(r.sqes, uintptr(i&r.sqMask)*sqeSize))
}

// cqe returns the completion queue entry of index i. The kernel may write to it, so
// each field is to be read once.
func (r *rings) cqe(i uint32) *cqe {
	return (*cqe)(unsafe.Add(r.cqes, uintptr(i&r.cqMask)*cqeSize))
}
