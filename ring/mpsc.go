package ring

import (
	"math/bits"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/internal/param"
)

// MaxCapacity is the largest capacity of a ring.
const MaxCapacity = 1 << 30

// closedBit is in the ticket word itself, so that "accepted" is decided by
// the producer's own compare-and-swap: a producer that got its ticket before
// the bit was set is accepted and the drain waits for it; nobody gets one
// afterwards.
//
// sealedBit beside it says that the ring is one of a [Chain] and has a
// successor: no ticket of this ring is given out any more, and whoever meets
// the bit goes on at next. Where both are set the seal came first, see
// [Chain.Resize]. A ring of its own never has it. Positions therefore have 62
// bits: 146 years at 1 ns an event.
const (
	closedBit = 1 << 63
	sealedBit = 1 << 62
	posMask   = sealedBit - 1
)

// State is what a look at the ring tells its consumer.
type State uint8

const (
	// Empty: no event is in the ring and no producer holds a reserved slot.
	Empty State = iota
	// Event: at least one published event is next.
	Event
	// InFlight: the next slot is reserved, its producer has not committed.
	InFlight
)

// Status is the answer to a producer.
type Status uint8

const (
	// OK: accepted.
	OK Status = iota
	// Full: no room for the whole request, or a request that never fits (see
	// the method); nothing was done.
	Full
	// Closed: the ring was closed before the request; nothing was done.
	Closed
	// sealed: go on at the next ring. A chain keeps it to itself.
	sealed
)

// MPSC is a bounded multi-producer, single-consumer ring. T must be free of
// pointers: slots are not cleared after use, and pointers in them would cost
// the garbage collector a scan of the whole ring.
//
// Invariants (positions count events since creation, a slot is position & mask):
//
//	freed = credited <= head <= tail, tail-freed <= slots
//	runEnd <= tail, and what lies in [head, runEnd) is committed; so is what
//	lies in [head, lent). Both may be behind head, and mean nothing then
//	head-credited <= slack, but inside a call of the consumer
//	slots [freed, head)  belong to the consumer, credit not yet returned
//	slots [head, tail)   belong to their producers until committed,
//	                     then to the consumer
//	other slots          belong to whoever next moves tail over them
//	seq[p&mask] > p      exactly if a committed run starts at p; its value is
//	                     the position after the run (an old lap's value is <= p,
//	                     because a run is never longer than the ring)
//
// Concurrency: a method whose comment ends with "Consumer." from one goroutine
// at a time, with a happens-before edge from one to the next. Slot, Slots, Commit
// and CommitRelease from the goroutine that holds the claim. All others from any
// goroutine.
// Progress: a producer is lock-free in getting its slots, and no call waits. A
// producer that stops between Reserve and Commit holds back the events behind
// it: they stay InFlight, and when the ring has filled up behind it the other
// producers get Full until it commits.
// Ownership: see the invariants.
// Zero value: not usable; use New. Must not be copied.
type MPSC[T any] struct {
	// Read-mostly, and the credit: who reads it needs the others too, and who writes
	// it has them in his cache. A ring takes three times 128 bytes, and the allocator
	// aligns it to them, so each block has its own.
	slots []T // payload
	// seq has the run ends, apart from the payload so that a slice of T can be
	// handed out.
	// Writers: the producer that owns the position, when it commits. Reader: consumer.
	seq      []atom.Uint64
	mask     uint64
	size     uint64 // number of slots, a power of two
	capacity uint64 // what was asked for
	slack    uint64 // size - capacity: how late the credit may be returned
	// freed is the credit: positions below it may be reused.
	// Writer: consumer. Readers: producers, Idle.
	freed atom.Uint64
	// next is the ring that follows in a chain, or nil. It means nothing to
	// producers and observers before the seal.
	// Writer: Chain.Resize. Readers: producers that meet the seal, the
	// consumer, observers.
	next atom.Pointer[MPSC[T]]
	_    [pad.Size - 96]byte

	// tail is the next free position, the closed and the sealed bit.
	// Writers: producers and Chain.Resize (CAS), Close (Or). Readers: all.
	tail atom.Uint64
	_    [pad.Size - 8]byte

	head     uint64 // owner: consumer; next position to consume
	runEnd   uint64 // owner: consumer; positions in [head, runEnd) are known to be committed; may be behind head
	lent     uint64 // owner: consumer; end of what the last Ready returned
	credited uint64 // owner: consumer; last value stored in freed
	_        [pad.Size - 32]byte
}

