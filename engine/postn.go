package engine

import "github.com/evdengine/evd/ring"

// PostN queues software events, in order, as many of evs as there is room for, and
// answers how many: as if they were given to Post one by one, up to the first that is
// refused. If n < len(evs) the error says why that one was.
//
// It costs what a Post costs: one reservation and one publication, and somebody is told
// once. With DispatchInline, SingleInstance and an idle EVD the upcall runs on
// the caller's stack before PostN returns, and gets the events where they are, without
// the ring and without a copy: the first Batch of evs. The others are queued behind them.
//
// Ownership: evs is the engine's and the upcall's until PostN returns, and what they write
// shows then: Stream, EVD and Number may have been set in it. Afterwards it is
// the caller's again. Keep it and use it again: a slice made for each call is an allocation.
//
// Errors: as Post. None for no events.
// Concurrency, progress: as Post. Inside this EVD's own upcall use Upcall.PostN.
func (d *EVD) PostN(evs []Event) (n int, err error) {
	const op = "engine: PostN"
	if err := d.valid(op); err != nil {
		return 0, err
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
	if !u.alive() {
		return 0, ErrUpcallOver
	}
	d := u.evd
	if len(evs) > 0 {
		n, err = d.pushN(evs, "engine: PostN")
	}
	if n > 0 {
		d.trigger(srcInside)
	}
	if d.e.tracing&TraceAPI != 0 {
		d.e.traceAPI(err, "evd_post_n", "evd", d, "events", len(evs), "accepted", n)
	}
	return n, err
}

func (d *EVD) postN(evs []Event, op string) (n int, err error) {
	if len(evs) == 0 {
		return 0, nil
	}
	if d.mayHandOff() {
		s := d.load()
		if d.free(s) && d.ring.Idle() && d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1] as in Post
			return d.handOff(s, evs, op)
		}
	}
	n, err = d.pushN(evs, op)
	if n > 0 {
		d.triggerPost()
	}
	return n, err
}

// handOff is a direct hand-off of as many events as an upcall gets, with the slot that
// [X1] has taken, from the word s. The others are in the ring before it: nothing that comes
// meanwhile, from the upcall itself for example, goes ahead of them, and what becomes of them
// is runSlot's affair, as ever.
func (d *EVD) handOff(s word, evs []Event, op string) (n int, err error) {
	r := &d.ownRunner().runner
	now := min(len(evs), int(d.batch), int(d.budget))
	if now < len(evs) {
		n, err = d.pushN(evs[now:], op)
	}
	d.deliverDirect(r, evs[:now])
	if n > 0 {
		d.runSlot(r)
	} else if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) { // [X2] as in Post
		d.leave(r)
	}
	return now + n, err
}

// deliverDirect is an upcall with events that do not come from the ring. The slot is held.
func (d *EVD) deliverDirect(r *runner, evs []Event) {
	d.stamp(evs)
	b := made(&d.stats.bursts)
	b.events.Add(uint64(len(evs)))
	d.callOwn(r, b, evs)
}

// pushN queues as many events as fit and triggers nobody.
func (d *EVD) pushN(evs []Event, op string) (n int, err error) {
	f, err := d.openForPost(op)
	if err != nil {
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

// stamp sets the fields that are not the poster's, whatever they are: to look first
// whether a slice that is used again has them takes longer.
func (d *EVD) stamp(evs []Event) {
	id := d.id
	for i := range evs {
		ev := &evs[i]
		ev.Stream, ev.EVD = Software, id
		if ev.Number == 0 {
			ev.Number = SoftwareEvent
		}
	}
}
