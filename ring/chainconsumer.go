package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// The consumer's side of a chain is that of the ring it is at, and the step from
// one to the next. Whether there is a next one costs a load of a word that hardly
// ever changes, and no more as long as there is none.

// ends says why nothing is next in the ring, after a look that found nothing,
// and whether that is final: sealed and empty.
func (r *MPSC[T]) ends() (st State, final bool) {
	// [Z6] Both from one load: a ring that was empty, and is sealed a moment
	// later, may have got something in between. acquire: the next ring as Resize
	// has made it; pairs with [Z5].
	t := r.tail.Load()
	atom.PlainRead(unsafe.Pointer(&r.head))
	if t&posMask != r.head {
		return InFlight, false
	}
	r.credit()
	return Empty, t&sealedBit != 0
}

// follow goes on to the next ring if this one will never have anything again.
// Otherwise it answers nil, and why.
func (c *Chain[T]) follow(r *MPSC[T]) (n *MPSC[T], st State) {
	st, final := r.ends()
	if !final {
		return nil, st
	}
	n = r.next.Load() // [Z2]
	// [Z7] release: all credit of r is returned before n is out; pairs with the
	// loads of observers and of unlink.
	c.out.Store(n)
	return n, st
}

// Look is [MPSC.Look]: Empty means that the whole chain was empty, at one
// instant, and nobody had reserved a slot. Consumer.
func (c *Chain[T]) Look() State {
	r := c.out.Load()
	for {
		// Whoever pushed to a ring behind r has found it linked. So where the
		// second load finds none, Empty was true of the chain at the look.
		st := r.Look()
		if st != Empty || r.next.Load() == nil { // [Z2]
			return st
		}
		n, st := c.follow(r)
		if n == nil {
			return st
		}
		r = n
	}
}

// Pop is [MPSC.Pop]. Consumer.
func (c *Chain[T]) Pop(v *T) State {
	r := c.out.Load()
	if r.TryPop(v) {
		return Event
	}
	for {
		st := r.Pop(v)
		if st != Empty || r.next.Load() == nil { // [Z2] as in Look
			return st
		}
		n, st := c.follow(r)
		if n == nil {
			return st
		}
		r = n
	}
}

// PopN is [MPSC.PopN], over as many rings as it takes. Consumer.
func (c *Chain[T]) PopN(dst []T) int {
	r := c.out.Load()
	n := r.PopN(dst)
	for n < len(dst) && r.next.Load() != nil { // [Z2] as in Look
		if r, _ = c.follow(r); r == nil {
			break
		}
		n += r.PopN(dst[n:])
	}
	return n
}

// Ready is [MPSC.Ready]: where a ring ends, the next Ready has the rest.
// Consumer.
func (c *Chain[T]) Ready(limit int) []T {
	r := c.out.Load()
	s := r.Ready(limit)
	for len(s) == 0 && limit > 0 && r.next.Load() != nil { // [Z2]
		if r, _ = c.follow(r); r == nil {
			break
		}
		s = r.Ready(limit)
	}
	return s
}

// Advance is [MPSC.Advance], of what the last Ready returned. Consumer.
func (c *Chain[T]) Advance(n int) { c.out.Load().Advance(n) }

// Return is [MPSC.Return]. Consumer.
func (c *Chain[T]) Return() { c.out.Load().Return() }

// Len is [MPSC.Len], over all rings. Consumer.
func (c *Chain[T]) Len() int {
	r := c.out.Load()
	atom.PlainRead(unsafe.Pointer(&r.head))
	return int(last(r)&posMask - r.head)
}

// Committed is [MPSC.Committed], over all rings. Consumer.
func (c *Chain[T]) Committed(limit int) int {
	r := c.out.Load()
	n := r.Committed(limit)
	for n < limit && r.next.Load() != nil { // [Z2]
		if t := r.tail.Load(); t&sealedBit == 0 || t&posMask != r.runEnd { // [Z6]
			break
		}
		r = r.next.Load()
		n += r.Committed(limit - n)
	}
	return n
}
