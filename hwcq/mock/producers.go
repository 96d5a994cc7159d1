package mock

import "github.com/evdengine/evd/internal/atom"

// producers is the many-writers' end of a bounded ring: they reserve slots in
// any order and publish in the order of reservation. (A lock around the
// writing would serialise as well, for one read-modify-write more.)
//
// Progress: blocking, as a lock is: a writer that stops between reserve and
// publish stops those after it. Readers of the ring are never stopped.
//
// Invariant: uint32(tail) is the index that prod will reach when everybody
// has published, and cons <= prod <= tail <= cons+slots on the 32-bit circle.
// consCache <= cons, by how much is not bounded. tail never moves again once
// its closed bit is set.
type producers struct {
	tail      atom.Uint64 // slots reserved so far, and the closed bit
	consCache atom.Uint32 // a cons of the past: spares most looks at the real one
}

const closedBit = 1 << 63

// spinTurns is how often an index is looked at before the processor is
// offered to others: some ten ns, the time a line needs to travel. Under the
// explorer every turn must be declared.
const spinTurns = 30

// start sets the first index. Nobody else may use the ring yet.
func (p *producers) start(first uint32) {
	p.tail.Store(uint64(first))
	p.consCache.Store(first)
}

// reserve takes up to want > 0 slots and returns the index of the first and
// how many. 0 of them: the ring was full at an instant during the call.
func (p *producers) reserve(want int, slots uint32, cons *atom.Uint32) (first uint32, n int, open bool) {
	for {
		t := p.tail.Load()
		if t >= closedBit {
			return 0, 0, false
		}
		first = uint32(t)
		// More than slots used: the cache is more than a ring old, for a
		// writer that was away between load and store below put it back.
		used := first - p.consCache.Load()
		if used > slots || int(slots-used) < want {
			// Acquire: the slots below cons may be overwritten. Pairs with
			// the consumer's store.
			c := cons.Load()
			p.consCache.Store(c)
			// If cons has passed t meanwhile, t is old and used is nonsense,
			// but not slots, and the swap below fails.
			used = first - c
		}
		if n = min(want, int(slots-used)); n == 0 {
			return 0, 0, true
		}
		if p.tail.CompareAndSwap(t, t+uint64(n)) {
			return first, n, true
		}
	}
}

// publish makes the n slots from first on visible to the consumer, after all
// that were reserved before them.
//
// Release: pairs with the consumer's load of prod. Full fence against what
// the caller looks at next: the arm word, the parked flag.
func publish(prod *atom.Uint32, first uint32, n int) {
	if prod.Load() != first {
		awaitTurn(prod, first)
	}
	prod.Store(first + uint32(n))
}

func awaitTurn(prod *atom.Uint32, first uint32) {
	for i := 1; prod.Load() != first; i++ {
		if atom.Exploring || i%spinTurns == 0 {
			atom.Spin()
		}
	}
}

// close makes reserve refuse, and returns when what was reserved before is
// published.
func (p *producers) close(prod *atom.Uint32) {
	awaitTurn(prod, uint32(p.tail.Or(closedBit)))
}

// count is how many slots were reserved since start.
func (p *producers) count(first uint32) uint64 {
	return p.tail.Load()&^closedBit - uint64(first)
}
