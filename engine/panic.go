package engine

import (
	"runtime/debug"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// Panic tells of an upcall that panicked.
type Panic struct {
	Value  any     // what was given to panic
	Stack  []byte  // the goroutine's stack
	Events []Event // the batch of the upcall: they count as delivered
}

// LastPanic returns what is known of the last panic of this EVD's upcall, nil
// if there was none. For any goroutine.
func (d *EVD) LastPanic() *Panic {
	if d == nil {
		return nil
	}
	return d.last.Load()
}

// call is an upcall. One that does not return (a panic, runtime.Goexit) must
// not take the slot along.
//
// The handle is written field by field: a literal is copied in wider pieces than it was
// written in, for which the CPU waits (see decode): 11 ns.
func (d *EVD) call(r *runner, evs []Event) {
	u := &r.up
	u.evd, u.events, u.live = d, evs, true
	defer func() {
		if u.live {
			u.evd.cutShort(u, recover())
		}
	}()
	atom.PlainRead(unsafe.Pointer(&d.fn))
	d.fn(u)
	u.evd, u.events, u.live = nil, nil, false // the handle is dead now
}

// cutShort is what is left of an upcall that did not return: v is what recover gave. It
// answers whether the caller has the slot still.
func (d *EVD) cutShort(u *Upcall, v any) bool {
	u.live = false
	if v == nil {
		d.abandon() // Goexit: the goroutine ends
		return false
	}
	d.panicked(v, u.events)
	return true
}

// panicked contains a panic: upcalls are disabled, and the runner goes on to
// leave by [R1]. The events of the batch have been delivered: nobody knows how
// many of them the upcall had dealt with.
func (d *EVD) panicked(v any, evs []Event) {
	_, _ = d.disable("") // an EVD that is closed is disabled
	p := &Panic{Value: v, Stack: debug.Stack(), Events: append([]Event(nil), evs...)}
	d.last.Store(p)
	d.stats.panics.Add(1)
	d.alarm(alarmPanic, 0)
	if d.repanic {
		d.abandon()
		panic(v)
	}
}
