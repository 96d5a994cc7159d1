package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
)

// Policy says when an EVD's upcall is called. The values are those of
// DAT_UPCALL_POLICY (kdat.h, DAT 2.0).
type Policy int

const (
	// Disable: no upcalls. Events collect; dequeue them.
	Disable Policy = 0
	// SingleInstance: one upcall at a time, for as long as events come.
	SingleInstance Policy = 1
)

func (p Policy) String() string {
	switch p {
	case Disable:
		return "disable"
	case SingleInstance:
		return "single_instance"
	}
	return fmt.Sprintf("policy(%d)", int(p))
}

func (p Policy) limit() word {
	if p == SingleInstance {
		return 1
	}
	return 0
}

func (p Policy) check(op string) error {
	if p != Disable && p != SingleInstance {
		return param.Invalid(op, "policy", p, "Disable or SingleInstance")
	}
	return nil
}

// Same, given to ModifyUpcall, keeps the upcall function.
var Same UpcallFunc

// ModifyUpcall changes the upcall policy and, unless fn is Same, the upcall
// function.
//
// Disable takes effect at once and does not wait: after it returned, at most
// one more upcall begins (one that had already taken its events), and a
// running one may still be running. Called from inside the upcall (through
// Upcall.ModifyUpcall) it is exact: no further upcall begins.
//
// SingleInstance is refused with ErrEventsPending, and nothing changes, while
// an event is pending in the ring or on a CQ: dequeue it first. The CQs are
// armed before the look, so a completion is either seen by it or delivered by
// an upcall. Enabling what is enabled does nothing.
//
// A function is replaced only while upcalls are disabled and none runs;
// otherwise the error is ErrBusy and nothing changes.
//
// Concurrency: from any goroutine; lock-free for Disable with Same.
func (d *EVD) ModifyUpcall(p Policy, fn UpcallFunc) error {
	const op = "engine: ModifyUpcall"
	if err := p.check(op); err != nil {
		return err
	}
	if p == Disable && fn == nil {
		return d.disable()
	}
	d.admin.Lock()
	defer d.admin.Unlock()
	var old UpcallFunc
	if fn != nil {
		// LIM can only be raised under admin, so with LIM=0 and RUN=0 seen
		// here nobody can get a slot and nobody reads d.fn. The next claim
		// follows the compare-and-swap [E3], which publishes it.
		s := d.load()
		if s&bCLOSE != 0 {
			return d.closedErr(op)
		}
		if s.lim() != 0 || s.run() != 0 {
			return fmt.Errorf("%s: fn: %w: replaced only while upcalls are disabled and none runs", op, ErrBusy)
		}
		old, d.fn = d.fn, fn
	}
	if p == Disable {
		return d.disable()
	}
	if d.fn == nil {
		return param.Invalid(op, "fn", "Same", "a function: this EVD has none yet")
	}
	err := d.enable(p.limit())
	if err != nil && fn != nil {
		d.fn = old // refused: nothing changes, and LIM and RUN are still 0
	}
	return err
}

// disable is transition [D].
func (d *EVD) disable() error {
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return d.closedErr("engine: ModifyUpcall")
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s.policy(0))) { // [D] pairs with [R1]
			return nil
		}
	}
}

// enable is transition [E]: arm first, then look, then raise LIM from exactly
// the word that was valid before the look. It does not wait for the EVD to
// become empty: that would be a livelock with a consumer who waits for it.
func (d *EVD) enable(limit word) error {
	const op = "engine: ModifyUpcall"
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return d.closedErr(op)
		}
		if s.lim() == limit {
			return nil
		}
		n := s&^bMISS | bARM
		if n != s && !d.word.CompareAndSwap(uint64(s), uint64(n)) { // [E1]
			continue
		}
		if s&bARM == 0 {
			if err := d.arm(); err != nil {
				d.clearARM()
				return fmt.Errorf("%s: arm: %w", op, err)
			}
		}
		if d.pending() { // [E2] the look, after the arm
			return ErrEventsPending
		}
		m := n.policy(limit)
		wake := m&bQUIET != 0
		if !d.word.CompareAndSwap(uint64(n), uint64(m&^bQUIET)) { // [E3] failure: MISS came, ARM fell, a slot was left
			continue
		}
		if wake {
			d.e.wakeQuiet() // a sleeper that waits for the old policy's upcalls has been overtaken
		}
		return nil
	}
}

// clearARM lets ARM fall after a failed arm.
func (d *EVD) clearARM() {
	for {
		s := d.load()
		if d.word.CompareAndSwap(uint64(s), uint64(s&^bARM)) {
			return
		}
	}
}
