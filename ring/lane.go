package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/internal/param"
)

// Lane is a bounded ring between one producer and one consumer. It is an [MPSC]
// without what several producers need: no ticket, so no compare-and-swap, and no
// word for each slot. Where many feed one consumer, a lane for each of them lets
// none hold back another: a producer that stops has stopped its own lane only.
// What it loses is the order between lanes. T must be free of pointers, as in
// MPSC.
//
// What differs from MPSC: a claim is accepted when it is committed, not before.
// It may be dropped, and the consumer never hears of it, so a look has two
// answers, Event and Empty. Close is the producer's.
//
// Invariants (positions and slots as in MPSC):
//
//	freed = credited <= head <= seen <= tail, tail-freed <= slots
//	limit-slots <= freed: what the producer knows of the credit
//	head-credited <= slack, but inside a call of the consumer
//	slots [freed, head)        belong to the consumer, credit not yet returned
//	slots [head, tail)         are committed, and belong to the consumer
//	slots [tail, freed+slots)  belong to the producer
//
// Concurrency: a method whose comment ends with "Producer." or "Consumer." from one
// goroutine at a time, with a happens-before edge from one to the next; the two may
// run beside each other. All others from any goroutine.
// Progress: no call waits, each ends after a fixed number of steps (wait-free).
// Ownership: see the invariants.
// Zero value: not usable; use NewLane. Must not be copied.
type Lane[T any] struct {
	// Read-only.
	slots    []T
	mask     uint64
	size     uint64 // number of slots, a power of two
	capacity uint64 // what was asked for
	slack    uint64 // size - capacity: how late the credit may be returned
	_        [pad.Size - 56]byte

	// tail is the next free position, and the closed bit.
	// Writer: producer. Readers: all.
	tail  atom.Uint64
	limit uint64 // owner: producer; positions below it are known to be free or in use
	_     [pad.Size - 16]byte

	// freed is the credit: positions below it may be reused.
	// Writer: consumer. Readers: producer, observers.
	freed    atom.Uint64
	head     uint64 // owner: consumer; next position to consume
	seen     uint64 // owner: consumer; positions below it are known to be committed
	lent     uint64 // owner: consumer; end of what the last Ready returned
	credited uint64 // owner: consumer; last value stored in freed
	_        [pad.Size - 40]byte
}

// NewLane returns a lane that holds at least capacity events, 1..MaxCapacity. The
// number of slots is capacity rounded up to a power of two; where that leaves slack,
// the consumer returns credit that much later, and touches a line of the producer's
// that much less often.
func NewLane[T any](capacity int) (*Lane[T], error) {
	if capacity < 1 || capacity > MaxCapacity {
		return nil, param.Invalid("ring: NewLane", "capacity", capacity, "1..1073741824")
	}
	size := slotsFor(capacity)
	return &Lane[T]{
		slots:    make([]T, size),
		mask:     size - 1,
		size:     size,
		capacity: uint64(capacity),
		slack:    size - uint64(capacity),
		limit:    size,
	}, nil
}

// Cap returns how many events the lane holds at least.
func (l *Lane[T]) Cap() int { return int(l.capacity) }

// Accepted returns how many events were ever committed. After Close it does not
// change any more.
func (l *Lane[T]) Accepted() uint64 {
	return l.tail.Load() & posMask // a snapshot, orders nothing
}

// Reserve takes n slots behind what is committed, or none. n < 1 or n > Cap never
// fits: it answers Full, and Closed when the lane is closed. The claim is the
// producer's until he commits it or reserves again, which may give the same slots;
// nobody else learns of it. Producer.
func (l *Lane[T]) Reserve(n int) (Claim, Status) {
	if n < 1 || uint64(n) > l.capacity {
		return Claim{}, l.refuse()
	}
	t := l.tail.Load() // own word
	if room := l.room(t, uint64(n)); room < int64(n) {
		return Claim{}, l.refuse()
	}
	return Claim{t, uint64(n)}, OK
}

// ReserveUpTo takes as many slots as there is room for, at most n and at least one,
// or none. n < 1 is refused as in Reserve; n > Cap is allowed. Producer.
func (l *Lane[T]) ReserveUpTo(n int) (Claim, Status) {
	if n < 1 {
		return Claim{}, l.refuse()
	}
	t := l.tail.Load() // own word
	room := l.room(t, min(uint64(n), l.size))
	if room < 1 {
		return Claim{}, l.refuse()
	}
	return Claim{t, uint64(min(int64(n), room))}, OK
}

