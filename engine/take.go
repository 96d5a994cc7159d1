package engine

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/ring"
)

// take moves up to len(dst) events into dst: what the engine made itself and
// what a waiter has copied (side.go), then from the ring or from a CQ that is
// attached directly. TAKE must be held.
//
// The ring is looked at first, but after a batch from the ring the CQs are:
// posters that keep the ring filled must not make a CQ overrun. (Completions of
// such a CQ never pass the ring, so no order is lost.) 0 means that everything
// was looked at and found empty.
func (d *EVD) take(dst []Event) (n int) {
	if n = d.takeEvents(dst); n > 0 {
		d.giveBack(dst[:n])
	}
	return n
}

// giveBack returns the credits of events that have just been taken.
func (d *EVD) giveBack(evs []Event) {
	if m := d.places.credits.Load(); m != nil {
		m.giveBack(d, evs)
	}
}

func (d *EVD) takeEvents(dst []Event) (n int) {
	sd := d.side.Load()
	if sd == nil {
		return d.takeSources(dst)
	}
	if n = sd.take(d, dst); n > 0 {
		return n
	}
	if n = d.takeSources(dst); n == 0 {
		n = sd.takeLate(d, dst) // the CQs have just been seen empty
	}
	return n
}

func (d *EVD) takeSources(dst []Event) (n int) {
	if d.ringLast {
		d.ringLast = false
		if n = d.takeCQs(dst); n == 0 {
			n = d.takeRing(dst)
		}
		return n
	}
	if n = d.takeRing(dst); n == 0 {
		return d.takeCQs(dst)
	}
	d.ringLast = len(d.direct()) > 0
	return n
}

func (d *EVD) takeRing(dst []Event) int {
	n := d.ring.Committed(len(dst) + 1)
	if n > 0 {
		if d.prio && d.flags.Load()&fUrgent != 0 {
			// [O5] After the events of the ring were seen: one that its poster put
			// there behind a connection event must not come before it.
			return d.side.Load().takeUrgent(d, dst)
		}
		// How many are pending is asked before they go: it only falls by taking, so
		// the most are seen here. A ring that has no more than dst holds is not asked: the
		// line would be taken from its posters.
		high := n
		if n > len(dst) {
			n, high = len(dst), d.ring.Held()
		}
		d.noteHigh(high + d.spilled())
		d.ring.PopN(dst[:n])
		d.ring.Return() // so that Idle is exact whenever TAKE is free
		return n
	}
	if d.spillMax > 0 && d.flags.Load()&fSpilled != 0 {
		return d.takeSpilled(dst)
	}
	return 0
}

func (d *EVD) takeCQs(dst []Event) int {
	direct := d.direct()
	if len(direct) == 1 { // most have no more
		return d.takeCQ(direct[0], dst)
	}
	for range direct {
		if int(d.turn) >= len(direct) { // also after a port has gone
			d.turn = 0
		}
		l := direct[d.turn]
		d.turn++
		if n := d.takeCQ(l, dst); n > 0 {
			return n
		}
	}
	return 0
}

func (d *EVD) takeCQ(l *link, dst []Event) int {
	wcs := d.poll(l, len(dst))
	if len(wcs) == 0 {
		return 0
	}
	if d.merged {
		sd := d.needSide()
		sd.expand(d, l, wcs)
		return sd.takeStash(dst)
	}
	for i := range wcs {
		d.eventFromWC(&dst[i], &wcs[i], l.index)
	}
	return len(wcs)
}

// poll takes up to most completions from a CQ.
func (d *EVD) poll(l *link, most int) []hwcq.WC {
	if d.wcs == nil {
		if l.poll != nil && l.poll.m != nil && !l.cq.Pending() {
			if l.fresh {
				l.noteLook(0)
			}
			return nil // one that has never had anything needs no buffer
		}
		d.wcs = make([]hwcq.WC, d.batch) // the first CQ is a port, or a Poller's
	}
	k := min(most, len(d.wcs))
	n := l.cq.Poll(d.wcs[:k])
	if n > 0 && l.port == nil {
		l.stats.polled.Add(uint64(n))
	}
	if n < k && !l.behind {
		l.owed = 0 // it was empty
	} else {
		l.owed = max(0, l.owed-n)
	}
	if l.fresh {
		l.noteLook(n)
	}
	if l.kept.Load() && !l.cq.Pending() {
		l.kept.Store(false)
	}
	return d.wcs[:n]
}

// takeOther is a runner's take where take itself will not do. It answers
// whether there is something for an upcall.
func (d *EVD) takeOther(s word, batch []Event) (n int, found bool) {
	if s&bNOTE != 0 {
		return 0, d.available()
	}
	n = d.take(batch[:d.share(s, len(batch))])
	if n > 0 {
		d.keepWatch()
	}
	return n, n > 0
}

// share is how much of what is pending one of many runners takes: so much that
// there is something for each of the others that may run, whether they have
// begun or not. A CQ does not tell how many completions it has, so of those it
// takes one at a time.
func (d *EVD) share(s word, most int) int {
	lim := int(s.lim())
	if len(d.direct()) > 0 || lim == 0 {
		return 1
	}
	n := d.ring.Committed(most * lim)
	if sd := d.side.Load(); sd != nil {
		n += int(sd.n.Load())
	}
	return max(1, min(most, (n+lim-1)/lim))
}

// keepWatch is transition [R9]: before an upcall that others may run beside,
// the CQs are armed, so that somebody hears of the next completion while the
// upcall runs. The caller looks afterwards, in release.
func (d *EVD) keepWatch() {
	for {
		s := d.load()
		if s&bARM != 0 {
			return
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s|bARM)) { // [R9] as [R5]
			if d.arm() != nil {
				d.clearARM()
			}
			return
		}
	}
}

// available reports whether take would find something. TAKE must be held.
func (d *EVD) available() bool {
	if sd := d.side.Load(); sd != nil && sd.reach(d) > 0 {
		return true
	}
	if d.ring.Look() == ring.Event {
		return true
	}
	for _, l := range d.direct() {
		if l.cq.Pending() {
			return true
		}
	}
	return false
}

// pending reports whether an event is on a CQ, on its way through a pump, in the
// ring, in flight, or kept aside. It consumes nothing, and is for everybody.
//
// The order is the one in which events move, so that none slips by: whoever
// moves one shows it at its new place before it leaves the old one.
func (d *EVD) pending() bool { return d.pendingOutside() || d.pendingInside() }

// pendingOutside is the part of the CQs and pumps.
func (d *EVD) pendingOutside() bool {
	for _, l := range d.links() {
		if l.cq.Pending() {
			return true
		}
	}
	return d.pumpsHold()
}

// pendingInside is the part of the ring and of what is kept aside.
func (d *EVD) pendingInside() bool {
	if !d.ring.Idle() {
		return true // [O6] the ring first: a waiter may put aside what it has
	}
	sd := d.side.Load()
	return sd != nil && sd.n.Load() > 0
}
