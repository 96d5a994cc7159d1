package cqtest

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
)

var notifyProperties = []property{
	{name: "source/notify", where: "hwcq.Notifier.Notify", check: checkNotify, needs: notifies},
}

// notifies tells whether a CQ can be waited for together with others.
func notifies(b *Bed) bool {
	_, ok := b.CQ.Events().(hwcq.Notifier)
	return ok && bound(b.CQ) == nil
}

// told is what Notify has told.
type told struct {
	fd   int
	call chan struct{} // holds one
}

func (t *told) note() {
	select {
	case t.call <- struct{}{}:
	default:
	}
}

// now reports whether something has been told since the last time.
func (t *told) now() bool {
	select {
	case <-t.call:
		return true
	default:
		return t.fd >= 0 && readable(t.fd)
	}
}

// quiet checks that a descriptor is not readable for ever.
func (x *x) quiet(t *told, why string) {
	if t.fd >= 0 && readable(t.fd) {
		x.fatalf("the descriptor is readable %s", why)
	}
}

func checkNotify(x *x) {
	x.open(8)
	n, t := x.src.(hwcq.Notifier), &told{call: make(chan struct{}, 1)}
	var err error
	t.fd, err = n.Notify(t.note)
	x.noErr("Notify", err)
	x.try() // what was there before
	for i := range x.rounds(50) {
		x.arm()
		ids := x.complete(1)
		if i%2 == 1 { // somebody else sees it first, and nobody is less told for that
			x.until("Pending is true", x.cq.Pending)
		}
		x.until("the event is told", func() bool { return t.now() && x.try() })
		x.expect(ids, 4)
		for x.try() { // spurious ones
		}
		x.quiet(t, "when TryWait has found nothing")
	}
	for range 5 {
		t.now()
		x.src.Wake()
		x.until("a Wake is told", t.now)
		x.try()
		x.quiet(t, "after a Wake")
	}
	_, err = n.Notify(nil)
	x.noErr("Notify(nil)", err)
	x.woken() // Wait is as always, the Wakes first
	x.arm()
	ids := x.complete(1)
	x.event()
	x.expect(ids, 4)
	t.fd, err = n.Notify(t.note)
	x.noErr("Notify again", err)
	t.now()
	x.shutdown()
	x.until("Close is told", func() bool {
		select {
		case <-t.call:
			_, err := x.src.TryWait()
			return errors.Is(err, hwcq.ErrClosed)
		default:
			return false // the descriptor is closed
		}
	})
}
