package bench

import (
	"sync/atomic"

	"github.com/evdengine/evd/hwcq"
)

// countedCQ counts the polls of a CQ, at the price of a call. The counts are
// plain: at most one goroutine at a time polls, one after the other, and the
// race detector checks that promise of the engine's here.
type countedCQ struct {
	hwcq.CQ
	polls, empty, completions uint64

	// vain counts looks that found nothing: what a poller does that polls, and others
	// now and then. Writers: whoever looks. Reader: report
	vain atomic.Uint64
}

// What a driver may offer beside a CQ, for the engine to find.
var (
	_ hwcq.OverrunCounter = (*countedCQ)(nil)
	_ hwcq.AsyncNotifier  = (*countedCQ)(nil)
	_ hwcq.ThreadBound    = (*countedCQ)(nil)
)

func (c *countedCQ) Poll(dst []hwcq.WC) int {
	n := c.CQ.Poll(dst)
	c.polls++
	if n == 0 {
		c.empty++
	}
	c.completions += uint64(n)
	return n
}

func (c *countedCQ) Pending() bool {
	if c.CQ.Pending() {
		return true
	}
	c.vain.Add(1)
	return false
}

// Overruns implements hwcq.OverrunCounter: 0 where nobody counts.
func (c *countedCQ) Overruns() uint64 {
	if o, ok := c.CQ.(hwcq.OverrunCounter); ok {
		return o.Overruns()
	}
	return 0
}

// NotifyAsync implements hwcq.AsyncNotifier: nothing comes where nobody tells.
func (c *countedCQ) NotifyAsync(fn func(hwcq.AsyncEvent)) {
	if a, ok := c.CQ.(hwcq.AsyncNotifier); ok {
		a.NotifyAsync(fn)
	}
}

// ThreadBound implements hwcq.ThreadBound.
func (c *countedCQ) ThreadBound() bool {
	b, ok := c.CQ.(hwcq.ThreadBound)
	return ok && b.ThreadBound()
}

// Bind implements hwcq.ThreadBound; only called if it is.
func (c *countedCQ) Bind() error { return c.CQ.(hwcq.ThreadBound).Bind() }

// Unbind implements hwcq.ThreadBound; only called if it is.
func (c *countedCQ) Unbind() error { return c.CQ.(hwcq.ThreadBound).Unbind() }

// report is for when the EVD is closed.
func (c *countedCQ) report(r *Report) { reportPolls(r, c) }

// reportPolls adds up what all CQs of a run counted.
func reportPolls(r *Report, cqs ...*countedCQ) {
	r.CQ.Completions = 0
	for _, c := range cqs {
		r.CQ.Polls += c.polls
		r.CQ.EmptyPolls += c.empty
		r.CQ.Completions += c.completions
		r.CQ.Vain += c.vain.Load()
	}
	if r.CQ.Completions != r.Engine.Polled {
		r.Conservation.violate("engine counter Polled is %d, the CQ gave %d", r.Engine.Polled, r.CQ.Completions)
	}
}
