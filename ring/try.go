package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// The fast paths: one attempt at the common case, short enough that the compiler
// puts them into the caller. They say yes or "not so": false and nil tell nothing
// about the ring, and Push, Pop, Reserve and Ready have the whole answer. These
// begin with the same attempt, so there is nothing to gain by a Try in front of
// them but the call. A test holds the inliner to it.
//
// What makes one comparison enough for a producer: with t the ticket word, bits
// included, and f the credit, loaded after it,
//
//	t - f < size  (unsigned)
//
// is false for a full ring, as it should be; for a closed or sealed one, whose bit
// makes the difference at least 1<<62 because f never passes the ticket's position
// then; and for a ticket so old that f has passed it, where the difference wraps
// round. Where it is true, t was the tail of an open ring with room, unless it is
// old, and then the exchange says so: f only grows, so room stays room.

// TryPush appends *v and answers true, or does nothing and answers false: there is
// no room, the ring is closed, or another producer was faster.
func (r *MPSC[T]) TryPush(v *T) bool {
	t := r.tail.Load()                                              // [P1]
	if t-r.freed.Load() < r.size && r.tail.CompareAndSwap(t, t+1) { // [P2] [P3]
		if atom.Exploring {
			atom.PlainWrite(unsafe.Pointer(&r.slots[t&r.mask]))
		}
		r.slots[t&r.mask] = *v
		r.seq[t&r.mask].Store(t + 1) // [P4]
		return true
	}
	return false
}

// TryReserve takes n slots, 1..Cap, or none: false as in TryPush, or because n
// never fits. The Claim that comes with false owns no slot.
func (r *MPSC[T]) TryReserve(n int) (Claim, bool) {
	t := r.tail.Load() // [P1]
	return Claim{t, uint64(n)}, uint64(n-1) < r.capacity &&
		t+uint64(n)-r.freed.Load() <= r.size && r.tail.CompareAndSwap(t, t+uint64(n)) // [P2] [P3]
}

// TryPop moves the next event to *v and answers true, or does nothing and answers
// false: nothing is committed, or the event is one of a longer run. Consumer.
func (r *MPSC[T]) TryPop(v *T) bool {
	h := r.head
	// [C1] A run of one begins at head. It does not matter whether it was known
	// before: in the middle of a run the word is of an older lap.
	if r.seq[h&r.mask].Load() != h+1 {
		return false
	}
	if atom.Exploring {
		atom.PlainRead(unsafe.Pointer(&r.slots[h&r.mask]))
		atom.PlainWrite(unsafe.Pointer(&r.head))
	}
	*v = r.slots[h&r.mask]
	r.head = h + 1
	if h-r.credited >= r.slack {
		r.credited = h + 1
		r.freed.Store(h + 1) // [C3]
	}
	return true
}

// TryPeek returns the next event in place, to be read and changed until
// Advance(1), or nil: as false of TryPop. Consumer.
func (r *MPSC[T]) TryPeek() *T {
	h := r.head
	if r.seq[h&r.mask].Load() != h+1 { // [C1]
		return nil
	}
	if atom.Exploring {
		atom.PlainWrite(unsafe.Pointer(&r.lent))
		atom.PlainRead(unsafe.Pointer(&r.slots[h&r.mask]))
	}
	r.lent = h + 1
	return &r.slots[h&r.mask]
}

// In returns the ring that producers begin at, for its Try methods, which the compiler
// puts into the caller then: c.In().TryPush(v). It may be sealed at any time, and they
// answer false from then on. The chain's own methods know how to go on; those of the
// ring that are no Try must not be called, but for Slot, Slots, Commit and CommitRelease
// of a claim.
func (c *Chain[T]) In() *MPSC[T] { return c.in.Load() } // [Z1]

// Out returns the ring that is being emptied, for its Try methods, as In, and Advance
// after TryPeek. Consumer.
func (c *Chain[T]) Out() *MPSC[T] { return c.out.Load() }

// TryPush is [MPSC.TryPush], of the newest ring.
func (c *Chain[T]) TryPush(v *T) bool { return c.in.Load().TryPush(v) } // [Z1]

// TryPop is [MPSC.TryPop], of the ring that is being emptied. Consumer.
func (c *Chain[T]) TryPop(v *T) bool { return c.out.Load().TryPop(v) }