// New returns a ring that holds at least capacity events, 1..MaxCapacity.
// The number of slots is capacity rounded up to a power of two; where that
// leaves slack, the consumer returns credit that much later and a single push
// and pop costs two locked operations instead of three.
func New[T any](capacity int) (*MPSC[T], error) {
	if capacity < 1 || capacity > MaxCapacity {
		return nil, param.Invalid("ring: New", "capacity", capacity, "1..1073741824")
	}
	size := slotsFor(capacity)
	slots, seq := places[T](size)
	return &MPSC[T]{
		slots:    slots,
		seq:      seq,
		mask:     size - 1,
		size:     size,
		capacity: uint64(capacity),
		slack:    size - uint64(capacity),
	}, nil
}

// slotsFor is capacity rounded up to a power of two.
func slotsFor(capacity int) uint64 {
	return 1 << bits.Len64(uint64(capacity)-1)
}

// places allocates the slots and their sequence words: small ones, of which there
// may be very many, in one piece. With events of 56 bytes a place takes 64, and the
// whole is as large as a size class of the allocator; apart from its words such a
// ring would leave an eighth of the memory unused.
func places[T any](size uint64) ([]T, []atom.Uint64) {
	switch size {
	case 16:
		p := new(struct {
			slots [16]T
			seq   [16]atom.Uint64
		})
		return p.slots[:], p.seq[:]
	case 64:
		p := new(struct {
			slots [64]T
			seq   [64]atom.Uint64
		})
		return p.slots[:], p.seq[:]
	case 256:
		p := new(struct {
			slots [256]T
			seq   [256]atom.Uint64
		})
		return p.slots[:], p.seq[:]
	}
	return make([]T, size), make([]atom.Uint64, size)
}

// Cap returns how many events the ring holds at least.
func (r *MPSC[T]) Cap() int { return int(r.capacity) }

// Accepted returns how many slots were ever reserved, in flight ones included.
// After Close it does not change any more.
func (r *MPSC[T]) Accepted() uint64 {
	return r.tail.Load() & posMask // a snapshot, orders nothing
}

// Claim is a run of reserved slots. It must be committed, soon and exactly
// once, by the goroutine that reserved it. The Claim that comes with another
// answer than OK owns no slot: it must be neither written nor committed.
type Claim struct {
	pos uint64
	n   uint64
}

// Len returns the number of slots in the claim.
func (c Claim) Len() int { return int(c.n) }

// Reserve takes n slots, or none. n < 1 or n > Cap never fits: it answers Full
// until the ring is closed, and Closed then, as any other request.
func (r *MPSC[T]) Reserve(n int) (Claim, Status) {
	if n < 1 || uint64(n) > r.capacity {
		return Claim{}, r.refuse()
	}
	for {
		// [P1] The ticket first, the credit after it: with this order Full was
		// true at the moment of the second load. A credit older than the ticket
		// would report a ring full that never was.
		t := r.tail.Load()
		if t&^posMask != 0 {
			return Claim{}, stopped(t)
		}
		// [P2] acquire: the consumer has read the slots below freed, and their
		// seq words, so both may be overwritten; pairs with [C3]. Signed,
		// because freed may have passed a stale t; the exchange fails then.
		if int64(t+uint64(n)-r.freed.Load()) > int64(r.size) {
			return Claim{}, Full
		}
		// [P3] Gives the slots to one producer only. It publishes nothing but
		// itself (relaxed would do) and is ordered against the closed bit by
		// being in the same word. No ABA: tail never goes back.
		if r.tail.CompareAndSwap(t, t+uint64(n)) {
			return Claim{t, uint64(n)}, OK
		}
	}
}

// refuse is the answer to a request that never fits, so that a producer that
// tries again while the ring is full ends when it is closed.
func (r *MPSC[T]) refuse() Status {
	if t := r.tail.Load(); t&^posMask != 0 { // [P1]
		return stopped(t)
	}
	return Full
}

// stopped says what a ticket word with one of the bits, or both, means.
func stopped(t uint64) Status {
	if t&sealedBit != 0 {
		return sealed
	}
	return Closed
}

