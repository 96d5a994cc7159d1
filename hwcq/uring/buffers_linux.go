//go:build amd64 || arm64

package uring

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/mapped"
	"github.com/evdengine/evd/internal/param"
)

// Buffers is a group of buffers of equal size from which the kernel takes one when data
// arrives ([RecvBuffer], [RecvMulti]). The completion names it: with [FlagBuffer] set,
// WC.Imm is its id, [Buffers.Bytes] its contents, and it belongs to the receiver of the
// completion until [Buffers.Return]. A completion without data names none: the ring has
// returned it already.
//
// Invariants: each buffer is either the kernel's or a caller's (out is 1), never in the
// kernel's ring twice; a buffer becomes the caller's only by a completion, and the kernel's
// only by give.
//
// Concurrency: Bytes, Return and Group from any goroutine.
type Buffers struct {
	ring *Ring
	conf BuffersConfig
	id   uint16 // the group's number for the kernel
	data mapped.Pages

	// out says whose a buffer is. Writers: the ring's consumer stores 1, who gives
	// it back stores 0, under mu. The buffer's contents are handed over by the
	// completion and by the tail of avail.
	out []atom.Uint32

	mu     atom.Mutex
	avail  bufRing // what the kernel may take
	closed bool    // Close, or the ring's
}

// NewBuffers makes a group of buffers, all of them the kernel's at first
// (IORING_REGISTER_PBUF_RING, Linux 5.19). They are memory outside the Go heap, which
// lives until the ring is closed.
//
// A ring with an owner allows it before Bind, and on the owner's thread
// afterwards: elsewhere it returns hwcq.ErrWrongThread. Other errors:
// param.ErrInvalid, hwcq.ErrBusy if there is a group of this number, hwcq.ErrClosed,
// hwcq.ErrNotSupported, and hwcq.ErrUnavailable where memory or RLIMIT_MEMLOCK do not
// suffice.
func (r *Ring) NewBuffers(c BuffersConfig) (*Buffers, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closing():
		return nil, fmt.Errorf("uring: NewBuffers: %w", hwcq.ErrClosed)
	case r.groups[c.Group] != nil:
		return nil, fmt.Errorf("uring: NewBuffers: group %d exists: %w", c.Group, hwcq.ErrBusy)
	}
	id, err := r.freeGroup()
	if err != nil {
		return nil, err
	}
	b := &Buffers{ring: r, conf: c, id: id, out: make([]atom.Uint32, c.Count)}
	entries := powerOfTwo(c.Count)
	ring, err := mapped.Anon(uintptr(entries) * bufEntrySize)
	if err == nil {
		b.data, err = mapped.Anon(uintptr(c.Count) * uintptr(c.Size))
	}
	if err != nil {
		err = fmt.Errorf("uring: NewBuffers: %w: %d buffers of %d bytes: %w", hwcq.ErrUnavailable, c.Count, c.Size, err)
		return nil, errors.Join(err, ring.Unmap())
	}
	b.avail = newBufRing(ring, entries)
	for id := range c.Count {
		b.put(uint32(id))
	}
	b.avail.publish()
	reg := bufReg{addr: ring.Addr(), entries: uint32(entries), group: b.id}
	if e := sysRingRegister(r.fd, registerPbufRing, &reg, 1); e != 0 {
		return nil, errors.Join(r.buffersFailed("NewBuffers", e, ring.Size), ring.Unmap(), b.data.Unmap())
	}
	r.arena.keep(ring)
	r.arena.keep(b.data)
	if r.groups == nil {
		r.groups = make(map[uint16]*Buffers)
	}
	r.groups[c.Group] = b
	return b, nil
}

// closing tells whether Close has begun.
func (r *Ring) closing() bool { return r.state.Load()&stClosing != 0 }

// firstGroup is the least number that a group has for the kernel. Linux 6.1 keeps what it
// knows of lower ones (io_uring/kbuf.c: BGID_ARRAY) when they are unregistered: a new
// group of the number would begin where the old one was, and find no buffers.
const firstGroup = 64

// freeGroup is a number that no group has. Under the ring's lock.
func (r *Ring) freeGroup() (uint16, error) {
	used := make(map[uint16]bool, len(r.groups))
	for _, b := range r.groups {
		used[b.id] = true
	}
	for id := firstGroup; id <= math.MaxUint16; id++ {
		if !used[uint16(id)] {
			return uint16(id), nil
		}
	}
	return 0, fmt.Errorf("uring: NewBuffers: %w: the ring has %d groups of buffers", hwcq.ErrFull, len(used))
}

// Group is the number of the group.
func (b *Buffers) Group() uint16 { return b.conf.Group }

