package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/ring"
)

// Post queues a software event. Stream is set to Software, EVD to this EVD's
// id, and Number to SoftwareEvent if it is 0; all other fields are delivered
// as they are.
//
// With DispatchInline, SingleInstance and an idle EVD the upcall runs on the caller's stack,
// straight from the caller's event, before Post returns: do not hold a lock
// that the upcall takes. Otherwise a worker is told.
//
// Errors: ErrFull (the event was not queued), ErrClosed, ErrStream. It never
// blocks and does not allocate, but for the list of OverflowSpill, which has a
// lock and grows.
// Concurrency: from any goroutine. Inside this EVD's own upcall use
// Upcall.Post, which leaves the event to the running upcall's loop.
func (d *EVD) Post(ev Event) error {
	if d == nil {
		return nilHandle("engine: Post", "EVD")
	}
	if d.postInline && !d.traced {
		return d.postDirect(&ev)
	}
	if d.traced {
		return d.tracedPost(&ev)
	}
	return d.post(&ev)
}

// PostCM queues an event of the connection manager's that belongs to no
// Endpoint: of stream CR, or of Connection (a rejection, for example; what an
// Endpoint makes, it makes itself). Number must be one of the stream's. It is
// queued to a worker and never run inline.
//
// Errors: ErrFull (the event was not queued, and the async error EVDOverflow is
// raised), ErrClosed, ErrStream, ErrInvalid. OverflowSpill applies to it too, but for
// what EVDConfig.Priority lets go ahead.
// Concurrency: from any goroutine.
func (d *EVD) PostCM(ev Event) error {
	const op = "engine: PostCM"
	if err := d.valid(op); err != nil {
		return err
	}
	if ev.Stream != CR && ev.Stream != Connection {
		return param.Invalid(op, "Stream", ev.Stream, "CR or Connection")
	}
	if d.streams&ev.Stream == 0 {
		return fmt.Errorf("%s: %w: EVD %q has streams %v, the event is of %v", op, ErrStream, d.name, d.streams, ev.Stream)
	}
	if cm := ev.Number >= Established && ev.Number <= Unreachable; ev.Stream == Connection && !cm || ev.Stream == CR && ev.Number != ConnectionRequest {
		return param.Invalid(op, "Number", ev.Number, "one of stream "+ev.Stream.String())
	}
	ev.EVD = d.id
	f := d.flags.Load()
	if f&fSealed != 0 {
		return d.closedErr(op)
	}
	var st ring.Status
	if d.prio && ev.Stream == Connection {
		st = d.postUrgent(&ev)
	} else {
		st = d.enqueue(&ev, f)
	}
	if st != ring.OK {
		err := d.pushErr(op, st)
		if st == ring.Full {
			d.alarm(alarmOverflow, 0)
		}
		return err
	}
	d.trigger(srcPost)
	return nil
}

func (d *EVD) post(ev *Event) error {
	if d.postInline {
		return d.postDirect(ev)
	}
	if err := d.push(ev); err != nil {
		return err
	}
	d.trigger(srcPost)
	return nil
}

// stamp fills the fields that are not the poster's.
func (d *EVD) stamp(ev *Event) {
	ev.Stream = Software
	ev.EVD = d.id
	if ev.Number == 0 {
		ev.Number = SoftwareEvent
	}
}

// push queues one event and triggers nobody.
func (d *EVD) push(ev *Event) error {
	if !d.software {
		return d.streamErr()
	}
	f := d.flags.Load()
	if f&fSealed != 0 {
		return d.closedErr("engine: Post")
	}
	d.stamp(ev)
	st := d.enqueue(ev, f)
	if st == ring.OK {
		return nil
	}
	return d.pushErr("engine: Post", st)
}

// enqueue puts an event into the ring, or where the ring is full or must not be
// used into the list behind it, if there is one.
//
// [O3] f, the flags, were loaded before: with fSpilled the ring is not for posts,
// since an event of the same producer may be in the list. Pairs with [O1] and [O2].
func (d *EVD) enqueue(ev *Event, f uint32) ring.Status {
	st := ring.Full
	if f&fSpilled == 0 {
		st = d.ring.Push(ev)
	}
	if st == ring.Full && d.spillMax > 0 {
		st = d.spill(ev)
	}
	return st
}

func (d *EVD) pushErr(op string, st ring.Status) error {
	if st == ring.Closed {
		return d.closedErr(op)
	}
	d.stats.rejected.Add(1)
	if d.flags.Load()&fKept != 0 {
		d.trigger(srcPost) // what [E6] left fills the ring: nothing that is new can come in
	}
	return ErrFull
}

func (d *EVD) streamErr() error {
	return fmt.Errorf("engine: Post: %w: EVD %q has streams %v, Post needs %v", ErrStream, d.name, d.streams, Software)
}

// postDirect is the direct hand-off, transitions [X1] and [X2]: an idle EVD's
// upcall gets the poster's own event, the ring is not touched.
//
// TAKE is not needed: the slot is held, and the event never was in the ring.
// FIFO holds because the ring was seen idle, reserved slots included, after
// the word was loaded and before the compare-and-swap from exactly that word;
// a later look or a later word would let the event overtake one that is
// already queued. For the same reason it does not go ahead of what
// ModifyUpcallNew left on a CQ (fKept): that comes with the first new event. Nor
// ahead of the list behind the ring (fSpilled) or of connection events (fUrgent).
func (d *EVD) postDirect(ev *Event) error {
	if !d.software {
		return d.streamErr()
	}
	s := d.load()
	if s&(levelMask|runMask) == runsOne && d.flags.Load()&(fSealed|fKept|fSpilled|fUrgent) == 0 && d.ring.Idle() &&
		d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1] as [T]
		d.stamp(ev)
		r := d.ownRunner()
		r.evs[0] = *ev
		d.stats.direct.Add(1)
		if d.traced {
			d.tracedCall(r, r.evs[:1])
		} else {
			d.call(r, r.evs[:1])
		}
		s = d.load()
		if s.run() > s.lim() || s&bMISS != 0 || s&bARM == 0 ||
			!d.cas(s, s-runOne) { // [X2] as [R6]: only from a word without MISS
			d.runSlot(r)
		}
		return nil
	}
	if err := d.push(ev); err != nil {
		return err
	}
	if d.trigger(srcPostInline) {
		d.runSlot(d.ownRunner())
	}
	return nil
}

// ownRunner returns the runner of inline posts, made by the first: an EVD that is
// idle for ever needs none. The slot must be held.
func (d *EVD) ownRunner() *runner {
	if d.own == nil {
		d.own = &runner{evs: make([]Event, 1)}
	}
	return d.own
}
