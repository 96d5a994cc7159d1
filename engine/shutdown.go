package engine

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Shutdown is an orderly end: Post and PostCM are refused with ErrClosed from now
// on, and when everything that was accepted has been delivered or dequeued, the CQs
// are empty and no upcall runs, the EVD is closed. Nothing waits for something else
// any more: not what ModifyUpcallNew left, nor what was not solicited, nor a waiter for
// more than there is. Where upcalls are disabled somebody must dequeue. When ctx
// ends first its error is returned and the EVD lives on, without posters: call
// Shutdown again, or Close, which hands the rest to Leftovers. It waits for the
// shared CQs that the EVD has joined: do not call it from an upcall that runs on the
// goroutine of one of them (see SharedCQ).
func (d *EVD) Shutdown(ctx context.Context) (err error) {
	const op = "engine: Shutdown"
	if err := d.valid(op); err != nil {
		return err
	}
	if ctx == nil {
		return nilHandle(op, "ctx")
	}
	if d == d.e.async {
		return fmt.Errorf("%s: EVD %q: %w: Engine.Shutdown ends it", op, d.name, ErrBusy)
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_shutdown", "evd", d) }()
	}
	d.seal()
	if err := d.arrived(ctx); err != nil {
		return fmt.Errorf("%s: EVD %q: shared CQ: %w", op, d.name, err)
	}
	if err := d.drained(ctx); err != nil {
		return fmt.Errorf("%s: EVD %q: %w", op, d.name, err)
	}
	return d.close(ctx)
}

const shutdownLook = time.Millisecond

// drained waits until nothing is pending and nobody is at it. Whoever takes the
// last event tells nobody, so it looks now and then.
func (d *EVD) drained(ctx context.Context) error {
	for {
		if d.load()&bCLOSE != 0 || d.empty() {
			return nil
		}
		for _, l := range d.links() {
			if l.solic && l.cq.Pending() {
				l.owner.trigger(srcPost) // nothing else may tell of it
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		pause(shutdownLook)
	}
}

// seal has posts refused from now on, and what waits for something else delivered:
// what ModifyUpcallNew left for the next event, and to a waiter less than he asked
// for, see lookWait. (A Post that did not see it is accepted: it is waited for, or
// left over.)
func (d *EVD) seal() {
	d.flags.Or(fSealed) // before the word: pairs with the look of enableNew, and of a waiter after [W2]
	if d.load().lim() > 0 && d.pending() {
		d.trigger(srcPost)
	}
	if d.exclusive && d.load().run() > 0 {
		d.trigger(srcPost) // who lingers looks at the flag, and goes
	}
	d.wakeWaiter()
}

// empty reports whether nothing is pending and nobody has taken something that he
// has not dealt with. Whoever takes from a CQ shows in the word until he has
// delivered it or put it aside, so the word is looked at between the two. (A
// waiter who sleeps has taken nothing; when he copies, he shows it: copyFrom. One who
// spins goes to sleep when he finds the EVD sealed. The slot of a CNO has taken nothing either.)
func (d *EVD) empty() bool {
	if d.pendingOutside() {
		return false
	}
	if s := d.load(); s.run() > 0 && s&bCNO == 0 || s&bTAKE != 0 && s&bWAIT == 0 {
		return false
	}
	return !d.pendingInside()
}

// Shutdown shuts every EVD down, when all of them have been drained, and closes the
// engine. When ctx ends first its error is returned and the engine lives on.
func (e *Engine) Shutdown(ctx context.Context) error {
	const op = "engine: Shutdown"
	if err := e.valid(op); err != nil {
		return err
	}
	if ctx == nil {
		return nilHandle(op, "ctx")
	}
	for _, d := range e.list() {
		d.seal()
	}
	if err := e.drained(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	for _, d := range e.list() {
		if err := d.Shutdown(ctx); err != nil {
			return err
		}
	}
	if err := e.async.drainedAsync(ctx); err != nil {
		return fmt.Errorf("%s: async errors: %w", op, err)
	}
	return e.CloseContext(ctx)
}

// drained waits until no EVD has anything pending. One that was found empty may get
// something from another, whose completions break connections: so it ends with a
// pass in which all were empty.
func (e *Engine) drained(ctx context.Context) error {
	for {
		evds := e.list()
		for _, d := range evds {
			if err := d.arrived(ctx); err != nil {
				return fmt.Errorf("EVD %q: shared CQ: %w", d.name, err)
			}
		}
		for _, d := range evds {
			if err := d.drained(ctx); err != nil {
				return fmt.Errorf("EVD %q: %w", d.name, err)
			}
		}
		if !slices.ContainsFunc(evds, func(d *EVD) bool { return d.load()&bCLOSE == 0 && (d.expecting() || !d.empty()) }) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// drainedAsync waits for the delivery of async errors if there is an upcall for
// them; otherwise nobody may be there to dequeue.
func (d *EVD) drainedAsync(ctx context.Context) error {
	if s := d.load(); s.lim() == 0 || s&bCNO != 0 {
		return nil
	}
	return d.drained(ctx)
}
