package engine

import (
	"context"
	"fmt"

	"github.com/evdengine/evd/internal/atom"
)

// CNOWaiter waits for EVDs of a CNO. It has the EVD that it was given, alone of all
// waiters, until its next Wait, TryWait, Done or Close, or until the EVD leaves the
// CNO. That keeps two waiters from one EVD, and nobody else from anything: dequeue
// from wherever you like.
//
// Concurrency: one goroutine at a time; a second one is refused with ErrBusy.
// Zero value: not usable; use CNO.NewWaiter. Must not be copied.
type CNOWaiter struct {
	c    *CNO
	tok  atom.Token
	busy atom.Bool // a goroutine is in one of the methods
	gone bool      // owner: who has busy; Close was called

	// owner: CNO.mu
	evd    *EVD   // that it has
	asleep bool   // it is among the sleepers
	turn   uint64 // counts Waits: the end of an older context is not this one's
	cause  error  // why this Wait ends if there is nothing
	next   *CNOWaiter
	prev   *CNOWaiter
}

// NewWaiter makes a waiter. It needs to be closed only if it may have an EVD.
//
// Errors: ErrClosed.
func (c *CNO) NewWaiter() (*CNOWaiter, error) {
	const op = "engine: CNO.NewWaiter"
	if err := c.valid(op); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.closedErr(op)
	}
	return &CNOWaiter{c: c, tok: atom.NewToken()}, nil
}

// Wait gives back the EVD that the waiter has, if any, as Done would, and sleeps
// until it is given one that has events. It may turn out to be empty, if somebody
// else dequeues. Waiters are served in the order in which they came.
//
// An EVD that is there, or was given to the waiter already, wins over a ctx that has
// ended: the end of ctx loses none.
//
// Errors: ctx's, ErrClosed (CNO, engine or waiter), ErrBusy, ErrNilHandle.
// Progress: blocks. It does not allocate if ctx cannot end. It sleeps at once, whatever
// the EVDs' WaitMode: who is to spin calls TryWait in a loop.
// Source: dat_cno_wait (uDAPL 2.0), after which all EVDs of the CNO have to be
// drained: not so here.
func (w *CNOWaiter) Wait(ctx context.Context) (*EVD, error) {
	const op = "engine: CNOWaiter.Wait"
	if err := w.enter(op); err != nil {
		return nil, err
	}
	defer w.busy.Store(false)
	if ctx == nil {
		return nil, nilHandle(op, "ctx")
	}
	w.giveBack(nil)
	turn := w.begin()
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { w.cancel(turn, ctx.Err()) })
		defer stop()
	}
	for {
		d, asleep, err := w.take(op, ctx)
		if !asleep {
			return d, err
		}
		w.tok.Wait()
	}
}

// TryWait is Wait that does not sleep: nil, and no error, if no EVD is ready.
func (w *CNOWaiter) TryWait() (*EVD, error) {
	const op = "engine: CNOWaiter.TryWait"
	if err := w.enter(op); err != nil {
		return nil, err
	}
	defer w.busy.Store(false)
	w.giveBack(nil)
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.closedErr(op)
	}
	return c.next(w), nil
}

// Done gives back d, which the waiter has. If there are events on it, left behind or
// new, it goes to the end of the ready list (or to another waiter); if not, the CNO
// hears of the next one.
//
// Errors: ErrNotOwner, or ErrClosed if d is closed; ErrForeign, ErrNilHandle, ErrBusy.
func (w *CNOWaiter) Done(d *EVD) error {
	const op = "engine: CNOWaiter.Done"
	if err := w.enter(op); err != nil {
		return err
	}
	defer w.busy.Store(false)
	if err := d.valid(op); err != nil {
		return err
	}
	if d.e != w.c.e {
		return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrForeign)
	}
	if w.giveBack(d) {
		return nil
	}
	if d.load()&bCLOSE != 0 {
		return d.closedErr(op)
	}
	return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrNotOwner)
}

// Close gives back the EVD that the waiter has, if any, and ends the waiter: every
// later call but Close returns ErrClosed. Refused with ErrBusy while it waits.
func (w *CNOWaiter) Close() error {
	if err := w.alone("engine: CNOWaiter.Close"); err != nil {
		return err
	}
	w.giveBack(nil)
	w.gone = true
	w.busy.Store(false)
	return nil
}

// enter makes the caller the one goroutine in a waiter that is not closed.
func (w *CNOWaiter) enter(op string) error {
	if err := w.alone(op); err != nil {
		return err
	}
	if w.gone {
		w.busy.Store(false)
		return fmt.Errorf("%s: CNO %q: waiter: %w", op, w.c.name, ErrClosed)
	}
	return nil
}

// alone makes the caller the one goroutine in the waiter.
func (w *CNOWaiter) alone(op string) error {
	if w == nil || w.c == nil {
		return nilHandle(op, "CNOWaiter")
	}
	if !w.busy.CompareAndSwap(false, true) {
		return fmt.Errorf("%s: CNO %q: %w: another goroutine is using this waiter", op, w.c.name, ErrBusy)
	}
	return nil
}

// giveBack is transition [K7]: the waiter's EVD is nobody's, and then it is looked
// at. It answers false if there was none, or another than only, if that is given.
func (w *CNOWaiter) giveBack(only *EVD) bool {
	c := w.c
	c.mu.Lock()
	d := w.evd
	if d == nil || only != nil && d != only {
		c.mu.Unlock()
		return false
	}
	c.takeBack(d)
	c.mu.Unlock()
	d.attend()
	return true
}

// begin begins a Wait, and returns its number.
func (w *CNOWaiter) begin() uint64 {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.turn++
	w.cause = nil
	return w.turn
}

// take is a look at what was given to the waiter, at the list, and at what ends the
// Wait, in this order. If there is nothing the waiter is among the sleepers, and the
// caller sleeps until the token comes. (One that was given an EVD and lost it again
// comes here once more.)
func (w *CNOWaiter) take(op string, ctx context.Context) (d *EVD, asleep bool, err error) {
	c := w.c
	over := ctx.Err() // not under mu: it is somebody else's code. One that ends later cancels
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.evd != nil {
		return w.evd, false, nil
	}
	if c.closed {
		return nil, false, c.closedErr(op)
	}
	if d = c.next(w); d != nil {
		return d, false, nil
	}
	if w.cause != nil {
		return nil, false, w.cause
	}
	if over != nil {
		return nil, false, over
	}
	w.asleep = true
	c.sleepers.push(w)
	return nil, true, nil
}

// cancel is transition [K8]: the context of Wait number turn has ended. One who
// still sleeps is taken off, and owed a token; one who was given an EVD has it.
func (w *CNOWaiter) cancel(turn uint64, cause error) {
	c := w.c
	c.mu.Lock()
	if w.turn != turn {
		c.mu.Unlock()
		return
	}
	w.cause = cause
	wake := w.asleep
	if wake {
		c.sleepers.remove(w)
		w.asleep = false
	}
	c.mu.Unlock()
	if wake {
		w.tok.Signal()
	}
}

// waiterList is the waiters that sleep, the one who came first at its head. All of
// it belongs to CNO.mu.
type waiterList struct {
	first, last *CNOWaiter
	n           int
}

func (l *waiterList) push(w *CNOWaiter) {
	w.prev, w.next = l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.n++
}

// remove takes w, which must be in the list, off.
func (l *waiterList) remove(w *CNOWaiter) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	l.n--
}

func (l *waiterList) pop() *CNOWaiter {
	w := l.first
	if w != nil {
		l.remove(w)
	}
	return w
}
