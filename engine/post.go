package engine

import (
	"fmt"

	"github.com/evdengine/evd/ring"
)

// Post queues a software event. Stream is set to Software, EVD to this EVD's
// id, and Number to SoftwareEvent if it is 0; all other fields are delivered
// as they are.
//
// With Dispatch Inline and an idle EVD the upcall runs on the caller's stack,
// straight from the caller's event, before Post returns: do not hold a lock
// that the upcall takes. Otherwise a worker is told.
//
// Errors: ErrFull (the event was not queued), ErrClosed, ErrStream. It never
// blocks and does not allocate.
// Concurrency: from any goroutine. Inside this EVD's own upcall use
// Upcall.Post, which leaves the event to the running upcall's loop.
func (d *EVD) Post(ev Event) error {
	if d.postInline {
		return d.postDirect(&ev)
	}
	if err := d.push(&ev); err != nil {
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
	d.stamp(ev)
	st := d.ring.Push(ev)
	if st == ring.OK {
		return nil
	}
	return d.pushErr(st)
}

func (d *EVD) pushErr(st ring.Status) error {
	if st == ring.Closed {
		return d.closedErr("engine: Post")
	}
	d.stats.rejected.Add(1)
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
// already queued.
func (d *EVD) postDirect(ev *Event) error {
	if !d.software {
		return d.streamErr()
	}
	s := d.load()
	if s.run() == 0 && s.lim() > 0 && d.ring.Idle() &&
		d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1] as [T]
		d.stamp(ev)
		r := d.own
		r.evs[0] = *ev
		d.stats.direct.Add(1)
		d.call(r, r.evs[:1])
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
		d.runSlot(d.own)
	}
	return nil
}
