package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// poller is the private state of the one goroutine in Poll.
type poller struct {
	cons      uint32 // owner: poller. Completions polled
	prodCache uint32 // owner: poller. hdr.prod as last seen, >= cons
	guard     guard
}

const rulePoll = "at most one goroutine at a time may call CQ.Poll"

// Poll implements hwcq.CQ.
//
// It reads the hardware's index at most once, and not at all when the last
// look saw enough for dst; it writes its own index once per batch.
func (c *CQ) Poll(dst []hwcq.WC) int {
	p := &c.pol
	p.guard.enter(rulePoll)
	p.touch()
	n := int(p.prodCache - p.cons)
	if n < len(dst) {
		// Acquire: makes the slots below prod readable. Pairs with publish.
		p.prodCache = c.hdr.prod.Load()
		n = int(p.prodCache - p.cons)
	}
	if n != 0 {
		n = c.take(dst, n)
	}
	p.guard.leave()
	return n
}

// take moves up to n > 0 visible completions into dst.
func (c *CQ) take(dst []hwcq.WC, n int) int {
	n = min(n, len(dst))
	if n == 0 || c.closed.Load() {
		return 0
	}
	i := int(c.pol.cons & c.mask)
	if atom.Exploring {
		c.touchRead(i, n)
	}
	s := c.slots
	if n == 1 {
		dst[0] = s[i] // cheaper than a call of memmove
	} else if k := copy(dst[:n], s[i:]); k < n {
		copy(dst[k:n], s)
	}
	c.pol.cons += uint32(n)
	// Release: gives the slots back. Pairs with the load in
	// reserve.
	c.hdr.cons.Store(c.pol.cons)
	return n
}

// Pending implements hwcq.CQ. It is exact: there was an instant during the
// call at which the answer was true. On a closed CQ it returns false.
func (c *CQ) Pending() bool {
	// The order matters. cons first: if prod is equal to it afterwards, cons
	// cannot have moved and the ring was empty at the second load. The other
	// way round, completions that come and go between the loads could make a
	// ring look empty that never was.
	cons := c.hdr.cons.Load()
	return c.hdr.prod.Load() != cons && !c.closed.Load()
}
