package bench

import "github.com/evdengine/evd/hwcq"

// countedCQ counts the polls of a CQ, at the price of a call. The counts are
// plain: at most one goroutine at a time polls, one after the other, and the
// race detector checks that promise of the engine's here.
type countedCQ struct {
	hwcq.CQ
	polls, empty, completions uint64
}

func (c *countedCQ) Poll(dst []hwcq.WC) int {
	n := c.CQ.Poll(dst)
	c.polls++
	if n == 0 {
		c.empty++
	}
	c.completions += uint64(n)
	return n
}

// report is for when the EVD is closed.
func (c *countedCQ) report(r *Report) {
	r.CQ.Polls, r.CQ.EmptyPolls, r.CQ.Completions = c.polls, c.empty, c.completions
	if c.completions != r.Engine.Polled {
		r.Conservation.violate("engine counter Polled is %d, the CQ gave %d", r.Engine.Polled, c.completions)
	}
}
