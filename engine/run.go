package engine

import (
	"context"

	"github.com/evdengine/evd/internal/atom"
)

// runner is what a goroutine that runs upcalls brings along: the handle and
// the batch it passes to them. A runner serves one slot at a time.
type runner struct {
	up  Upcall
	evs []Event

	// The pprof labels of its goroutine, with Config.Regions and where it is the
	// engine's own, and the name in them.
	labels context.Context
	name   string

	lingers *poller // whose goroutine may stay in a run of an exclusive EVD; nil: it may not

	// stays: the goroutine has nothing else to serve, so that at the end of
	// its budget it yields the CPU and goes on instead of handing over.
	stays bool

	// home is the machine that a Poller's goroutine runs now: at the end of a budget
	// it sets owes, and goes on with it in the next turn, after the others. nil: not
	// a Poller's.
	home sink
	owes bool

	// tied: it is locked to its thread, where to yield is to switch threads, twice:
	// so it does that now and then only. (The runtime interrupts it after 10 ms anyway.)
	tied  bool
	turns uint8 // owner: the goroutine; budgets used up since it yielded
}

// yields tells, at the end of a budget, whether others are let run.
func (r *runner) yields() bool {
	r.turns++
	return !r.tied || r.turns == 0
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
	batch := r.batch(int(d.batch))
	have := false // I hold TAKE
	left := int(d.budget)
	stay := r.lingers != nil
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
			if d.flags.Load()&fKept != 0 {
				d.flags.And(^fKept) // before the looks: what was kept is among what they find
			}
		}

		if stay {
			some, on := d.linger(r, batch)
			moved = moved || some
			if stay = on; on {
				continue
			}
		}
		n, found := 0, false
		switch {
		case s&(limMany|bCNO|bNOTE) == 0:
			if moved && !d.busy && s&bARM == 0 && d.rearm(s|bTAKE, bTAKE) {
				return moved
			}
			n = d.take(batch)
			if found = n > 0; moved {
				d.busy = found
			}
		case s&bCNO != 0: // a run that was queued before
			d.release(false)
			d.attend()
			return moved
		default:
			n, found = d.takeOther(s, batch)
		}
		if found {
			if !d.exclusive { // [J1] its TAKE stays: inside is nobody but the upcall
				d.release(false)
				have = false
			}
			moved, stay = true, r.lingers != nil
			d.deliver(r, batch[:n])
			if left -= max(n, 1); left > 0 {
				continue
			}
			left = int(d.budget)
			if r.stays {
				if r.yields() {
					atom.Spin()
				}
			} else if d.handOver(r) {
				return moved
			}
			continue
		}

		if d.settle(bTAKE) { // arm, then look again, then leave: see arm.go
			return moved
		}
	}
}

// release is transition [R4]: TAKE is given back by one who stays (a runner
// before its upcall) or goes (a Dequeue, a waiter). STALL falls in the same
// step, and the pumps that had set it are started, now that there is room.
//
// outside: the caller is not a runner, so a MISS that it finds has nobody who
// promised to look, and it starts a run. With many instances a runner that
// leaves something behind starts another, so that as many upcalls run as may.
// (Only one who has taken something: two runners who start each other after
// finding nothing would do so for ever.)
//
// A waiter leaves MISS behind: it has cleared it, and may leave events. Without
// the mark the word could be again what Enable saw before the events came.
func (d *EVD) release(outside bool) {
	for {
		s := d.load()
		n := s &^ (bTAKE | bOWN | bSTALL)
		if s&bOWN != 0 {
			n |= bMISS
		}
		claim := s.run() < s.lim() && (s&bQUED == 0 || s&bCNO != 0)
		if outside {
			claim = claim && s&bMISS != 0
		} else {
			claim = claim && s&limMany != 0 && (s&bMISS != 0 || d.available())
		}
		switch {
		case claim && s&bCNO != 0:
			n += runOne // [K1] as in trigger
		case claim:
			n |= bQUED
		}
		if !d.cas(s, n) { // [R4] pairs with [R3]
			continue
		}
		switch {
		case claim && s&bCNO != 0:
			d.attend()
		case claim:
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
	for _, p := range d.pumps() {
		if p.trigger(srcWatch) {
			p.runSlot(nil)
		}
	}
}

// handOver is transition [R7]: the budget is used up, the slot goes to a
// queued run. TAKE is not held, but of an exclusive EVD, which gives it back here. It
// answers false when the word changed; then the caller goes on. A Poller (r.home) keeps
// the queued run to itself.
func (d *EVD) handOver(r *runner) bool {
	s := d.load()
	if s.run() > s.lim() {
		return false // [R1] does it
	}
	if !d.cas(s, (s-runOne)&^d.keeps()|bQUED) { // [R7] pairs with [W]
		return false
	}
	switch {
	case s&bQUED != 0:
	case r != nil && r.home == sink(d):
		r.owes = true
	default:
		d.e.rq.push(&d.machine)
	}
	d.stats.handOvers.Add(1)
	return true
}

// deliver calls the upcall with a batch. The slot is held, TAKE is not.
func (d *EVD) deliver(r *runner, evs []Event) {
	d.stats.batch(len(evs))
	d.stats.delivered.Add(uint64(len(evs)))
	if d.e.tracing&(TraceEVD|TraceCompletion|traceRegions) != 0 {
		d.tracedCall(r, evs)
		return
	}
	d.call(r, evs)
}

// abandon gives the slot of an upcall that did not return to a queued run.
func (d *EVD) abandon() {
	for {
		s := d.load()
		if s.run() > s.lim() {
			if d.cas(s, (s-runOne)&^d.keeps()|bMISS) { // [R1]
				return
			}
		} else if d.handOver(nil) {
			return
		}
	}
}
