package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// fates are the faults of single completions.
type fates struct {
	offered                      atom.Uint64  // occasions so far
	early, failed, full, removed atom.Counter // hits so far
}

// ofCompletions tells whether completions have fates.
func (f *Faults) ofCompletions() bool {
	return !f.EarlyEvent.never() || !f.ErrorWC.never() || !f.Overrun.never() || !f.Remove.never()
}

// putFated is putOne with the faults of completions.
func (c *CQ) putFated(wc *hwcq.WC, solicited, drop bool) (stored bool, err error) {
	in := c.faults
	if c.closed.Load() || c.gone.Load() {
		return false, c.refusal()
	}
	n := in.fates.offered.Add(1)
	if in.f.Overrun.hit(in.seed, 6, n) {
		in.fates.full.Add(1)
		c.overrun(1, drop)
		return false, nil
	}
	fated := *wc
	if wc.Status == hwcq.StatusSuccess && in.f.ErrorWC.hit(in.seed, 7, n) {
		fated.Status = in.f.ErrorStatus
	}
	early := in.f.EarlyEvent.hit(in.seed, 8, n)
	if early {
		stored, err = c.putEarly(&fated, solicited, drop)
	} else {
		stored, err = c.putOne(&fated, solicited, drop)
	}
	if !stored || err != nil {
		return stored, err
	}
	if early {
		in.fates.early.Add(1)
	}
	if fated.Status != wc.Status {
		in.fates.failed.Add(1)
	}
	if in.f.Remove.hit(in.seed, 9, n) {
		in.fates.removed.Add(1)
		c.Remove()
	}
	return true, nil
}

// putEarly is putOne with the look at the arm word before the publication.
func (c *CQ) putEarly(wc *hwcq.WC, solicited, drop bool) (stored bool, err error) {
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
	c.lookAtArm(solicited || wc.Status != hwcq.StatusSuccess)
	publish(&c.hdr.prod, first, 1)
	if c.hooks != nil && c.hooks.Published != nil {
		c.hooks.Published()
	}
	return true, nil
}

// putEach is put, one by one. The first that finds no room ends it.
func (c *CQ) putEach(wcs []hwcq.WC, solicited, drop bool) (stored int, err error) {
	for i := range wcs {
		ok, err := c.putFated(&wcs[i], solicited, drop)
		if err != nil {
			return i, err
		}
		if !ok {
			if rest := len(wcs) - i - 1; rest > 0 {
				c.overrun(rest, drop)
			}
			return i, nil
		}
	}
	return len(wcs), nil
}