func (b *Buffers) kernelGroup() uint16 { return b.id }

// Bytes is the first n bytes of a buffer: n is the completion's ByteLen. It is nil if
// there is no buffer of this id, or it is shorter. Nobody may use the bytes after
// Return, or after the ring was closed, when touching them faults.
func (b *Buffers) Bytes(id uint32, n int) []byte {
	if uint64(id) >= uint64(b.conf.Count) || n < 0 || n > b.conf.Size {
		return nil
	}
	at := int(id) * b.conf.Size
	return b.data.Bytes()[at : at+n : at+b.conf.Size]
}

// Return gives buffers back to the kernel, by their ids; several at once are
// cheaper. It does not start a receive again that ended for want of buffers. Errors:
// param.ErrInvalid for an id that is no buffer of the group, or one that is
// not out (it was returned twice, or no completion has named it); those before it
// are returned. hwcq.ErrClosed after Close.
func (b *Buffers) Return(ids ...uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("uring: Return: %w", hwcq.ErrClosed)
	}
	var err error
	n := 0
	for ; n < len(ids) && err == nil; n++ {
		err = b.give(ids[n])
	}
	if n > 0 {
		b.avail.publish()
	}
	return err
}

// give puts a buffer that is out among those that the kernel may take.
func (b *Buffers) give(id uint32) error {
	switch {
	case uint64(id) >= uint64(b.conf.Count):
		return param.Invalid("uring: Return", "id", id, fmt.Sprintf("0..%d, a buffer of group %d", b.conf.Count-1, b.conf.Group))
	case b.out[id].Load() == 0:
		return param.Invalid("uring: Return", "id", id, "a buffer that a completion has named and that was not returned since")
	}
	// Before publish, after which the kernel may take it and the consumer store 1.
	b.out[id].Store(0)
	b.put(id)
	return nil
}

func (b *Buffers) put(id uint32) {
	b.avail.put(b.data.Addr()+uint64(id)*uint64(b.conf.Size), uint32(b.conf.Size), uint16(id))
}

// took takes note of a completion that names a buffer, and returns whether it has data
// for its receiver: a buffer without data, as errors and the end of a
// stream may have one, goes back at once. For the ring's consumer.
func (b *Buffers) took(id uint32, res int32) bool {
	if uint64(id) >= uint64(b.conf.Count) {
		return false
	}
	b.out[id].Store(1) // the kernel has taken it; pairs with the Load in give
	if res > 0 {
		return true
	}
	_ = b.Return(id) // fails if the group is closed, when nobody needs it
	return false
}

// check tells whether a request to r can use the group. Under the ring's lock.
func (b *Buffers) check(r *Ring) error {
	switch {
	case b.ring != r:
		return param.Invalid("uring: recv", "b", fmt.Sprintf("group %d of another ring", b.conf.Group), "of the ring that the request is submitted to")
	case r.groups[b.conf.Group] != b:
		return fmt.Errorf("group %d of buffers: %w", b.conf.Group, hwcq.ErrClosed)
	}
	return nil
}

// Close removes the group from the ring. Receives in flight that need another buffer
// fail with ENOBUFS. The memory stays until the ring is closed. Where it may be called,
// and the errors, are those of [Ring.NewBuffers]; after the ring's Close it does
// nothing, and again neither.
func (b *Buffers) Close() error {
	r := b.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups[b.conf.Group] != b {
		return nil
	}
	reg := bufReg{group: b.id}
	if e := sysRingRegister(r.fd, unregisterPbufRing, &reg, 1); e != 0 {
		return r.buffersFailed("Buffers.Close", e, 0)
	}
	b.retire()
	delete(r.groups, b.conf.Group)
	return nil
}

// retire keeps Return from the memory, which is about to go. Under the ring's lock.
func (b *Buffers) retire() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
}

// buffersFailed says why a group could not be registered or unregistered.
func (r *Ring) buffersFailed(op string, e unix.Errno, size uintptr) error {
	err := os.NewSyscallError("io_uring_register", e)
	switch {
	case e == unix.EEXIST && r.owned: // there is no such group, see the callers
		return fmt.Errorf("uring: %s: %w: the ring is bound to another one: %w", op, hwcq.ErrWrongThread, err)
	case e == unix.EINVAL:
		return fmt.Errorf("uring: %s: %w: this kernel has no %v (Linux %s): %w", op, hwcq.ErrNotSupported, FeatureBufferRings, FeatureBufferRings.Since(), err)
	case e == unix.ENOMEM:
		return fmt.Errorf("uring: %s: %w: %s: %w", op, hwcq.ErrUnavailable, system.memory(uint64(size)), err)
	}
	return fmt.Errorf("uring: %s: %w", op, err)
}
