package engine

import (
	"github.com/evdengine/evd/internal/atom"
)

// runner is what a goroutine that runs upcalls brings along: the handle and
// the batch it passes to them. A runner serves one slot at a time.
type runner struct {
	up  Upcall
	evs []Event

	// stays: the goroutine has nothing else to serve, so that at the end of
	// its budget it yields the CPU and goes on instead of handing over.
	stays bool
}

func (r *runner) batch(n int) []Event {
	if len(r.evs) < n {
		r.evs = make([]Event, n) // grows to the largest Batch once
	}
	return r.evs[:n]
}

// runSlot is transition [R]: it delivers events with the slot it holds until
// nothing is left, the policy forbids, or the budget is used up, and gives the
// slot back. It answers whether it delivered anything.
//
// The policy is looked at before each take and never after: an event that was
// taken is delivered, since there is nowhere to put it back.
func (d *EVD) runSlot(r *runner) (moved bool) {
	batch := r.batch(d.batch)
	have := false // I hold TAKE
	left := d.budget
	for {
		s := d.load()
		switch {
		case s.run() > s.lim():
			// [R1] The policy forbids: give the slot back and leave the mark.
			// Without the mark, an excess runner of a lowered limit would take
			// a poster's trust in it along.
			n := (s - runOne) | bMISS
			if have {
				n &^= bTAKE
			}
			if d.cas(s, n) {
				return moved
			}
			continue
		case !have && s&bTAKE != 0:
			// [R2] Another consumer is taking. He looks at MISS when he
			// releases, so the mark hands him the duty to have a run started.
			if d.cas(s, (s-runOne)|bMISS) {
				return moved
			}
			continue
		case !have:
			// [R3] acquire: become the consumer; pairs with the release [R4]
			// of the one before.
			if !d.word.CompareAndSwap(uint64(s), uint64(s|bTAKE)) {
				continue
			}
			have = true
		}

		if n := d.take(batch); n > 0 {
			d.release(false)
			have = false
			moved = true
			d.deliver(r, batch[:n])
			if left -= n; left > 0 {
				continue
			}
			left = d.budget
			if r.stays {
				atom.Spin()
			} else if d.handOver() {
				return moved
			}
			continue
		}

		if d.settle(bTAKE) { // arm, then look again, then leave: see arm.go
			return moved
		}
	}
}

// take moves up to len(dst) events into dst, from the ring or from a CQ that
// is attached directly. TAKE must be held.
//
// The ring is looked at first, but after a batch from the ring the CQs are:
// posters that keep the ring filled must not make a CQ overrun. (Completions of
// such a CQ never pass the ring, so no order is lost.) 0 means that everything
// was looked at and found empty.
func (d *EVD) take(dst []Event) (n int) {
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
	d.ringLast = len(d.direct) > 0
	return n
}

func (d *EVD) takeRing(dst []Event) int {
	n := d.ring.PopN(dst)
	if n > 0 {
		d.ring.Return() // so that Idle is exact whenever TAKE is free
	}
	return n
}

func (d *EVD) takeCQs(dst []Event) int {
	for range d.direct {
		l := d.direct[d.turn]
		if d.turn++; d.turn == len(d.direct) {
			d.turn = 0
		}
		k := min(len(dst), len(d.wcs))
		if n := l.cq.Poll(d.wcs[:k]); n > 0 {
			for i := range n {
				eventFromWC(&dst[i], &d.wcs[i], d.id, l.index)
			}
			d.stats.polled.Add(uint64(n))
			return n
		}
	}
	return 0
}

// release is transition [R4]: TAKE is given back by one who stays (a runner
// before its upcall) or goes (a Dequeue). STALL falls in the same step, and
// the pumps that had set it are started, now that there is room. outside: the
// caller is not a runner, so a MISS that it finds has nobody who promised to
// look, and it starts a run.
func (d *EVD) release(outside bool) {
	for {
		s := d.load()
		n := s &^ (bTAKE | bSTALL)
		claim := outside && s&bMISS != 0 && s.run() < s.lim() && s&bQUED == 0
		if claim {
			n |= bQUED
		}
		if !d.cas(s, n) { // [R4] pairs with [R3]
			continue
		}
		if claim {
			d.e.rq.push(&d.machine)
		}
		if s&bSTALL != 0 {
			d.startPumps()
		}
		return
	}
}

// startPumps runs the pumps that went away from a full ring, here and now: it
// calls no user code and ends when the ring is full again, has been filled
// once, or the CQs are empty.
// A worker could be one that is blocked in the very upcall that drains the
// ring.
func (d *EVD) startPumps() {
	for _, p := range d.pumps {
		if p.trigger(srcWatch) {
			p.runSlot(nil)
		}
	}
}

// handOver is transition [R7]: the budget is used up, the slot goes to a
// queued run. TAKE is not held. It answers false when the word changed; then
// the caller goes on.
func (d *EVD) handOver() bool {
	s := d.load()
	if s.run() > s.lim() {
		return false // [R1] does it
	}
	if !d.cas(s, (s-runOne)|bQUED) { // [R7] pairs with [W]
		return false
	}
	if s&bQUED == 0 {
		d.e.rq.push(&d.machine)
	}
	d.stats.handOvers.Add(1)
	return true
}

// deliver calls the upcall with a batch. The slot is held, TAKE is not.
func (d *EVD) deliver(r *runner, evs []Event) {
	d.stats.upcalls.Add(1)
	d.stats.delivered.Add(uint64(len(evs)))
	d.call(r, evs)
}

// call is an upcall. One that does not return (a panic that somebody above
// recovers, runtime.Goexit) must not take the slot along.
func (d *EVD) call(r *runner, evs []Event) {
	returned := false
	defer func() {
		r.up = Upcall{} // the handle is dead now
		if !returned {
			d.abandon()
		}
	}()
	r.up = Upcall{evd: d, events: evs}
	d.fn(&r.up)
	returned = true
}

// abandon gives the slot of an upcall that did not return to a queued run.
func (d *EVD) abandon() {
	for {
		s := d.load()
		if s.run() > s.lim() {
			if d.cas(s, (s-runOne)|bMISS) { // [R1]
				return
			}
		} else if d.handOver() {
			return
		}
	}
}

// pending reports whether an event is in the ring, in flight, or on a CQ. It
// consumes nothing. (What a pump has in its stash came after a full ring, and
// is on its way to it.)
func (d *EVD) pending() bool {
	if !d.ring.Idle() {
		return true
	}
	for _, l := range d.links {
		if l.cq.Pending() {
			return true
		}
	}
	return false
}
