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

// reportPolls adds up what all CQs of a run counted. For when the EVDs are closed.
func reportPolls(r *Report, cqs []*countedCQ) {
	r.CQ.Completions = 0
	for _, c := range cqs {
		r.CQ.Polls += c.polls
		r.CQ.EmptyPolls += c.empty
		r.CQ.Completions += c.completions
	}
	if r.CQ.Completions != r.Engine.Polled {
		r.Conservation.violate("engine counter Polled is %d, the CQ gave %d", r.Engine.Polled, r.CQ.Completions)
	}
}
