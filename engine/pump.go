package engine

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/ring"
)

// pump moves the completions of one CQ into the ring of an EVD whose dispatch
// is Queued, so that a slow upcall never keeps the hardware from being
// drained. It is a machine of its own, with a word of the same layout (RUN,
// LIM=1, MISS, ARM, QUED), run by the CQ's poller and, after a full ring, by
// the one who frees space.
//
// A full ring never makes it take a completion that it cannot place: what it
// has polled and not yet placed is in its stash, at most one batch.
//
// Ownership: stash belongs to whoever holds the pump's slot, and to Close once
// the pump has been torn down.
type pump struct {
	machine
	d     *EVD
	link  *link
	buf   []hwcq.WC
	stash []hwcq.WC // the unplaced rest of buf

	// holds is true from before completions leave the CQ until all of them are
	// in the ring, so that whoever looks at CQ, holds and ring, in this order,
	// misses none. Writer: the slot's holder.
	holds atom.Bool
}

func (p *pump) arm() error { return p.link.armTaking() }

func (p *pump) retryArms() { p.link.retryArm() }

func (p *pump) noteArm(l *link, err error) { p.d.noteArm(l, err) }

func (p *pump) cqFailed(l *link, err error, other alarm) { p.d.cqFailed(l, err, other) }

func (p *pump) available() bool { return p.link.cq.Pending() }

// Nobody waits for a pump, and no CNO is told of one.
func (p *pump) enough() bool { return true }
func (p *pump) signal()      {}
func (p *pump) attend()      {}

// runSlot is [R] for a pump. It answers whether it placed anything.
//
// After the slot was given back it has a waiter look again if the CQ has failed:
// while a pump runs he does not believe that nothing can come any more.
func (p *pump) runSlot(r *runner) (moved bool) {
	moved = p.drain(r)
	if p.link.failed.Load() != 0 {
		p.d.wakeWaiter()
	}
	return moved
}

// drain moves completions until the CQ is empty or the ring full, and gives the
// slot back.
//
// A borrowed run (r is nil: the caller has just freed space, see startPumps)
// ends after one ring's worth of completions, or hardware that keeps up with
// other consumers would keep the caller for ever; the poller goes on. So does a run
// on a Poller's goroutine, which has others to look after.
func (p *pump) drain(r *runner) (moved bool) {
	left := p.d.ring.Cap()
	for {
		s := p.load()
		if s.run() > s.lim() {
			if p.cas(s, (s-runOne)|bMISS) { // [P1] as [R1]
				return moved
			}
			continue
		}
		if len(p.stash) == 0 {
			// After the word and before an exchange from that word without MISS:
			// a poller that ends has set failed, and then MISS. Then this run
			// goes on, to the end of what the CQ has.
			if (r == nil || r.home != nil) && left <= 0 && p.link.failed.Load() == 0 {
				if s&bMISS != 0 {
					p.word.CompareAndSwap(uint64(s), uint64(s&^bMISS))
				} else if p.cas(s, s-runOne) { // [P4] what is left is on the CQ
					p.link.poll.kick()
					return moved
				}
				continue
			}
			left -= p.fetch()
		}
		if len(p.stash) > 0 {
			if p.place() == ring.OK {
				moved = true
				continue
			}
			// [P2] Full. Leaving "with MISS" from any word would lose events:
			// the taker's trigger may come between the look and the leave,
			// find RUN=1, set MISS, and the pump would go away over it. So:
			// MISS=0, then STALL, then look, then leave by exact
			// compare-and-swap. (A closed ring answers Closed for ever: the
			// same way out, the stash goes to Close.)
			s = p.load()
			if s&bMISS != 0 && !p.word.CompareAndSwap(uint64(s), uint64(s&^bMISS)) {
				continue
			}
			s &^= bMISS
			p.d.stall()
			if p.place() == ring.OK {
				moved = true
				continue
			}
			if p.cas(s, s-runOne) { // [P3] exactly that MISS=0 word
				p.link.stats.stalls.Add(1)
				// What it holds may be new to an EVD that was enabled for what
				// is new, and no event in the ring will tell.
				p.d.trigger(srcPost)
				return moved
			}
			continue
		}
		if p.settle(0) {
			return moved
		}
	}
}

// fetch takes a batch from the CQ and answers how many it got.
func (p *pump) fetch() int {
	if !p.link.cq.Pending() {
		p.link.fresh = false
		return 0
	}
	p.holds.Store(true) // [P5] before the CQ is empty: pairs with pending and deaf
	p.stash = p.buf[:p.link.cq.Poll(p.buf)]
	if len(p.stash) == 0 {
		p.holds.Store(false)
	}
	if p.link.fresh {
		p.link.noteLook(len(p.stash))
	}
	return len(p.stash)
}

// place moves as much of the stash into the ring as there is room for and
// tells the EVD.
//
// [O4] While posts wait in the list behind the ring the ring counts as full, or
// completions would keep it filled and the list's turn never come. Looked at each
// time, after STALL too: pairs with [O2].
func (p *pump) place() ring.Status {
	if p.d.spillMax > 0 && p.d.flags.Load()&fSpilled != 0 {
		return ring.Full
	}
	c, st := p.d.ring.ReserveUpTo(len(p.stash))
	if st != ring.OK {
		return st
	}
	for i := range c.Len() {
		p.d.eventFromWC(p.d.ring.Slot(c, i), &p.stash[i], p.link.index)
	}
	p.stash = p.stash[c.Len():]
	p.d.ring.Commit(c)
	if len(p.stash) == 0 {
		p.holds.Store(false) // [P6] after they are in the ring
	}
	p.link.stats.polled.Add(uint64(c.Len()))
	p.d.trigger(srcPost)
	return ring.OK
}

// pumpsHold reports whether a pump has completions that are neither on its CQ
// nor in the ring.
func (d *EVD) pumpsHold() bool {
	for _, p := range d.pumps() {
		if p.holds.Load() {
			return true
		}
	}
	return false
}

// stall sets STALL: whoever takes from the ring starts the pumps.
func (d *EVD) stall() {
	for {
		s := d.load()
		if s&bSTALL != 0 || d.word.CompareAndSwap(uint64(s), uint64(s|bSTALL)) { // [S] pairs with [R4]
			return
		}
	}
}

// gather is transition [O6]: a waiter has not enough, and a pump has gone away, since
// the ring is full, or counts as full because of the list behind it. Nobody else takes
// from either while he waits; so he puts what they have aside, as much as he wants at
// most, and the pumps go on. It answers whether it has moved anything: count again.
// TAKE must be held.
func (d *EVD) gather(want int) (moved bool) {
	if d.load()&bSTALL == 0 { // [O6] after WAIT: pairs with [S], and the trigger behind [P3]
		return false
	}
	sd := d.needSide()
	var buf [8]Event
	sd.n.Add(1) // before they leave: one too many, as in copyFrom
	defer sd.n.Add(-1)
	for len(sd.stash)-sd.head < want {
		n := d.takeRing(buf[:])
		if n == 0 {
			break
		}
		for i := range buf[:n] {
			sd.stashed(buf[i])
		}
		moved = true
	}
	if moved {
		d.startStalled() // [Z9] there is room
	}
	return moved
}
