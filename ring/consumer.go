package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// Look tells what is next. When it answers Empty it has returned all credit,
// as [MPSC.Return] does. Consumer.
func (r *MPSC[T]) Look() State {
	if r.published() {
		return Event
	}
	return r.none()
}

// none says why nothing is next, after published answered false. It does not
// look at seq again: a caller that got Event from here would have nothing in
// his hands.
func (r *MPSC[T]) none() State {
	// [C4] Publishes nothing and needs no payload. Empty is true at the moment
	// of this load. InFlight was true at one between the load of seq and this
	// one, and perhaps is no more. After Close the word cannot grow, which
	// makes Empty final.
	if r.tail.Load()&posMask != r.head {
		return InFlight
	}
	r.credit()
	return Empty
}

// Len returns how many events are accepted and not consumed, in flight
// included. Consumer.
func (r *MPSC[T]) Len() int {
	atom.PlainRead(unsafe.Pointer(&r.head))
	return int(r.tail.Load()&posMask - r.head) // a snapshot, orders nothing
}

// Committed returns how many committed events are next, counted up to limit:
// so many can be had without waiting for a producer. Consumer.
func (r *MPSC[T]) Committed(limit int) int {
	atom.PlainRead(unsafe.Pointer(&r.head))
	r.runEnd = max(r.runEnd, r.head)
	for int64(r.runEnd-r.head) < int64(limit) {
		// [C1] as in published; the run's length says where the next one starts.
		e := r.seq[r.runEnd&r.mask].Load()
		if e <= r.runEnd {
			break
		}
		r.runEnd = e
	}
	return max(0, min(limit, int(r.runEnd-r.head)))
}

// published reports whether position head is committed, following the chain
// of runs by one.
func (r *MPSC[T]) published() bool {
	atom.PlainRead(unsafe.Pointer(&r.head))
	if r.head < r.runEnd {
		return true // its payload was acquired with the run it belongs to
	}
	// [C1] acquire: makes the whole run's payload visible; pairs with [P4] and [P7].
	if e := r.seq[r.head&r.mask].Load(); e > r.head {
		r.runEnd = e
		return true
	}
	return false
}

// Ready returns the committed events that lie in one piece, oldest first, at
// most limit of them, and leaves them in the ring: they may be read and changed
// in place until Advance. nil means limit < 1 or nothing is committed (Look
// tells why). Where the end of the ring cuts, the next Ready has the rest.
// Consumer.
func (r *MPSC[T]) Ready(limit int) []T {
	if limit < 1 || !r.published() {
		r.lent = r.head
		return nil
	}
	i := r.head & r.mask
	most := min(uint64(limit), r.size-i)
	for r.runEnd-r.head < most {
		// [C2] acquire, as [C1], of the run behind. runEnd < head+size, so the
		// word belongs to this lap or an older one, never to the next.
		e := r.seq[r.runEnd&r.mask].Load()
		if e <= r.runEnd {
			break
		}
		r.runEnd = e
	}
	n := min(most, r.runEnd-r.head)
	r.lent = r.head + n
	s := r.slots[i : i+n : i+n]
	if atom.Exploring { // a constant: nothing is left of it in normal builds
		for j := range s {
			atom.PlainRead(unsafe.Pointer(&s[j]))
		}
	}
	return s
}

// Advance consumes the first n events of the last Ready: their slots go back
// to the producers, at once or up to the slack later. n beyond what that Ready
// returned, less what was consumed since, is cut; n < 1 does nothing. Consumer.
func (r *MPSC[T]) Advance(n int) {
	if n < 1 || r.lent <= r.head {
		return
	}
	atom.PlainWrite(unsafe.Pointer(&r.head))
	r.head += min(uint64(n), r.lent-r.head)
	r.settle()
}

// Return gives the credit of everything consumed back to the producers now,
// so that Idle is exact until the next event. Consumer.
func (r *MPSC[T]) Return() { r.credit() }

// settle returns the credit if more of it than the slack is due, so that
// producers always find room for Cap events less those not consumed.
func (r *MPSC[T]) settle() {
	if r.head-r.credited > r.slack {
		r.credit()
	}
}

// credit returns the consumed slots to the producers.
func (r *MPSC[T]) credit() {
	atom.PlainRead(unsafe.Pointer(&r.head))
	if r.credited != r.head {
		r.credited = r.head
		// [C3] release: the consumer has read the slots below head, and their
		// seq words; pairs with [P2].
		r.freed.Store(r.head)
	}
}

// Pop moves the next event to *v and answers Event, or says why there is none
// and leaves *v alone. Consumer.
func (r *MPSC[T]) Pop(v *T) State {
	if r.TryPop(v) {
		return Event
	}
	if !r.published() {
		return r.none()
	}
	p := &r.slots[r.head&r.mask]
	atom.PlainRead(unsafe.Pointer(p))
	*v = *p
	atom.PlainWrite(unsafe.Pointer(&r.head))
	r.head++
	r.settle()
	return Event
}

// PopN moves up to len(dst) committed events into dst and returns how many.
// 0 means that dst is empty or nothing is committed (Look tells why).
// Consumer.
func (r *MPSC[T]) PopN(dst []T) int {
	n := 0
	for n < len(dst) {
		s := r.Ready(len(dst) - n)
		if len(s) == 0 {
			break
		}
		n += copy(dst[n:], s)
		atom.PlainWrite(unsafe.Pointer(&r.head))
		r.head += uint64(len(s))
	}
	r.settle() // once for all, however many pieces
	return n
}
