package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// Look tells what is next, Event or Empty. Empty was true at one moment during the
// call; all credit is returned with it. Consumer.
func (l *Lane[T]) Look() State {
	if l.committed() > 0 {
		return Event
	}
	l.credit()
	return Empty
}

// committed is how many events are known to be next, after another look if that was
// none.
func (l *Lane[T]) committed() uint64 {
	atom.PlainWrite(unsafe.Pointer(&l.seen))
	if l.head >= l.seen {
		// [Y5] acquire: makes the payload below it visible; pairs with [Y2], [Y3].
		l.seen = l.tail.Load() & posMask
	}
	return l.seen - l.head
}

// Closed reports whether the producer has closed the lane: an Empty that is seen
// after it is final. For any goroutine.
func (l *Lane[T]) Closed() bool { return l.tail.Load()&closedBit != 0 } // [Y5]

// Len returns how many events are committed and not consumed. Consumer.
func (l *Lane[T]) Len() int {
	atom.PlainRead(unsafe.Pointer(&l.head))
	return int(l.tail.Load()&posMask - l.head) // a snapshot, orders nothing
}

// TryPop moves the next event to *v and answers true, or does nothing and answers
// false: there is none. Consumer.
func (l *Lane[T]) TryPop(v *T) bool {
	h := l.head
	if h >= l.seen {
		if l.seen = l.tail.Load() & posMask; h == l.seen { // [Y5]
			return false
		}
	}
	if atom.Exploring {
		atom.PlainRead(unsafe.Pointer(&l.slots[h&l.mask]))
		atom.PlainWrite(unsafe.Pointer(&l.head))
	}
	*v = l.slots[h&l.mask]
	l.head = h + 1
	if h-l.credited >= l.slack {
		l.credited = h + 1
		storeRelease(&l.freed, h+1) // [Y4]
	}
	return true
}

// TryPeek returns the next event in place, to be read and changed until Advance(1),
// or nil: there is none. Consumer.
func (l *Lane[T]) TryPeek() *T {
	if l.committed() == 0 {
		return nil
	}
	l.lent = l.head + 1
	p := &l.slots[l.head&l.mask]
	atom.PlainRead(unsafe.Pointer(p))
	return p
}

// Pop moves the next event to *v and answers Event, or answers Empty as Look does
// and leaves *v alone. Consumer.
func (l *Lane[T]) Pop(v *T) State {
	if l.TryPop(v) {
		return Event
	}
	l.credit()
	return Empty
}

// PopN moves up to len(dst) events into dst and returns how many. Consumer.
func (l *Lane[T]) PopN(dst []T) int {
	n := 0
	for n < len(dst) {
		s := l.Ready(len(dst) - n)
		if len(s) == 0 {
			break
		}
		n += copy(dst[n:], s)
		atom.PlainWrite(unsafe.Pointer(&l.head))
		l.head += uint64(len(s))
	}
	l.settle() // once for all, however many pieces
	return n
}

// Ready returns the events that lie in one piece, oldest first, at most limit of
// them, and leaves them in the lane: they may be read and changed in place until
// Advance. nil means limit < 1 or nothing is committed. Where the end of the ring
// cuts, and where it knows of no more, the next Ready has the rest. Consumer.
func (l *Lane[T]) Ready(limit int) []T {
	var n uint64
	if limit > 0 {
		n = min(uint64(limit), l.committed(), l.size-l.head&l.mask)
	}
	l.lent = l.head + n
	if n == 0 {
		return nil
	}
	i := l.head & l.mask
	s := l.slots[i : i+n : i+n]
	if atom.Exploring { // a constant: nothing is left of it in normal builds
		for j := range s {
			atom.PlainRead(unsafe.Pointer(&s[j]))
		}
	}
	return s
}

// Advance is [MPSC.Advance]. Consumer.
func (l *Lane[T]) Advance(n int) {
	if n < 1 || l.lent <= l.head {
		return
	}
	atom.PlainWrite(unsafe.Pointer(&l.head))
	l.head += min(uint64(n), l.lent-l.head)
	l.settle()
}

// settle returns the credit if more of it than the slack is due, so that the
// producer always finds room for Cap events less those not consumed.
func (l *Lane[T]) settle() {
	if l.head-l.credited > l.slack {
		l.credit()
	}
}

// credit returns the consumed slots to the producer.
func (l *Lane[T]) credit() {
	if l.credited != l.head { // not, because an empty look would take the line from the producer
		l.credited = l.head
		// [Y4] release: the consumer has read the slots below head; pairs with [Y1].
		storeRelease(&l.freed, l.head)
	}
}

// Return gives the credit of everything consumed back to the producer, now and with
// a full fence: who waits for room, has said so in another word and then looked here,
// is seen by a consumer who calls Return and then loads that word. Nothing else that
// the consumer does is such a fence. Consumer.
func (l *Lane[T]) Return() {
	l.credited = l.head
	l.freed.Store(l.head) // [Y6] sequentially consistent, for users
}

// Idle reports whether, at one instant during the call, every event committed so far
// had been consumed and its credit returned. false says nothing, as in [MPSC.Idle].
func (l *Lane[T]) Idle() bool {
	f := l.freed.Load() // [Y7] the credit first, as [P6]; acquire, pairs with [Y4]
	return f == l.tail.Load()&posMask
}

// Held returns how many slots are taken: events committed whose credit has not been
// returned. A snapshot, for any goroutine.
func (l *Lane[T]) Held() int {
	f := l.freed.Load() // [Y7] the credit first: never negative
	return int(l.tail.Load()&posMask - f)
}
