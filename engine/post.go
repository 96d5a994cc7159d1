package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/ring"
)

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
		err := d.pushErr(op, st, 1)
		if st == ring.Full {
			d.alarm(alarmOverflow, 0)
		}
		return err
	}
	d.trigger(srcPost)
	return nil
}

// queue posts by way of the ring, and runs or has somebody run.
func (d *EVD) queue(ev *Event) error {
	if err := d.push(ev); err != nil {
		return err
	}
	d.triggerPost()
	return nil
}

// triggerPost is what follows when software events have been queued.
func (d *EVD) triggerPost() {
	if !d.postInline {
		d.trigger(srcPost)
	} else if d.trigger(srcPostInline) {
		d.runSlot(&d.ownRunner().runner)
	}
}

// fill writes what ev becomes when it is delivered: all that is the poster's, and
// what is not. Field by field, because the poster has just written them so: a wider
// read would wait until the writes have left the store buffer.
func (d *EVD) fill(dst, ev *Event) {
	dst.WRID = ev.WRID
	dst.Stream = Software
	dst.CQ = ev.CQ
	n := ev.Number
	if n == 0 {
		n = SoftwareEvent
	}
	dst.Number = n
	dst.Status = ev.Status
	dst.Opcode = ev.Opcode
	dst.VendorErr = ev.VendorErr
	dst.ByteLen = ev.ByteLen
	dst.Imm = ev.Imm
	dst.Flags = ev.Flags
	dst.QPNum = ev.QPNum
	dst.SrcQP = ev.SrcQP
	dst.EVD = d.id
}

// push queues one software event and triggers nobody.
func (d *EVD) push(ev *Event) error {
	const op = "engine: Post"
	f, err := d.openForPost(op)
	if err != nil {
		return err
	}
	st := ring.Full
	if f&fSpilled == 0 { // [O3]
		var c ring.ChainClaim[Event]
		if c, st = d.ring.Reserve(1); st == ring.OK {
			d.fill(d.ring.Slot(c, 0), ev)
			d.ring.Commit(c)
			return nil
		}
	}
	if st == ring.Full && d.spillMax > 0 {
		d.fill(ev, ev)
		if st = d.spill(ev); st == ring.OK {
			return nil
		}
	}
	return d.pushErr(op, st, 1)
}

// openForPost returns the flags, or why there is nothing to post to.
func (d *EVD) openForPost(op string) (uint32, error) {
	if !d.software {
		return 0, d.streamErr(op)
	}
	f := d.flags.Load()
	if f&fSealed != 0 {
		return 0, d.closedErr(op)
	}
	return f, nil
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

// pushErr counts n events that were refused with st, and says why.
func (d *EVD) pushErr(op string, st ring.Status, n int) error {
	if st == ring.Closed {
		return d.closedErr(op)
	}
	d.stats.rejected.Add(uint64(n))
	if d.flags.Load()&fKept != 0 {
		d.trigger(srcPost) // what [E6] left fills the ring: nothing that is new can come in
	}
	return ErrFull
}

func (d *EVD) streamErr(op string) error {
	return fmt.Errorf("%s: %w: EVD %q has streams %v, software events need %v", op, ErrStream, d.name, d.streams, Software)
}
