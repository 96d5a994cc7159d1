package ring

import "sync"

// chainQueue gives a chain the method set of a ring, claims included, so that
// the same tests judge both. Positions are one count over all rings of a chain,
// so a claim's tells which ring it is of.
type chainQueue[T any] struct {
	*Chain[T]
	open *sync.Map // position -> ChainClaim
}

func asQueue[T any](c *Chain[T]) chainQueue[T] { return chainQueue[T]{c, &sync.Map{}} }

func (q chainQueue[T]) Reserve(n int) (Claim, Status) { return q.keep(q.Chain.Reserve(n)) }

func (q chainQueue[T]) ReserveUpTo(n int) (Claim, Status) { return q.keep(q.Chain.ReserveUpTo(n)) }

func (q chainQueue[T]) keep(l ChainClaim[T], st Status) (Claim, Status) {
	if st == OK {
		q.open.Store(l.claim.pos, l)
	}
	return l.claim, st
}

func (q chainQueue[T]) of(c Claim) ChainClaim[T] {
	l, _ := q.open.Load(c.pos)
	return l.(ChainClaim[T])
}

func (q chainQueue[T]) Slot(c Claim, i int) *T { return q.Chain.Slot(q.of(c), i) }

func (q chainQueue[T]) Commit(c Claim) { q.Chain.Commit(q.of(c)) }

// rings is how many rings a chain has. For one goroutine.
func (c *Chain[T]) rings() int {
	n := 1
	for r := c.out.Load(); r != c.in.Load(); r = r.next.Load() {
		n++
	}
	return n
}
