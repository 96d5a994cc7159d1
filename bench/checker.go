package bench

// Checker is the consumer's end of the books: it sees every event that comes
// out and checks, by the sequence numbers, that each producer's events come
// once each and in order.
//
// Concurrency: one goroutine at a time, in the order of delivery.
// Zero value: not usable, use NewChecker.
type Checker struct {
	from    []stream
	Foreign uint64 // events of no producer
}

// stream is what is known of one producer's events.
//
// Invariant: next = Seen + Missing - Duplicates; a gap is a
// range of numbers below next that have not come.
type stream struct {
	next uint64
	Order
	gaps []gap // ascending, disjoint
}

type gap struct{ first, end uint64 }

// maxGaps bounds the memory of a run that loses events all the time. Beyond
// it, an event that comes late counts as a duplicate.
const maxGaps = 1024

// Order is what was found wrong, or not, with one producer's events.
type Order struct {
	Seen       uint64 `json:"seen"`       // events that came, all told
	Missing    uint64 `json:"missing"`    // numbers that were skipped and never came
	Reordered  uint64 `json:"reordered"`  // came after a younger one
	Duplicates uint64 `json:"duplicates"` // came again

	// Lost is how many had to be missing: a fault script had the device drop them.
	Lost uint64 `json:"lost,omitempty"`
}

// asExpected tells whether all came once and in order but those that were to be lost.
// unordered: order was not promised.
func (o Order) asExpected(unordered bool) bool {
	return o.Missing == o.Lost && (o.Reordered == 0 || unordered) && o.Duplicates == 0
}

// NewChecker makes a checker for producers 0..n-1.
func NewChecker(n int) *Checker { return &Checker{from: make([]stream, n)} }

// See notes one event. It does not allocate while the events are in order.
func (c *Checker) See(wrid uint64) {
	p, seq := int(wrid>>seqBits), wrid&seqMask
	if uint(p) >= uint(len(c.from)) {
		c.Foreign++
		return
	}
	s := &c.from[p]
	s.Seen++
	if seq == s.next {
		s.next++
		return
	}
	s.odd(seq)
}

// Producer returns what was seen of producer p.
func (c *Checker) Producer(p int) Order { return c.from[p].Order }

// Next returns the number that is expected next of producer p.
func (c *Checker) Next(p int) uint64 { return c.from[p].next }

// First returns the lowest number of producer p that has not come.
func (c *Checker) First(p int) uint64 {
	s := &c.from[p]
	if len(s.gaps) > 0 {
		return s.gaps[0].first
	}
	return s.next
}

// Seen returns how many events came, foreign ones included.
func (c *Checker) Seen() uint64 {
	n := c.Foreign
	for i := range c.from {
		n += c.from[i].Seen
	}
	return n
}

// odd deals with an event that is not the next one.
func (s *stream) odd(seq uint64) {
	if seq > s.next { // skipped some
		s.Missing += seq - s.next
		if len(s.gaps) < maxGaps {
			s.gaps = append(s.gaps, gap{s.next, seq})
		}
		s.next = seq + 1
		return
	}
	for i := range s.gaps {
		g := &s.gaps[i]
		if seq < g.first || seq >= g.end {
			continue
		}
		// It is late, not lost.
		s.Missing--
		s.Reordered++
		switch {
		case g.end-g.first == 1:
			s.gaps = append(s.gaps[:i], s.gaps[i+1:]...)
		case seq == g.first:
			g.first++
		case seq == g.end-1:
			g.end--
		default:
			rest := gap{seq + 1, g.end}
			g.end = seq
			s.gaps = append(s.gaps, gap{})
			copy(s.gaps[i+2:], s.gaps[i+1:])
			s.gaps[i+1] = rest
		}
		return
	}
	s.Duplicates++
}

// settle counts the numbers up to accepted that never came at all.
func (s *stream) settle(accepted uint64) {
	if accepted > s.next {
		s.Missing += accepted - s.next
		s.next = accepted
	}
}
