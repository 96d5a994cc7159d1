package engine

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
}

// EVD returns the EVD whose upcall this is, nil after its return.
func (u *Upcall) EVD() *EVD { return u.evd }

// Events returns the batch, oldest first; at least one event, at most
// EVDConfig.Batch. They are delivered, whatever the upcall does with them.
func (u *Upcall) Events() []Event { return u.events }

// More hints whether further events were pending a moment ago.
func (u *Upcall) More() bool { return u.evd != nil && u.evd.pending() }

// Dequeue is EVD.Dequeue from inside the upcall: it hands out events that come
// after this batch.
func (u *Upcall) Dequeue(dst []Event) (int, error) {
	if u.evd == nil {
		return 0, ErrUpcallOver
	}
	return u.evd.dequeue(dst, false)
}

// Post is EVD.Post from inside the upcall: the event is queued, and the loop
// that called this upcall finds it. It never recurses.
func (u *Upcall) Post(ev Event) error {
	if u.evd == nil {
		return ErrUpcallOver
	}
	if err := u.evd.push(&ev); err != nil {
		return err
	}
	u.evd.trigger(srcInside)
	return nil
}

// ModifyUpcall is EVD.ModifyUpcall from inside the upcall. Disable is exact:
// after it returned no further upcall begins, until somebody enables. The
// function cannot be replaced from inside (ErrBusy: an upcall runs).
func (u *Upcall) ModifyUpcall(p Policy, fn UpcallFunc) error {
	if u.evd == nil {
		return ErrUpcallOver
	}
	return u.evd.ModifyUpcall(p, fn)
}
