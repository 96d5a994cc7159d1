package engine

import (
	"context"
	"fmt"
)

// ModifyCNO puts the EVD on a CNO, moves it from one to another, or, with nil, takes
// it off. Events that are pending are told to the new CNO; none is lost between two.
// When it has returned, no waiter of the old one is given the EVD any more: one that
// had it has lost it (its Done returns ErrNotOwner), one that was just about to get
// it goes on waiting. Nothing changes for those who dequeue: that is allowed from
// anywhere.
//
// Upcalls must be disabled, and over: see Teardown. While the EVD is on a CNO,
// enabling upcalls and Wait are refused with ErrOnCNO; Policy is Disable.
//
// Errors: ErrEnabled, ErrBusy (an upcall still runs), ErrWaiter, ErrForeign,
// ErrNilHandle, ErrClosed. Nothing changes then.
// Concurrency: from any goroutine. It waits for nobody but those who are looking at
// the EVD at this moment, who run no user code.
// Source: dat_evd_modify_cno (uDAPL 2.0), after which either CNO may be told.
func (d *EVD) ModifyCNO(c *CNO) (err error) {
	const op = "engine: ModifyCNO"
	if err := d.valid(op); err != nil {
		return err
	}
	name := "none"
	if c != nil {
		if err := c.valid(op); err != nil {
			return err
		}
		if c.e != d.e {
			return c.foreignErr(op)
		}
		name = c.name
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_modify_cno", "evd", d, "cno", name) }()
	}
	if c != nil {
		if err := d.notExclusive(op, "it can be on no CNO"); err != nil {
			return err
		}
	}
	d.admin.Lock()
	defer d.admin.Unlock()
	s, old := d.load(), d.cno.Load()
	switch {
	case s&bCLOSE != 0:
		return d.closedErr(op)
	case old == c:
		return nil
	case c == nil:
		return d.detach(op, old)
	case old == nil && s&bOWN != 0:
		return d.waiterErr(op)
	case old == nil && s.lim() > 0:
		return fmt.Errorf("%s: EVD %q: %w: disable them first", op, d.name, ErrEnabled)
	case old == nil && s.run() > 0:
		return fmt.Errorf("%s: EVD %q: %w: an upcall has not ended: tear it down first", op, d.name, ErrBusy)
	}
	if err := c.hold(op); err != nil {
		return err
	}
	if old != nil {
		if old.drop(d, c) {
			d.attend()
		}
		return nil
	}
	return d.attachCNO(op, c)
}

// attachCNO puts the EVD on c, which counts it already. Under admin, which keeps
// upcalls disabled; a waiter, a Dequeue and Close may come.
func (d *EVD) attachCNO(op string, c *CNO) (err error) {
	// [K4] Before the exchange that raises LIM: who gets a slot finds it. And
	// Close, which marks the word and then looks here ([K5]), finds it if that
	// exchange was the earlier one.
	if d.cnoSeat == nil {
		d.cnoSeat = &cnoSeat{}
	}
	d.cno.Store(c)
	for {
		s := d.load()
		switch {
		case s&bCLOSE != 0:
			err = d.closedErr(op)
		case s&bOWN != 0:
			err = d.waiterErr(op)
		case d.raiseLIM(s, levelCNO): // as [E5]
			d.trigger(srcPost) // looks, arms, and tells the CNO
			return nil
		default:
			continue
		}
		d.cno.Store(nil)
		c.letGo()
		return err
	}
}

// join is attachCNO for a new EVD.
func (d *EVD) join(c *CNO) {
	d.admin.Lock()
	_ = d.attachCNO("", c) // it may have been closed with the engine, which has let go of c
	d.admin.Unlock()
}

// detach takes the EVD off its CNO: first the word, so that the slot is given back
// by whoever has it, then what the CNO has. Under admin.
func (d *EVD) detach(op string, c *CNO) error {
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return d.closedErr(op) // Close takes it off
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s.policy(levelDisabled))) {
			break
		}
	}
	d.unlink(c)
	// Who is still looking leaves by [R1]. Then the slot is nobody's, and may become
	// an upcall's.
	return d.e.waitQuiet(context.Background(), &d.machine, noRun)
}

// leaveCNO is detach for Close, after [C].
func (d *EVD) leaveCNO() {
	if d.cno.Load() == nil { // [K5] after CLOSE: pairs with [K4]
		return
	}
	d.admin.Lock()
	if c := d.cno.Load(); c != nil {
		d.unlink(c)
	}
	d.admin.Unlock()
}

// unlink ends what ties the EVD to c, when the word says already that it is over.
func (d *EVD) unlink(c *CNO) {
	if c.drop(d, nil) {
		d.attend() // [R1] gives the slot back
	}
}

// attend is transition [R] for a slot that is a CNO's. There is no user code in it,
// so everybody may run it, whatever he holds (TAKE and locks of another EVD, his
// own stack in Post), and nobody has to wait for a worker. What it finds it leaves
// where it is, and hands the slot to the CNO. When nothing is there it arms, looks
// again and leaves exactly, like every run.
//
// The slot comes back here when a waiter is done, so what he has left behind is
// found by looking: what he says of it is never asked.
func (d *EVD) attend() {
	have := false // I hold TAKE
	for {
		s := d.load()
		switch {
		case s.run() > s.lim():
			n := (s - runOne) | bMISS // [R1] off the CNO, or closed
			if have {
				n &^= bTAKE
			}
			if d.cas(s, n) {
				return
			}
			continue
		case !have && s&bTAKE != 0:
			if d.cas(s, (s-runOne)|bMISS) { // [R2]
				return
			}
			continue
		case !have:
			if !d.word.CompareAndSwap(uint64(s), uint64(s|bTAKE)) { // [R3]
				continue
			}
			have = true
			if d.flags.Load()&fKept != 0 {
				d.flags.And(^fKept)
			}
		}
		if d.available() {
			d.release(false)
			have = false
			if d.enlist() {
				return
			}
			continue
		}
		if d.settle(bTAKE) {
			return
		}
	}
}

// enlist hands the slot to the CNO: to the waiter who has slept for longest, or to
// the list. false: the EVD is not on a CNO any more, and the slot is still the
// caller's.
//
// Whoever takes the EVD off changes the pointer under the mutex. So one who locks it
// after him sees that here, and one who locked it before him is found. (LIM may be 0
// already: then he is about to come.)
func (d *EVD) enlist() bool {
	for {
		c := d.cno.Load()
		if c == nil {
			return false
		}
		c.mu.Lock()
		if d.cno.Load() != c { // [K2] under mu: pairs with [K3]
			c.mu.Unlock()
			continue
		}
		d.stats.notified.Add(1)
		w := c.sleepers.pop()
		if w == nil {
			c.push(d)
			c.mu.Unlock()
			return true
		}
		w.asleep = false
		c.give(d, w)
		c.mu.Unlock()
		w.tok.Signal() // [K6] the one token that he is owed
		return true
	}
}

func (d *EVD) onCNOErr(op string) error {
	return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrOnCNO)
}
