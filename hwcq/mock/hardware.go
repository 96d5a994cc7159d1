package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// Complete stores one completion as the hardware would: into the ring, then
// the producer index, then a look at the arm word. solicited marks it as one
// that a solicited-only arm waits for; failed completions are solicited in
// any case (rdma-core, ibv_req_notify_cq(3)).
//
// stored is false when the CQ was full and the completion was dropped, which
// Overruns counts: hardware is told nothing. The only errors are ErrClosed and,
// after Remove, ErrRemoved. It does not allocate and may be called from any goroutine.
func (c *CQ) Complete(wc hwcq.WC, solicited bool) (stored bool, err error) {
	if c.faults != nil && c.faults.f.ofCompletions() {
		return c.putFated(&wc, solicited, true)
	}
	return c.putOne(&wc, solicited, true)
}

// CompleteN is Complete for a batch: one store of the producer index, one
// look at the arm word. It returns how many were stored, always the first
// ones of wcs; the others were dropped.
func (c *CQ) CompleteN(wcs []hwcq.WC, solicited bool) (stored int, err error) {
	return c.put(wcs, solicited, true)
}

// putOne is put for one completion.
func (c *CQ) putOne(wc *hwcq.WC, solicited, drop bool) (stored bool, err error) {
	first, n, err := c.reserve(1)
	if err != nil {
		return false, err
	}
	if n == 0 {
		c.overrun(1, drop)
		return false, nil
	}
	i := int(first & c.mask)
	if atom.Exploring {
		c.touchWrite(i, 1)
	}
	c.slots[i] = *wc
	publish(&c.hdr.prod, first, 1)
	c.notify(solicited || wc.Status != hwcq.StatusSuccess)
	return true, nil
}

// put stores as many of wcs as there is room for. The rest is dropped and
// counted if drop is set or the CQ is in error, otherwise it is the caller's
// to offer again.
func (c *CQ) put(wcs []hwcq.WC, solicited, drop bool) (stored int, err error) {
	if len(wcs) == 0 {
		return 0, nil
	}
	if c.faults != nil && c.faults.f.ofCompletions() {
		return c.putEach(wcs, solicited, drop)
	}
	first, n, err := c.reserve(len(wcs))
	if err != nil {
		return 0, err
	}
	if n > 0 {
		i := int(first & c.mask)
		if atom.Exploring {
			c.touchWrite(i, n)
		}
		if k := copy(c.slots[i:], wcs[:n]); k < n {
			copy(c.slots, wcs[k:n])
		}
		for i := 0; i < n && !solicited; i++ {
			solicited = wcs[i].Status != hwcq.StatusSuccess
		}
		publish(&c.hdr.prod, first, n)
		c.notify(solicited)
	}
	if n < len(wcs) {
		c.overrun(len(wcs)-n, drop)
	}
	return n, nil
}

// reserve takes up to want slots for completions.
func (c *CQ) reserve(want int) (first uint32, n int, err error) {
	if c.fatal && c.failed.Load() {
		if c.closed.Load() {
			return 0, 0, hwcq.ErrClosed
		}
		return 0, 0, nil
	}
	first, n, open := c.hw.reserve(want, uint32(len(c.slots)), &c.hdr.cons)
	if !open {
		return 0, 0, c.refusal()
	}
	return first, n, nil
}

// overrun deals with n completions that found no room.
func (c *CQ) overrun(n int, drop bool) {
	if !drop && !c.failed.Load() {
		return // the caller keeps them
	}
	c.hw.overruns.Add(uint64(n))
	if c.fatal && !c.failed.Swap(true) { // Pairs with the load in Arm
		// A CQ in error wakes its waiter whatever it was armed for, even if
		// that never comes: the next Arm tells it.
		c.lookAtArm(true)
	}
}

// notify is what the hardware does after it has published.
func (c *CQ) notify(solicited bool) {
	if c.hooks != nil && c.hooks.Published != nil {
		c.hooks.Published()
	}
	if !c.lookAtArm(solicited) && c.faults != nil {
		c.faults.notFired(&c.ev)
	}
}

// Overruns implements hwcq.OverrunCounter.
func (c *CQ) Overruns() uint64 { return c.hw.overruns.Load() }