// ReserveUpTo takes as many slots as there is room for, at most n and at least
// one, or none. n < 1 is refused as in Reserve; n > Cap is allowed.
func (r *MPSC[T]) ReserveUpTo(n int) (Claim, Status) {
	if n < 1 {
		return Claim{}, r.refuse()
	}
	for {
		t := r.tail.Load() // [P1]
		if t&^posMask != 0 {
			return Claim{}, stopped(t)
		}
		room := int64(r.size) - int64(t-r.freed.Load()) // [P2]; > size if t is stale
		if room < 1 {
			return Claim{}, Full
		}
		c := Claim{t, uint64(min(int64(n), room, int64(r.size)))}
		if r.tail.CompareAndSwap(t, t+c.n) { // [P3]
			return c, OK
		}
	}
}

// Slot returns slot i of the claim, 0 <= i < Len, to be written in place before
// Commit. It holds whatever an earlier event left there. Another i is somebody
// else's slot.
func (r *MPSC[T]) Slot(c Claim, i int) *T {
	p := &r.slots[(c.pos+uint64(i))&r.mask]
	atom.PlainWrite(unsafe.Pointer(p))
	return p
}

// Slots returns the slots of the claim from slot i on, 0 <= i <= Len, that lie in
// one piece, to be written as in Slot. Where the end of the ring cuts, Slots of what
// this one ends at has the rest; at Len there are none.
func (r *MPSC[T]) Slots(c Claim, i int) []T {
	p := (c.pos + uint64(i)) & r.mask
	s := r.slots[p:min(p+c.n-uint64(i), r.size)]
	if atom.Exploring { // a constant: nothing is left of it in normal builds
		for j := range s {
			atom.PlainWrite(unsafe.Pointer(&s[j]))
		}
	}
	return s
}

// Commit publishes the claim's events.
func (r *MPSC[T]) Commit(c Claim) {
	// [P4] release: publishes the whole run; pairs with [C1] and [C2].
	// Sequentially consistent on top of it (an exchange on amd64), and users
	// rely on that: of one who commits and then loads another word (the EVD's
	// state) and one who writes that word and then looks here, at least one
	// sees the other (store-load, Dekker). A release store alone would not do.
	r.seq[c.pos&r.mask].Store(c.pos + c.n)
}

// CommitRelease publishes the claim's events, and does not wait until the consumer can
// see them, as [Lane.CommitRelease]: on amd64 it is a plain store, so that a push and pop
// has one locked operation. It is for a consumer who polls, and must not be used where
// the producer then only loads another word to learn whether somebody has to be told.
func (r *MPSC[T]) CommitRelease(c Claim) {
	// [P7] release: publishes the whole run; pairs with [C1] and [C2].
	storeRelease(&r.seq[c.pos&r.mask], c.pos+c.n)
}

// Push appends *v.
func (r *MPSC[T]) Push(v *T) Status {
	if r.TryPush(v) {
		return OK
	}
	c, st := r.Reserve(1)
	if st != OK {
		return st
	}
	*r.Slot(c, 0) = *v
	r.Commit(c)
	return OK
}

// PushN appends all of vs as one run, or none. An empty vs answers OK, also
// when the ring is closed; one longer than Cap is refused as in Reserve.
func (r *MPSC[T]) PushN(vs []T) Status {
	if len(vs) == 0 {
		return OK
	}
	c, st := r.Reserve(len(vs))
	if st != OK {
		return st
	}
	s := r.Slots(c, 0)
	copy(r.Slots(c, copy(s, vs)), vs[len(s):])
	r.Commit(c)
	return OK
}

// Close refuses every later Reserve. Runs reserved before stay accepted: the
// consumer drains until Look or Pop answers Empty, which is then final.
// Idempotent.
func (r *MPSC[T]) Close() {
	r.tail.Or(closedBit) // [P5] ordered against every ticket by the word itself
}

// Idle reports whether, at one instant during the call, every event accepted
// so far had been consumed and its credit returned. false says nothing: with
// slack the credit of the last events is not returned before the consumer
// looks at an empty ring or calls Return.
func (r *MPSC[T]) Idle() bool {
	// [P6] The credit first, the ticket after it: freed <= head <= tail, so
	// equality with a younger tail means head == tail at the moment of the
	// second load. The other way round, tail could be long outdated. The first
	// is an acquire, pairs with [C3]: the consumer's reads are over.
	f := r.freed.Load()
	return f == r.tail.Load()&posMask
}

// Held returns how many slots are taken: events accepted, in flight included,
// whose credit has not been returned. While the consumer does nothing it never
// is less than what the consumer has yet to get. A snapshot, for any goroutine.
func (r *MPSC[T]) Held() int {
	f := r.freed.Load() // [P6] the credit first: never negative
	return int(r.tail.Load()&posMask - f)
}
