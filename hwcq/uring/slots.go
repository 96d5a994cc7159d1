//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// slot is what the ring remembers of a request until its last completion.
type slot struct {
	// userData is what the completions must carry: generation<<32 | index. Of a free
	// slot it is generation<<32 | noSlot, which no completion of it can carry.
	userData uint64
	wrid     uint64
	pin      runtime.Pinner
	group    *Buffers // where the kernel takes buffers from
	qpNum    uint32
	opcode   uint16 // WC.Opcode
	op       Op
	pinned   bool
}

const (
	noSlot = 1<<32 - 1

	generations = messageBit>>32 - 1 // mask
)

// slots is the table of the requests in flight: a ring of free slots goes from the
// consumer of completions to the submitters.
//
// Invariants: taken <= returned <= taken+len(table); the len(free) entries from taken
// to returned, masked, are the free slots, each once; the others are in flight.
// len(table) == len(free) is a power of two.
//
// Concurrency: take and putBack by the submitter that holds Ring.mu; match, free and
// the busy bit by the consumer that holds the busy bit.
// Progress: everything is wait-free.
type slots struct {
	table []slot   // a slot belongs to the submitter while it is free, to the consumer after
	free  []uint32 // of the consumer beyond returned, of the submitter up to it
	_     pad.Line // read-mostly block ends
	taken uint64   // owner: the submitter
	seen  uint64   // owner: the submitter; returned, as it last saw it
	_     pad.Line // submitter block ends

	// state is returned<<1 | busyBit. Writers: the consumer. Readers: submitters,
	// Stats, who wants to consume.
	state atom.Uint64
	next  uint64 // owner: the consumer; returned, before it is published
	_     pad.Line
}

// busyBit: somebody consumes.
const busyBit = 1

func (s *slots) init(depth int) {
	s.table, s.free = make([]slot, depth), make([]uint32, depth)
	for i := range s.free {
		s.free[i] = uint32(i)
		s.table[i].userData = noSlot
	}
	s.seen, s.next = uint64(depth), uint64(depth)
	s.state.Store(s.next << 1)
}

// lock makes the caller the consumer, if there is none.
func (s *slots) lock() bool {
	// Acquire: the previous consumer's writes; pairs with the Store in unlock.
	v := s.state.Load()
	return v&busyBit == 0 && s.state.CompareAndSwap(v, v|busyBit)
}

// unlock ends what lock began, and gives the slots that were freed to the submitters.
func (s *slots) unlock() {
	// Release: slots and entries of free before returned; pairs with the Loads in
	// available and lock.
	s.state.Store(s.next << 1)
}

// available is how many slots can be taken, want being enough.
func (s *slots) available(want int) int {
	n := int(s.seen - s.taken)
	if n < want {
		s.seen = s.state.Load() >> 1 // acquire; pairs with unlock
		n = int(s.seen - s.taken)
	}
	return n
}

// take puts a request into a free slot, of which available has said that there is
// one, and returns its user_data.
func (s *slots) take(q *Request) uint64 {
	i := s.free[s.taken&uint64(len(s.free)-1)]
	t := &s.table[i]
	s.taken++
	u := (t.userData>>32+1)&generations<<32 | uint64(i)
	t.userData, t.wrid, t.qpNum = u, q.WRID, q.QPNum
	t.op, t.opcode = q.sqe.opcode, uint16(q.sqe.opcode.Opcode())
	if t.group != q.group { // seldom: it costs a write barrier
		t.group = q.group
	}
	return u
}

// hold keeps the memory of q in place until the request, whose user_data is u, is done.
func (s *slots) hold(u uint64, q *Request) {
	t := &s.table[uint32(u)]
	t.pin.Pin(q.buf)
	t.pinned = true
}

// putBack frees the n slots that were taken last: the kernel has not seen them.
func (s *slots) putBack(n int) {
	for range n {
		s.taken--
		s.release(&s.table[s.free[s.taken&uint64(len(s.free)-1)]])
	}
}

// find returns the user_data of a request in flight with this WRID, or one that is
// nobody's. For a submitter; there must be no consumer that holds on for long.
func (s *slots) find(wrid uint64) uint64 {
	for !s.lock() {
		runtime.Gosched()
	}
	defer s.unlock()
	for i := range s.table {
		t := &s.table[i]
		// A cancellation never means itself, nor another one.
		if t.wrid == wrid && uint32(t.userData) == uint32(i) && t.op != OpAsyncCancel {
			return t.userData
		}
	}
	return noSlot
}

// match returns the slot whose request a completion belongs to, nil if none.
func (s *slots) match(u uint64) *slot {
	if i := uint32(u); int(i) < len(s.table) {
		if t := &s.table[i]; t.userData == u {
			return t
		}
	}
	return nil
}

// done frees a slot, at its request's last completion. unlock hands it on.
func (s *slots) done(t *slot) {
	s.free[s.next&uint64(len(s.free)-1)] = uint32(t.userData)
	s.next++
	s.release(t)
}

func (s *slots) release(t *slot) {
	t.userData |= noSlot
	if t.pinned {
		t.pin.Unpin()
		t.pinned = false
	}
}

// inFlight is how many requests are in flight; for the submitter.
func (s *slots) inFlight() int {
	return len(s.table) - int(s.state.Load()>>1-s.taken)
}

// busy is how many requests are in flight; for the consumer, while nothing is taken.
func (s *slots) busy() int { return len(s.table) - int(s.next-s.taken) }

// releaseAll forgets the requests in flight: the kernel is done.
func (s *slots) releaseAll() {
	for i := range s.table {
		s.release(&s.table[i])
	}
}
