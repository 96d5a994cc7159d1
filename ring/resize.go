package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// Resize makes the chain hold at least n events, 1..MaxCapacity, from now on.
// It may be called at any time, also while the chain is full, empty, pushed to
// and popped from. Nothing that was accepted is lost or reordered, and nobody
// waits.
//
// Answers: OK; Closed; and, from a larger chain to a smaller one only, Full if more
// than n are held (see Held), besides included, which is what the caller keeps
// elsewhere and wants room for: held says how many. With the last two nothing
// changes. So it is if n is the capacity already, and the answer OK. The error
// is about a bad n, nothing else.
//
// Until what was in the chain before is consumed, the chain holds that on top of
// n. The memory of a ring is given back when it has been emptied. Rings that are
// empty do not pile up: the chain has no more of them than two beside those
// that hold something, however often it is resized.
//
// What makes it safe is the order: the new ring is linked, then the old one is
// sealed, by a compare-and-swap from a word that says where the new one begins,
// that not too much is held, and that the chain is not closed.
func (c *Chain[T]) Resize(n, besides int) (held int, st Status, err error) {
	if n < 1 || n > MaxCapacity {
		return 0, OK, param.Invalid("ring: Resize", "n", n, "1..1073741824")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.in.Load() // under mu it is the last one
	if old.Cap() == n {
		if old.tail.Load()&closedBit != 0 {
			return 0, Closed, nil
		}
		return 0, OK, nil
	}
	if st, held := c.fits(n, besides, old.tail.Load()); st != OK {
		return held, st, nil // before memory is taken for it
	}
	r, err := New[T](n)
	if err != nil {
		return 0, OK, err
	}
	old.next.Store(r) // [Z2] before the seal: pairs with the loads behind one
	for {
		t := old.tail.Load()
		if st, held := c.fits(n, besides, t); st != OK {
			old.next.Store(nil) // nobody has followed it
			return held, st, nil
		}
		r.begin(t)
		// [Z5] The seal. Gives no ticket after it, says that the chain was open,
		// and publishes the new ring, with where it begins, to all who meet the
		// bit; pairs with [P1], [Z3], [Z4] and [Z6].
		if old.tail.CompareAndSwap(t, t|sealedBit) {
			break
		}
	}
	c.in.Store(r) // [Z1] publishes the ring to producers who never met the seal
	c.unlink(r)
	return 0, OK, nil
}

// fits says whether a chain whose last tail is t may be made n large.
func (c *Chain[T]) fits(n, besides int, t uint64) (Status, int) {
	if t&closedBit != 0 {
		return Closed, 0
	}
	// The credit may be younger than t, never more than it if t is still the
	// tail; if it is not, the seal fails.
	held := max(0, int(int64(t-c.out.Load().freed.Load()))) + besides
	if n < c.Cap() && held > n {
		return Full, held
	}
	return OK, held
}

// begin puts a ring that nobody can reach yet at position t.
func (r *MPSC[T]) begin(t uint64) {
	atom.PlainWrite(unsafe.Pointer(&r.head))
	r.head, r.runEnd, r.lent, r.credited = t, t, t, t
	r.freed.Store(t)
	r.tail.Store(t)
}

// unlink takes empty rings out of the middle of the chain. They are sealed, so
// they stay empty, and their own next stays: whoever has such a ring in his
// hands, a producer who was slow or the consumer, still gets on. under mu.
func (c *Chain[T]) unlink(end *MPSC[T]) {
	// [Z7] The consumer may be ahead of this load, and reads either link: the
	// empty ring or the one behind it. Rings between out and the end have not
	// been consumed from, or the consumer is beyond p, and nothing of what is
	// done here concerns him.
	for p := c.out.Load(); p != end; {
		r := p.next.Load()
		if r != end && r.Held() == 0 {
			p.next.Store(r.next.Load())
		} else {
			p = r
		}
	}
}