// TryReserve is Reserve with one answer for Full and Closed, and short enough that the
// compiler puts it into the caller. The Claim that comes with false owns no slot.
// Producer.
func (l *Lane[T]) TryReserve(n int) (Claim, bool) {
	t := l.tail.Load() // own word
	return Claim{t, uint64(n)}, uint64(n-1) < l.capacity && l.room(t, uint64(n)) >= int64(n)
}

// room is how many slots are free from t on: if the limit that is known leaves less
// than n, by a new one. Less than one if t has the closed bit.
func (l *Lane[T]) room(t, n uint64) int64 {
	atom.PlainWrite(unsafe.Pointer(&l.limit))
	if t+n > l.limit {
		// [Y1] acquire: the consumer has read the slots below freed, so they may be
		// overwritten; pairs with [Y4].
		l.limit = l.freed.Load() + l.size
	}
	return int64(l.limit - t)
}

// refuse says why there is no room.
func (l *Lane[T]) refuse() Status {
	if l.tail.Load()&closedBit != 0 { // own word
		return Closed
	}
	return Full
}

// Slot is [MPSC.Slot]. Producer.
func (l *Lane[T]) Slot(c Claim, i int) *T {
	p := &l.slots[(c.pos+uint64(i))&l.mask]
	atom.PlainWrite(unsafe.Pointer(p))
	return p
}

// Slots is [MPSC.Slots]. Producer.
func (l *Lane[T]) Slots(c Claim, i int) []T {
	p := (c.pos + uint64(i)) & l.mask
	s := l.slots[p:min(p+c.n-uint64(i), l.size)]
	if atom.Exploring { // a constant: nothing is left of it in normal builds
		for j := range s {
			atom.PlainWrite(unsafe.Pointer(&s[j]))
		}
	}
	return s
}

// Commit publishes the claim's events. It is a full fence, as [MPSC.Commit]: who
// commits and then loads another word, and one who writes that word and then looks
// here, cannot both miss each other. Producer.
func (l *Lane[T]) Commit(c Claim) {
	// [Y2] release: publishes the run; pairs with [Y5]. Sequentially consistent on
	// top of it, for users, as [P4].
	l.tail.Store(c.pos + c.n)
}

// CommitRelease publishes the claim's events, and does not wait until the consumer
// can see them: on amd64 it is a plain store, which costs a tenth of Commit's and
// hands the line to another core about as much sooner as that takes. It is for a
// consumer who polls.
//
// It must not be used where the producer then only loads another word to learn
// whether somebody has to be told: the processor may do the load first, while the
// store still waits in its buffer. The consumer, who writes that word and then looks
// here, sees nothing and sleeps; the producer has seen the old word and tells nobody.
// There Commit, or a read-modify-write of that word, is needed. Producer.
func (l *Lane[T]) CommitRelease(c Claim) {
	// [Y3] release: publishes the run; pairs with [Y5].
	storeRelease(&l.tail, c.pos+c.n)
}

// TryPush appends *v and answers true, or does nothing and answers false: there is no
// room, or the lane is closed. It is short enough that the compiler puts it into the
// caller, and a full fence, as Commit. Producer.
func (l *Lane[T]) TryPush(v *T) bool {
	t := l.tail.Load() // own word; with the closed bit it is beyond every limit
	if t >= l.limit {
		if l.limit = l.freed.Load() + l.size; t >= l.limit { // [Y1]
			return false
		}
	}
	if atom.Exploring {
		atom.PlainWrite(unsafe.Pointer(&l.limit))
		atom.PlainWrite(unsafe.Pointer(&l.slots[t&l.mask]))
	}
	l.slots[t&l.mask] = *v
	l.tail.Store(t + 1) // [Y2]
	return true
}

// Push appends *v. Producer.
func (l *Lane[T]) Push(v *T) Status {
	if l.TryPush(v) {
		return OK
	}
	return l.refuse()
}

// PushN appends all of vs, or none. An empty vs answers OK, also when the lane is
// closed; one longer than Cap is refused as in Reserve. Producer.
func (l *Lane[T]) PushN(vs []T) Status {
	if len(vs) == 0 {
		return OK
	}
	c, st := l.Reserve(len(vs))
	if st != OK {
		return st
	}
	s := l.Slots(c, 0)
	copy(l.Slots(c, copy(s, vs)), vs[len(s):])
	l.Commit(c)
	return OK
}

// Close refuses every later Reserve: the consumer drains until Look or Pop answers
// Empty, and Closed tells him that this was final. A claim that is open is dropped
// and must not be committed. Idempotent. Producer.
func (l *Lane[T]) Close() {
	l.tail.Store(l.tail.Load() | closedBit) // [Y2] the bit comes with the last position
}
