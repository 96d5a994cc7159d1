package engine

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// Same, given to ModifyUpcall, keeps the upcall function.
var Same UpcallFunc

// verb is how upcalls are enabled while events may be pending.
type verb uint8

const (
	strict    verb = iota // refuse
	invokeAny             // deliver them
	invokeNew             // leave them until something new comes
)

func (v verb) String() string {
	return [...]string{"strict", "any", "new"}[v]
}

// ModifyUpcall changes the upcall policy and, unless fn is Same, the upcall
// function. A function is one word with all that it captures, so no upcall
// ever sees half of a change.
//
// Disable takes effect at once and does not wait: after it returned, at most
// one more upcall a running instance begins (one that had already looked at the
// policy; it gets what is there when it takes), and those that run may still be
// running. Called from inside the
// upcall (through Upcall.ModifyUpcall) it is exact: no further upcall begins.
// Teardown is Disable and then waits until no upcall runs: see Teardown.
//
// Every other policy enables. Enabling what is disabled is refused with
// ErrEventsPending, and nothing changes, while an event is pending in the ring
// or on a CQ: dequeue it first. The CQs are armed before the look, so a
// completion is either seen by it or delivered by an upcall. With a waiter it
// is refused with ErrWaiter. From one enabling policy to another there is
// nothing to refuse: what is pending goes on being delivered; what exceeds a
// lowered limit ends by itself.
//
// A function is replaced only while upcalls are disabled and none runs;
// otherwise the error is ErrBusy and nothing changes.
//
// An EVD on a CNO has no upcalls: to disable them is nothing to do, to enable them
// or to replace the function is refused with ErrOnCNO (see ModifyCNO).
//
// Concurrency: from any goroutine; lock-free for Disable with Same.
func (d *EVD) ModifyUpcall(p Policy, fn UpcallFunc) error { return d.modify(p, fn, strict) }

// ModifyUpcallAny is ModifyUpcall that does not refuse: what is pending is
// delivered too (DAT_UPCALL_INVOC_ANY).
func (d *EVD) ModifyUpcallAny(p Policy, fn UpcallFunc) error { return d.modify(p, fn, invokeAny) }

// ModifyUpcallNew is ModifyUpcall that does not look: what is pending stays
// where it is, and comes, in order, with the first event that arrives after
// the call (DAT_UPCALL_INVOC_NEW). An EVD whose pollers poll (ModeAdaptive
// while awake, ModeSpin) finds what is pending on a CQ at once, and delivers
// it; and so do one whose ring is full while more is waiting behind it or a post
// is refused, and one with a run from before that is queued or under way. For as
// long as completions are left on a CQ in this way the watchdog cannot tell
// whether an interrupt was lost there, and keeps still.
func (d *EVD) ModifyUpcallNew(p Policy, fn UpcallFunc) error { return d.modify(p, fn, invokeNew) }

func (d *EVD) modify(p Policy, fn UpcallFunc, v verb) (err error) {
	const op = "engine: ModifyUpcall"
	if err := d.valid(op); err != nil {
		return err
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() {
			d.e.traceAPI(err, "evd_modify_upcall", "evd", d, "upcall_policy", p, "upcall", upcallName(fn), "flag", v)
		}()
	}
	if err := p.check(op); err != nil {
		return err
	}
	if err := d.checkPolicy(op, p); err != nil {
		return err
	}
	if p == Teardown {
		if err := d.teardown(context.Background(), op); err != nil {
			return err
		}
	}
	if p <= Disable && fn == nil {
		_, err := d.disable(op)
		return err
	}
	d.admin.Lock()
	defer d.admin.Unlock()
	var old UpcallFunc
	if fn != nil {
		// [F] LIM can only be raised under admin, so with LIM=0 and RUN=0 seen
		// here nobody can get a slot and nobody reads d.fn. The next claim
		// follows the compare-and-swap [E3], which publishes it.
		s := d.load()
		if s&bCLOSE != 0 {
			return d.closedErr(op)
		}
		if s&bCNO != 0 {
			return d.onCNOErr(op)
		}
		if s.lim() != 0 || s.run() != 0 {
			return fmt.Errorf("%s: fn: %w: replaced only while upcalls are disabled and none runs", op, ErrBusy)
		}
		atom.PlainWrite(unsafe.Pointer(&d.fn))
		old, d.fn = d.fn, fn
	}
	if p <= Disable {
		_, err := d.disable(op)
		return err
	}
	if d.fn == nil {
		return param.Invalid(op, "fn", "Same", "a function: this EVD has none yet")
	}
	l := d.e.level(p)
	d.e.needWorkers(int(l.lim()))
	if err = d.enable(op, l, v); err != nil && fn != nil {
		atom.PlainWrite(unsafe.Pointer(&d.fn))
		d.fn = old // refused: nothing changes, and LIM and RUN are still 0
	}
	return err
}

