package engine

import "github.com/evdengine/evd/ring"

// PostN queues software events, in order, as many of evs as there is room for, and
// answers how many: those are queued as if by n calls of Post. If n < len(evs) the
// error says why evs[n] was not; the others were not tried.
//
// It costs what a Post costs: one reservation and one publication, and somebody is told
// once. With DispatchInline, SingleInstance and an idle EVD the upcall runs on
// the caller's stack and gets evs itself, Batch by Batch, without a copy. After the
// EVD's Budget, or when upcalls are disabled meanwhile, the others are queued.
//
// Ownership: evs is the engine's and the upcall's until PostN returns, and their writes
// show then: Stream, EVD and Number may have been set in it. Afterwards it is
// the caller's again. Keep it and use it again: a slice made for each call is an allocation.
//
// Errors: as Post. None for no events.
// Concurrency, progress: as Post.
func (d *EVD) PostN(evs []Event) (n int, err error) {
	const op = "engine: PostN"
	if err := d.valid(op); err != nil {
		return 0, err
	}
	if len(evs) > 0 && len(evs) <= int(d.once) {
		s := d.load()
		if d.free(s) && d.ring.Idle() && d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1] as in Post
			o := d.ownRunner()
			d.stamp(evs)
			d.countBurst(len(evs))
			d.call(&o.runner, evs)
			if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) { // [X2] as in leave
				d.leave(&o.runner)
			}
			return len(evs), nil
		}
	}
	n, err = d.postN(evs, op)
	if d.e.tracing&TraceAPI != 0 {
		d.e.traceAPI(err, "evd_post_n", "evd", d, "events", len(evs), "accepted", n)
	}
	return n, err
}

// PostN is EVD.PostN from inside the upcall: the events are queued, and the loop that
// called this upcall finds them. It never recurses, and does not write to evs.
func (u *Upcall) PostN(evs []Event) (n int, err error) {
	if !u.live {
		return 0, ErrUpcallOver
	}
	d := u.evd
	n, err = d.pushN(evs, "engine: PostN")
	if n > 0 {
		d.trigger(srcInside)
	}
	if d.e.tracing&TraceAPI != 0 {
		d.e.traceAPI(err, "evd_post_n", "evd", d, "events", len(evs), "accepted", n)
	}
	return n, err
}

func (d *EVD) postN(evs []Event, op string) (n int, err error) {
	if len(evs) > 0 && d.mayHandOff() {
		s := d.load()
		if d.free(s) && d.ring.Idle() && d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1] as in Post
			return d.handOff(evs, op)
		}
	}
	n, err = d.pushN(evs, op)
	if n > 0 {
		d.triggerPost()
	}
	return n, err
}

// handOff delivers events with the slot that [X1] has taken, and gives the slot
// back. The policy is looked at before each upcall, as in runSlot; what it then forbids, and
// what is beyond the budget, goes through the ring.
//
// That others have queued something meanwhile is no reason to stop: all of evs came
// when the EVD was idle.
func (d *EVD) handOff(evs []Event, op string) (n int, err error) {
	o := d.ownRunner()
	for {
		k := min(len(evs)-n, int(d.batch), int(d.budget)-n)
		d.deliverDirect(&o.runner, evs[n:n+k])
		if n += k; n == len(evs) {
			d.leave(&o.runner)
			return n, nil
		}
		if n == int(d.budget) || d.load()&(levelMask|runMask) != runsOne|runOne {
			break
		}
	}
	// The slot is held until the others are in the ring: nobody comes between
	// who would leave them there.
	k, err := d.pushN(evs[n:], op)
	if n != int(d.budget) || !d.handOver() {
		d.runSlot(&o.runner)
	}
	return n + k, err
}

// deliverDirect is an upcall with events that do not come from the ring. The slot is held.
func (d *EVD) deliverDirect(r *runner, evs []Event) {
	d.stamp(evs)
	d.countBurst(len(evs))
	if d.traced {
		d.tracedCall(r, evs)
	} else {
		d.call(r, evs)
	}
}

// pushN queues as many events as fit and triggers nobody.
func (d *EVD) pushN(evs []Event, op string) (n int, err error) {
	f, err := d.openForPost(op)
	if err != nil || len(evs) == 0 {
		return 0, err
	}
	st := ring.Full
	if f&fSpilled == 0 { // [O3]
		var c ring.ChainClaim[Event]
		if c, st = d.ring.ReserveUpTo(len(evs)); st == ring.OK {
			for n = range c.Len() {
				d.fill(d.ring.Slot(c, n), &evs[n])
			}
			n = c.Len()
			d.ring.Commit(c)
			if n == len(evs) {
				return n, nil
			}
			st = ring.Full
		}
	}
	for st == ring.Full && d.spillMax > 0 {
		var ev Event
		d.fill(&ev, &evs[n])
		if st = d.spill(&ev); st != ring.OK {
			break
		}
		if n++; n == len(evs) {
			return n, nil
		}
		st = ring.Full
	}
	return n, d.pushErr(op, st, len(evs)-n)
}

// stamp sets the fields that are not the poster's. A slice that is used again has them
// already.
func (d *EVD) stamp(evs []Event) {
	i, id := 0, d.id
	for i < len(evs) && evs[i].Stream == Software && evs[i].EVD == id && evs[i].Number != 0 {
		i++
	}
	for evs = evs[i:]; len(evs) > 0; evs = evs[1:] {
		ev := &evs[0]
		ev.Stream, ev.EVD = Software, id
		if ev.Number == 0 {
			ev.Number = SoftwareEvent
		}
	}
}

func (d *EVD) countBurst(n int) {
	b := made(&d.stats.bursts)
	b.events.Add(uint64(n))
	b.sizes[bucket(n)].Add(1)
}
