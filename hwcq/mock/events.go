package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// events is the completion channel of a CQ: it implements hwcq.EventSource.
// As on the kernel's, events are counted and never coalesce: each arm that
// fired is one Wait. Wakes coalesce.
//
// Concurrency: Wait and TryWait from one goroutine at a time; raise, Wake and
// close from any.
//
// Invariant: taken <= raised. Whoever changes raised, woken, gone or closed puts the
// token in afterwards, and Wait looks at all four after each token: a token
// says "look again", nothing more. Who is to be told by Notify is told then.
type events struct {
	raised atom.Uint64  // Writer: hardware. Readers: the waiter, Stats
	woken  atom.Bool    // Writers: Wake sets, the waiter clears
	closed atom.Bool    // Writer: close
	gone   atom.Bool    // Writer: remove
	wakes  atom.Counter // calls of Wake, for Stats
	tok    atom.Token
	note   atom.Pointer[func()] // Writer: Notify. Readers: who puts the token in
	_      pad.Line

	taken atom.Counter // Writer: the waiter. Reader: Stats
	guard guard
}

const ruleWait = "at most one goroutine at a time may be in EventSource.Wait or TryWait"

var (
	_ hwcq.EventSource = (*events)(nil)
	_ hwcq.Notifier    = (*events)(nil)
)

// Events implements hwcq.CQ.
func (c *CQ) Events() hwcq.EventSource { return &c.ev }

// Wait implements hwcq.EventSource. Events come before a Wake; a closed CQ
// before both, and a removed one after both.
func (e *events) Wait() (event bool, err error) {
	e.guard.enter(ruleWait)
	defer e.guard.leave()
	for {
		if e.closed.Load() {
			return false, hwcq.ErrClosed
		}
		if e.take() {
			return true, nil
		}
		// The load keeps the line shared while there is nothing to clear.
		if e.woken.Load() && e.woken.Swap(false) {
			return false, nil
		}
		if e.gone.Load() {
			return false, hwcq.ErrRemoved
		}
		e.tok.Wait()
	}
}

// TryWait implements hwcq.EventSource. It leaves a Wake for Wait: its result
// could not tell the caller that it took one.
func (e *events) TryWait() (event bool, err error) {
	e.guard.enter(ruleWait)
	defer e.guard.leave()
	if e.closed.Load() {
		return false, hwcq.ErrClosed
	}
	if e.take() {
		return true, nil
	}
	if e.gone.Load() {
		return false, hwcq.ErrRemoved
	}
	return false, nil
}

// Notify implements hwcq.Notifier. There is no descriptor.
func (e *events) Notify(fn func()) (fd int, err error) {
	if fn == nil {
		e.note.Store(nil)
		return -1, nil
	}
	e.note.Store(&fn) // before the caller's look: who comes later calls it
	if e.closed.Load() {
		return -1, hwcq.ErrClosed
	}
	return -1, nil
}

// tell has the waiter look.
func (e *events) tell() {
	e.tok.Signal()
	if fn := e.note.Load(); fn != nil {
		(*fn)()
	}
}

func (e *events) take() bool {
	taken := e.taken.Load() // our own
	// Acquire: pairs with raise.
	if e.raised.Load() == taken {
		return false
	}
	e.taken.Store(taken + 1)
	return true
}

// Wake implements hwcq.EventSource.
func (e *events) Wake() {
	e.wakes.Add(1)
	e.woken.Store(true) // before the token: see the invariant
	e.tell()
}

// raise queues one event.
func (e *events) raise() {
	e.raised.Add(1) // before the token: see the invariant
	e.tell()
}

func (e *events) remove() {
	e.gone.Store(true) // before the token: see the invariant
	e.tell()
}

func (e *events) close() {
	e.closed.Store(true) // before the token: see the invariant
	e.tell()
}