// disable is transition [D]. It returns the generation that it began, or that
// was if upcalls were disabled already.
func (d *EVD) disable(op string) (gen word, err error) {
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return 0, d.closedErr(op)
		}
		n := s
		if s.lim() > 0 && s&bCNO == 0 { // on a CNO there are no upcalls to disable
			n = s.policy(levelDisabled)
		}
		if s == n || d.word.CompareAndSwap(uint64(s), uint64(n)) { // [D] pairs with [R1]
			return n.gen(), nil
		}
	}
}

// enable is transition [E].
func (d *EVD) enable(op string, l level, v verb) error {
	for {
		s := d.load()
		switch {
		case s&bCLOSE != 0:
			return d.closedErr(op)
		case s&bOWN != 0:
			return d.waiterErr(op)
		case s.level() == l:
			return nil
		case s&bCNO != 0:
			return d.onCNOErr(op)
		case s.lim() > 0:
			// [E4] From one policy to another. Who exceeds a lower limit leaves
			// by [R1] and leaves the mark; a higher one or another kind is told
			// by a trigger.
			if d.word.CompareAndSwap(uint64(s), uint64(s.policy(l))) {
				if l.lim() > s.lim() || (s^word(l))&bNOTE != 0 {
					d.trigger(srcPost)
				}
				return nil
			}
			continue
		}
		var done bool
		var err error
		switch v {
		case strict:
			done, err = d.enableStrict(op, s, l)
		case invokeAny:
			if done = d.raiseLIM(s, l); done { // [E5]
				d.trigger(srcPost) // runs, arms, and looks
			}
		case invokeNew:
			done, err = d.enableNew(op, s, l)
		}
		if done || err != nil {
			return err
		}
	}
}

// enableStrict arms first, then looks, then raises LIM from exactly the word
// that was valid before the look. It does not wait for the EVD to become
// empty: that would be a livelock with a consumer who waits for it.
func (d *EVD) enableStrict(op string, s word, l level) (done bool, err error) {
	n, ok, err := d.armForEnable(op, s)
	if !ok || err != nil {
		return false, err
	}
	if d.pending() { // [E2] the look, after the arm
		return false, ErrEventsPending
	}
	return d.raiseLIM(n, l), nil // [E3] failure: MISS came, ARM fell, a slot was left
}

// enableNew arms and raises LIM without a look.
func (d *EVD) enableNew(op string, s word, l level) (done bool, err error) {
	if _, ok, err := d.armForEnable(op, s); !ok || err != nil {
		return false, err
	}
	for {
		s := d.load()
		if s&(bCLOSE|bOWN) != 0 {
			return false, nil // enable says so
		}
		d.noteKept()
		if d.raiseLIM(s, l) { // [E6]
			// Something came after the arm, or a pump holds back what the ring
			// has no room for: its CQ is not armed, and nobody will hear of
			// what is new. (One that goes away from now on triggers: [P3].)
			// And nothing new comes after Shutdown has begun.
			if s&bMISS != 0 || d.pumpsHold() || d.flags.Load()&fSealed != 0 {
				d.trigger(srcPost)
			}
			return true, nil
		}
	}
}

// noteKept notes what enableNew leaves, so that a direct hand-off does not go
// ahead of it, and the watchdog does not take completions for such that nobody
// has been told of.
func (d *EVD) noteKept() {
	if d.pending() {
		d.flags.Or(fKept)
	}
	for _, l := range d.direct() {
		if l.cq.Pending() {
			l.kept.Store(true)
		}
	}
}

// armForEnable is [E1]: MISS=0, ARM=1, and the arm if that was not so.
func (d *EVD) armForEnable(op string, s word) (n word, ok bool, err error) {
	n = s&^bMISS | bARM
	if n != s && !d.word.CompareAndSwap(uint64(s), uint64(n)) { // [E1]
		return 0, false, nil
	}
	if s&bARM == 0 {
		err := d.armAll((*link).armWanted)
		if err != nil {
			d.clearARM()
		}
		// [E7] A waiter may have come meanwhile, have believed ARM, and sleep,
		// with no arm behind it. He looks again, now that it is true or has
		// fallen. (Then the word is not n any more, and this enabling refused.)
		d.wakeWaiter()
		if err != nil {
			return 0, false, fmt.Errorf("%s: arm: %w", op, err)
		}
	}
	return n, true, nil
}

// raiseLIM enables from exactly the word s. A sleeper that waits for the old
// policy's upcalls to end has been overtaken, and is told.
func (d *EVD) raiseLIM(s word, l level) bool {
	n := s.policy(l) &^ bQUIET
	if !d.word.CompareAndSwap(uint64(s), uint64(n)) {
		return false
	}
	if s&bQUIET != 0 {
		d.e.wakeQuiet()
	}
	return true
}

// clearARM lets ARM fall after a failed arm.
func (d *EVD) clearARM() {
	for {
		s := d.load()
		if d.word.CompareAndSwap(uint64(s), uint64(s&^bARM)) {
			d.retryArms()
			return
		}
	}
}
