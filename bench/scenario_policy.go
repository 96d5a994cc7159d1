package bench

import (
	"errors"
	"runtime"

	"github.com/evdengine/evd/engine"
)

// policyUpcall is the upcall of a policy. own is the workload's, which does where there
// is nothing to add to it.
func (u *unit) policyUpcall(own engine.UpcallFunc) engine.UpcallFunc {
	switch u.s.scn.policy.kind {
	case PolicyDrain:
		return u.drain
	case PolicyNotify:
		u.notified = make(chan struct{}, 1)
		return u.notify
	}
	if u.lock == nil && u.work == 0 {
		return own
	}
	return func(up *engine.Upcall) { u.deliver(byUpcall, up.Events()) }
}

// drain is an upcall as iSER's: it disables upcalls, takes what there is, and enables
// them again, which is refused for as long as anything is pending.
func (u *unit) drain(up *engine.Upcall) {
	if err := up.ModifyUpcall(engine.Disable, engine.Same); err != nil {
		u.ended("disable", err)
	}
	u.deliver(byUpcall, up.Events())
	u.empty(up.Dequeue, func() error { return up.ModifyUpcall(engine.SingleInstance, engine.Same) })
}

// notify is an upcall without events. It would be called again and again while something
// is pending, so it disables upcalls: it is the dequeuer's turn.
func (u *unit) notify(up *engine.Upcall) {
	if err := up.ModifyUpcall(engine.Disable, engine.Same); err != nil {
		u.ended("disable", err)
	}
	u.exclusively(func() { u.con.upcalls++ })
	u.notified <- struct{}{} // has room: there is no next upcall before the dequeuer enables it
}

// dequeuer is the goroutine that notify wakes.
func (u *unit) dequeuer(*tag) {
	for {
		select {
		case <-u.notified:
			u.empty(u.evd.Dequeue, func() error { return u.evd.ModifyUpcall(engine.NotificationOnly, engine.Same) })
		case <-u.s.gone:
			return
		}
	}
}

// empty dequeues until the EVD agrees to enable upcalls.
func (u *unit) empty(dequeue func([]engine.Event) (int, error), enable func() error) {
	for {
		n, err := dequeue(u.buf)
		if n > 0 {
			u.deliver(byDequeue, u.buf[:n])
			continue
		}
		if err != nil && !errors.Is(err, engine.ErrBusy) {
			u.ended("dequeue", err)
			return
		}
		if err = enable(); err == nil {
			return
		}
		if !errors.Is(err, engine.ErrEventsPending) {
			u.ended("enable", err)
			return
		}
		runtime.Gosched() // one that is on its way
	}
}

// ended is told why the EVD does not go on. That it is closed is no fault: whoever
// closes it takes what is left.
func (u *unit) ended(what string, err error) {
	if !errors.Is(err, engine.ErrClosed) {
		u.s.fault("%s: %v", what, err)
	}
}
