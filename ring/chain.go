package ring

import (
	"github.com/evdengine/evd/internal/atom"
)

// Chain is an [MPSC] that can be resized while it is in use, by anybody: a
// chain of rings, of which the newest takes what is pushed. The consumer
// empties them one after the other, so nothing is copied, lost or reordered.
// T must be free of pointers, as in MPSC.
//
// Invariants:
//
//	Every ring but the last is sealed: no ticket of it is given out any more,
//	and its next is the ring that follows. The last one is not sealed.
//	Positions go on from ring to ring: one begins where the one before it was
//	sealed. So the tail of the last one counts all that was ever accepted, and
//	the credit of the first one all that was ever consumed and returned.
//	A ring that is not out has never been consumed from.
//	The consumer leaves a ring when it is sealed and empty, nothing in flight:
//	that is final.
//	in leads by next to the last ring; so does out, and whatever ring was in or
//	out at any time.
//	The chain is closed exactly if its last ring is. (A closed bit that came to
//	a ring behind its seal means nothing: Close goes on.)
//
// Concurrency: as MPSC. Resize from any goroutine.
// Progress: as MPSC. A producer that meets a seal goes on at the next ring, as
// often as somebody resizes meanwhile; Resize takes a mutex, and nobody else
// waits for it.
// Ownership: as MPSC, ring by ring.
// Zero value: not usable; use NewChain or Init. Must not be copied.
type Chain[T any] struct {
	// All of it is written only when the chain is resized, and in and out are read
	// by everybody all the time: let it lie among fields that seldom change.

	// in is where producers begin.
	// Writer: Resize, under mu. Readers: producers, Close, Cap.
	in atom.Pointer[MPSC[T]]
	// out is the ring that is being emptied.
	// Writer: consumer. Readers: the same, observers, Resize.
	out atom.Pointer[MPSC[T]]

	mu atom.Mutex // serialises Resize
}

// NewChain returns a chain that holds at least capacity events,
// 1..MaxCapacity.
func NewChain[T any](capacity int) (*Chain[T], error) {
	c := &Chain[T]{}
	if err := c.Init(capacity); err != nil {
		return nil, err
	}
	return c, nil
}

// Init makes a zero chain usable, in its place: as [NewChain].
func (c *Chain[T]) Init(capacity int) error {
	r, err := New[T](capacity)
	if err != nil {
		return err
	}
	c.in.Store(r)
	c.out.Store(r)
	return nil
}

// Cap returns how many events the chain holds at least: what the last Resize
// has asked for.
func (c *Chain[T]) Cap() int { return c.in.Load().Cap() }

// ChainClaim is a run of reserved slots of a chain, all in one ring. The rules
// are those of [Claim].
type ChainClaim[T any] struct {
	ring  *MPSC[T]
	claim Claim
}

// Len returns the number of slots in the claim.
func (l ChainClaim[T]) Len() int { return l.claim.Len() }

// Reserve is [MPSC.Reserve].
func (c *Chain[T]) Reserve(n int) (ChainClaim[T], Status) {
	// [Z1] acquire: the ring as Resize has made it; pairs with the store in
	// Resize. It may be old, then the seal says so.
	r := c.in.Load()
	for {
		k, st := r.Reserve(n)
		if st != sealed {
			return ChainClaim[T]{r, k}, st
		}
		r = r.next.Load() // [Z2] it was linked before the seal
	}
}

// ReserveUpTo is [MPSC.ReserveUpTo]: never more than one ring has room for.
func (c *Chain[T]) ReserveUpTo(n int) (ChainClaim[T], Status) {
	r := c.in.Load() // [Z1]
	for {
		k, st := r.ReserveUpTo(n)
		if st != sealed {
			return ChainClaim[T]{r, k}, st
		}
		r = r.next.Load() // [Z2]
	}
}

// Slot is [MPSC.Slot].
func (c *Chain[T]) Slot(l ChainClaim[T], i int) *T { return l.ring.Slot(l.claim, i) }

// Commit is [MPSC.Commit]. It goes to the ring that the claim is of, sealed or
// not.
func (c *Chain[T]) Commit(l ChainClaim[T]) { l.ring.Commit(l.claim) }

// Push appends *v.
func (c *Chain[T]) Push(v *T) Status {
	r := c.in.Load() // [Z1]
	if r.TryPush(v) {
		return OK
	}
	for {
		if st := r.Push(v); st != sealed {
			return st
		}
		r = r.next.Load() // [Z2]
	}
}

// PushN is [MPSC.PushN]: all in one ring, or none.
func (c *Chain[T]) PushN(vs []T) Status {
	r := c.in.Load() // [Z1]
	for {
		if st := r.PushN(vs); st != sealed {
			return st
		}
		r = r.next.Load() // [Z2]
	}
}

// Close is [MPSC.Close], beside Resize too: the chain is closed from one moment
// on.
func (c *Chain[T]) Close() {
	r := c.in.Load()
	// [Z3] One exchange says whether the bit came to the last ring, where it
	// closes the chain, or behind a seal, where it means nothing; pairs with
	// [Z5], which seals no closed ring.
	for r.tail.Or(closedBit)&sealedBit != 0 {
		r = r.next.Load()
	}
}

// last returns the tail of the last ring, bits included, from r on.
func last[T any](r *MPSC[T]) uint64 {
	for {
		// [Z4] One load says that the ring is the last one and how far it has
		// come.
		t := r.tail.Load()
		if t&sealedBit == 0 {
			return t
		}
		r = r.next.Load()
	}
}

// Accepted returns how many slots were ever reserved, in flight ones included.
// After Close it does not change any more.
func (c *Chain[T]) Accepted() uint64 { return last(c.in.Load()) & posMask }

// Idle is [MPSC.Idle]: at one instant during the call every event accepted so
// far had been consumed and its credit returned, over all rings.
//
// That instant is the load of the last tail. Positions are one count over all
// rings: the credit of the ring that was out is at most what the consumer had
// consumed then, and that at most the tail of the ring that was the last one
// then. So where the two are equal nothing lay between, in whatever ring. A
// ring that is linked and not yet reached by a seal is empty: nobody can push to
// it before.
func (c *Chain[T]) Idle() bool {
	r := c.out.Load()
	f := r.freed.Load() // [P6] the credit first
	return f == last(r)&posMask
}

// Held is [MPSC.Held], over all rings: never less than what the consumer has yet
// to get while he does nothing.
func (c *Chain[T]) Held() int {
	r := c.out.Load()
	f := r.freed.Load() // [P6] the credit first: never negative
	return int(last(r)&posMask - f)
}
