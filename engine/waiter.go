package engine

import (
	"context"
	"iter"
	"time"
)

// Wait sleeps until at least threshold events are pending, 1..Capacity (with
// OverflowSpill the list counts too: 1..Capacity+SpillLimit), and
// moves the first of them, up to len(dst), into dst. n is how many, 1 at least,
// and more how many are left: n + more >= threshold, and what more counts stays
// there for the next call unless somebody else takes it. (A CQ does not tell how
// many completions it has: it counts as one.) After Shutdown has begun one event is
// enough.
//
// Upcalls must be disabled. One goroutine at a time may wait: while it does,
// the EVD is its own, and a second Wait, Dequeue and enabling are refused with
// ErrWaiter. The CQs are armed while it sleeps.
//
// When ctx ends first, its error is returned and no event is taken; more is
// valid then too. Events that are there win over a ctx that has ended. A
// deadline of ctx is absolute: waking up for too few events does not prolong
// it.
//
// Other errors: ErrThreshold, ErrInvalid (dst), ErrEnabled, ErrOnCNO, ErrWaiter,
// ErrUnwaitable, ErrWoken, ErrClosed; hwcq.ErrOverrun, hwcq.ErrRemoved or
// hwcq.ErrCorrupt when all CQs have failed and nothing else feeds the EVD. None of them takes an
// event.
//
// Progress: blocks. It does not allocate when the events are there.
// Source: dat_evd_wait (DAT 2.0), whose nmore is more.
func (d *EVD) Wait(ctx context.Context, threshold int, dst []Event) (n, more int, err error) {
	return d.wait(waiting{ctx: ctx, op: "engine: Wait", threshold: threshold}, dst)
}

// WaitBatch is Wait that ends after latency too, with however many events are
// pending then, none included: it returns when threshold events are there, or
// after latency with fewer. n is 0 and the error nil if there were none.
func (d *EVD) WaitBatch(ctx context.Context, threshold int, latency time.Duration, dst []Event) (n, more int, err error) {
	return d.wait(waiting{ctx: ctx, op: "engine: WaitBatch", threshold: threshold, until: time.Now().Add(latency)}, dst)
}

// Events waits for events, one after the other, until the loop ends or Wait
// fails: then the error, ctx's for example, is yielded once, with no event. An
// event is taken when it is yielded, so leaving the loop leaves nothing behind.
func (d *EVD) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var buf [1]Event
		for {
			if _, _, err := d.Wait(ctx, 1, buf[:]); err != nil {
				yield(Event{}, err)
				return
			}
			if !yield(buf[0], nil) {
				return
			}
		}
	}
}

// Wake has the waiter return with ErrWoken, or else the next one: it is sticky
// until a Wait has returned ErrWoken because of it. Wakes before that count as
// one. Events that are there win over it. For any goroutine; it never blocks.
func (d *EVD) Wake() error { return d.setFlag("engine: Wake", fWoken) }

// SetUnwaitable has the waiter, and every Wait until ClearUnwaitable, return
// ErrUnwaitable. Events keep arriving, and upcalls are not concerned.
// Idempotent, for any goroutine.
func (d *EVD) SetUnwaitable() error { return d.setFlag("engine: SetUnwaitable", fUnwaitable) }

// ClearUnwaitable undoes SetUnwaitable.
func (d *EVD) ClearUnwaitable() error {
	if err := d.valid("engine: ClearUnwaitable"); err != nil {
		return err
	}
	d.flags.And(^fUnwaitable)
	d.e.trace(TraceAPI, "evd_clear_unwaitable", "evd", d)
	return nil
}

func (d *EVD) setFlag(op string, f uint32) error {
	if err := d.valid(op); err != nil {
		return err
	}
	if f == fUnwaitable {
		d.flags.Add(fSetOne) // first: who begins to wait after it finds the bit, or returns because of it
	}
	d.flags.Or(f) // before WAIT is cleared: pairs with the look after [W2]
	d.wakeWaiter()
	if f == fWoken {
		d.e.trace(TraceAPI, "evd_wake", "evd", d)
	} else {
		d.e.trace(TraceAPI, "evd_set_unwaitable", "evd", d)
	}
	return nil
}
