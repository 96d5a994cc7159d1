package engine

import (
	"fmt"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// UpcallFunc is called with events. It runs on an engine goroutine (or, with
// Dispatch Inline, on the poster's) and should not block: see Dispatch.
type UpcallFunc func(u *Upcall)

// Upcall is the handle that an upcall works through. It is valid until the
// upcall returns and only on the goroutine it was called on; the slice of
// events is too.
//
// After the upcall has returned the methods return ErrUpcallOver, until the
// engine uses the handle for another upcall.
//
// Its methods are the "inside" versions of the EVD's: Go has no goroutine
// identity, so being inside is explicit. That is what makes Disable from
// inside exact.
type Upcall struct {
	evd    *EVD
	events []Event
	live   bool // the upcall has not returned
}

// alive tells whether the upcall has not returned. The handle is used again: only who has
// the slot may ask.
func (u *Upcall) alive() bool {
	atom.PlainRead(unsafe.Pointer(&u.live))
	return u.live
}

// EVD returns the EVD whose upcall this is, nil after its return.
func (u *Upcall) EVD() *EVD {
	if !u.alive() {
		return nil
	}
	return u.evd
}

// Events returns the batch, oldest first; at least one event, at most
// EVDConfig.Batch. They are delivered, whatever the upcall does with them. With
// policy NotificationOnly there are none: dequeue.
func (u *Upcall) Events() []Event { return u.events }

// More hints whether further events were pending a moment ago.
func (u *Upcall) More() bool { return u.alive() && u.evd.pending() }

// Dequeue is EVD.Dequeue from inside the upcall: it hands out events that come
// after this batch.
func (u *Upcall) Dequeue(dst []Event) (int, error) {
	if !u.alive() {
		return 0, ErrUpcallOver
	}
	if u.evd.exclusive {
		return u.evd.dequeueInside(dst)
	}
	return u.evd.dequeue(dst, false)
}

// Post is EVD.Post from inside the upcall: the event is queued, and the loop
// that called this upcall finds it. It never recurses.
func (u *Upcall) Post(ev Event) error {
	if !u.alive() {
		return ErrUpcallOver
	}
	err := u.evd.push(&ev)
	if err == nil {
		u.evd.trigger(srcInside)
	}
	if u.evd.e.tracing&TraceAPI != 0 {
		u.evd.e.traceAPI(err, "evd_post_se", "evd", u.evd, "wrid", ev.WRID)
	}
	return err
}

// ModifyUpcall is EVD.ModifyUpcall from inside the upcall. Disable is exact:
// after it returned no further upcall begins, until somebody enables. (With
// Many, one that had already looked at the policy may.) Teardown would wait for
// itself: it disables, and returns ErrInUpcall. The function cannot be replaced
// from inside (ErrBusy: an upcall runs).
func (u *Upcall) ModifyUpcall(p Policy, fn UpcallFunc) error { return u.modify(p, fn, strict) }

// ModifyUpcallAny is EVD.ModifyUpcallAny from inside the upcall.
func (u *Upcall) ModifyUpcallAny(p Policy, fn UpcallFunc) error { return u.modify(p, fn, invokeAny) }

// ModifyUpcallNew is EVD.ModifyUpcallNew from inside the upcall, which looks
// once more when it returns: it is as ModifyUpcallAny there.
func (u *Upcall) ModifyUpcallNew(p Policy, fn UpcallFunc) error { return u.modify(p, fn, invokeNew) }

func (u *Upcall) modify(p Policy, fn UpcallFunc, v verb) error {
	d := u.evd
	if !u.alive() {
		return ErrUpcallOver
	}
	if p != Teardown {
		return d.modify(p, fn, v)
	}
	if err := d.modify(Disable, Same, v); err != nil {
		return err
	}
	return fmt.Errorf("engine: ModifyUpcall: EVD %q: %w: upcalls are disabled, but this one runs", d.name, ErrInUpcall)
}
