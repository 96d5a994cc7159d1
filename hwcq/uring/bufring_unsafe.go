//go:build linux && (amd64 || arm64)

package uring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/mapped"
)

// bufEntry is struct io_uring_buf, 16 bytes. The last two bytes of the first entry of a
// ring are the ring's tail.
type bufEntry struct {
	addr uint64
	len  uint32
	id   uint16
	tail uint16
}

// bufReg is struct io_uring_buf_reg, 40 bytes.
type bufReg struct {
	addr    uint64
	entries uint32
	group   uint16
	_       uint16 // flags
	_       [3]uint64
}

// bufRing is a ring of buffers that the kernel may take: struct io_uring_buf_ring. The
// kernel takes at its own head, which it does not show.
//
// Invariant: no more than mask+1 entries are between that head and tail, so an entry that
// the kernel may still read is not written. The owner of the bufRing sees to it.
//
// Concurrency: one goroutine at a time.
type bufRing struct {
	base  unsafe.Pointer
	mask  uint16
	tail  uint16 // published up to the last publish
	first uint16 // the id in entry 0
}

const bufEntrySize = unsafe.Sizeof(bufEntry{})

// newBufRing is an empty ring of entries, a power of two, in zeroed pages.
func newBufRing(p mapped.Pages, entries int) bufRing {
	return bufRing{base: p.Base, mask: uint16(entries - 1)}
}

// put writes a buffer behind the last one, for the next publish.
func (r *bufRing) put(addr uint64, size uint32, id uint16) {
	i := r.tail & r.mask
	e := (*bufEntry)(unsafe.Add(r.base, uintptr(i)*bufEntrySize))
	e.addr, e.len = addr, size
	if i == 0 {
		r.first = id // beside the tail: publish writes it
	} else {
		e.id = id
	}
	r.tail++
}

// publish gives the kernel what was put.
func (r *bufRing) publish() {
	// There is no atomic of 16 bits, so the tail is stored together with its neighbour,
	// the id of entry 0, which is ours as well. (Little endian.)
	word := (*atom.Uint32)(unsafe.Add(r.base, unsafe.Offsetof(bufEntry{}.id)))
	// Release: the entries before tail; pairs with the kernel's smp_load_acquire of
	// the tail in io_ring_buffer_select.
	word.Store(uint32(r.tail)<<16 | uint32(r.first))
}
