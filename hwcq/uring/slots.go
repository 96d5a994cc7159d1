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
	// slot it is generation<<32 | noSlot, which no completion of it can carry, and
	// which is one less than the next generation's.
	userData uint64
	wrid     uint64
	qpNum    uint32
	opcode   uint16 // WC.Opcode
	op       Op
	holds    bool // its entry of slots.held says something
}

const noSlot = 1<<32 - 1

// held is what a request holds on to.
type held struct {
	pin    runtime.Pinner // its memory, if that is Go's
	group  *Buffers       // where the kernel takes buffers from
	pinned bool
}

// slots is the table of the requests in flight. The consumer of completions gives slots
// back through a ring; the submitter moves them from there to a stack, so that those are
// used again whose memory was touched last.
//
// Invariants: the free slots are the first top entries of stack and the entries of ring
// from seen to returned, masked, each once; the others are in flight: taken minus
// returned plus len(table) of them. The lengths are the same power of two.
//
// Concurrency: available, take and putBack by the submitter that holds Ring.mu; match,
// done and the busy bit by the consumer that holds the busy bit.
// Progress: everything is wait-free.
type slots struct {
	table []slot   // a slot belongs to the submitter while it is free, to the consumer after
	held  []held   // as table
	ring  []uint32 // of the consumer beyond returned, of the submitter up to it
	stack []uint32 // owner: the submitter
	_     pad.Line // read-mostly block ends
	taken uint64   // owner: the submitter
	seen  uint64   // owner: the submitter; returned, as it last saw it
	top   int      // owner: the submitter
	_     pad.Line // submitter block ends

	// state is returned<<shift | scanBit | busyBit. Writers: the consumer. Readers:
	// submitters, Stats, who wants to consume.
	state atom.Uint64
	next  uint64 // owner: the consumer; returned, before it is published
	_     pad.Line
}

const (
	busyBit = 1 << iota // somebody consumes
	scanBit             // it is find, and over in a moment
	shift   = iota
)

func (s *slots) init(depth int) {
	s.table, s.held = make([]slot, depth), make([]held, depth)
	s.ring, s.stack = make([]uint32, depth), make([]uint32, depth)
	for i := range s.stack {
		s.stack[i] = uint32(depth - 1 - i)
		s.table[i].userData = noSlot
	}
	s.top, s.seen, s.next = depth, uint64(depth), uint64(depth)
	s.state.Store(s.next << shift)
}

// lock makes the caller the consumer, if there is none. It waits for a find: a Poll that
// came back from one with nothing would have its caller sleep over what is there.
func (s *slots) lock() bool { return s.lockAs(busyBit) }

func (s *slots) lockAs(bits uint64) bool {
	for {
		// Acquire: the previous consumer's writes; pairs with the Store in unlock.
		v := s.state.Load()
		switch {
		case v&scanBit != 0:
			runtime.Gosched()
		case v&busyBit != 0:
			return false
		case s.state.CompareAndSwap(v, v|bits):
			return true
		}
	}
}

// unlock ends what lock began, and gives the slots that were freed to the submitters.
func (s *slots) unlock() {
	// Release: slots and entries of ring before returned; pairs with the Loads in
	// available and lock.
	s.state.Store(s.next << shift)
}

// available is how many slots can be taken.
func (s *slots) available() int {
	// Acquire: the slots, and the entries of ring before returned; pairs with unlock.
	for returned := s.state.Load() >> shift; s.seen != returned; s.seen++ {
		s.stack[s.top] = s.ring[s.seen&uint64(len(s.ring)-1)]
		s.top++
	}
	return s.top
}

// take takes a free slot, of which available has said that there is one, for a request
// that is going to carry the slot's userData.
func (s *slots) take() *slot {
	s.top--
	i := s.stack[s.top]
	t := &s.table[i]
	t.userData = (t.userData+1)&^messageBit | uint64(i) // the next generation: see noSlot
	return t
}

// hold keeps the Go memory of q in place until the request of the slot is done.
func (s *slots) hold(t *slot, q *Request) {
	h := &s.held[uint32(t.userData)]
	h.pin.Pin(q.buf)
	h.pinned, t.holds = true, true
}

// join remembers the group that the request of the slot takes buffers from.
func (s *slots) join(t *slot, b *Buffers) {
	s.held[uint32(t.userData)].group = b
	t.holds = true
}

// group is what join remembered.
func (s *slots) group(t *slot) *Buffers { return s.held[uint32(t.userData)].group }

// putBack frees the n slots that were taken last: the kernel has not seen them.
func (s *slots) putBack(n int) {
	for range n {
		s.release(&s.table[s.stack[s.top]])
		s.top++
	}
}

// find returns the user_data of a request in flight with this WRID, or one that is
// nobody's. For a submitter; there must be no consumer that holds on for long.
func (s *slots) find(wrid uint64) uint64 {
	for !s.lockAs(busyBit | scanBit) {
		runtime.Gosched()
	}
	defer s.unlock()
	for i := range s.table {
		// No OpAsyncCancel: the one that asks has often the same WRID.
		if t := &s.table[i]; t.wrid == wrid && uint32(t.userData) == uint32(i) && t.op != OpAsyncCancel {
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

// done frees a slot that holds nothing, at its request's last completion. unlock hands
// it on. Small enough to be inlined.
func (s *slots) done(t *slot) {
	s.ring[s.next&uint64(len(s.ring)-1)] = uint32(t.userData)
	s.next++
	t.userData |= noSlot
}

// release ends the use of a slot.
func (s *slots) release(t *slot) {
	if t.holds {
		s.drop(t)
	}
	t.userData |= noSlot
}

func (s *slots) drop(t *slot) {
	h := &s.held[uint32(t.userData)]
	if h.pinned {
		h.pin.Unpin()
	}
	h.group, h.pinned, t.holds = nil, false, false
}

// inFlight is how many requests are in flight; for the submitter.
func (s *slots) inFlight() int { return len(s.table) - int(s.state.Load()>>shift-s.taken) }

// busy is how many requests are in flight; for the consumer, while nothing is taken.
func (s *slots) busy() int { return len(s.table) - int(s.next-s.taken) }

// releaseAll forgets the requests in flight: the kernel is done.
func (s *slots) releaseAll() {
	for i := range s.table {
		s.release(&s.table[i])
	}
}
