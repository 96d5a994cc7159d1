package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// armWord is the one-shot arm word.
//
// Invariant: the low two bits are disarmed, armedSolicited or armedNext and
// only Arm raises them, only the hardware clears them, and whoever clears
// them owes the one event. The other bits count the calls of Arm.
type armWord struct {
	w     atom.Uint64  // Writers: Arm, hardware
	again atom.Counter // arms of an armed CQ. Writers: Arm
}

const (
	disarmed       = 0
	armedSolicited = 1
	armedNext      = 2
	armStateMask   = 3
	armCountShift  = 2
	armCountOne    = 1 << armCountShift
)

// Arm implements hwcq.CQ. missed is exact at an instant after the CQ was
// armed. Besides ErrClosed the errors are hwcq.ErrOverrun, of a CQ in error,
// hwcq.ErrRemoved, and injected ones; the arm word is unchanged then.
func (c *CQ) Arm(solicitedOnly bool) (missed bool, err error) {
	if c.closed.Load() {
		return false, hwcq.ErrClosed
	}
	if c.gone.Load() {
		return false, hwcq.ErrRemoved
	}
	if c.failed.Load() {
		return false, hwcq.ErrOverrun
	}
	if c.faults != nil {
		if err := c.faults.armError(); err != nil {
			return false, err
		}
	}
	if c.hooks != nil && c.hooks.BeforeArm != nil {
		c.hooks.BeforeArm()
	}
	want := uint64(armedNext)
	if solicitedOnly {
		want = armedSolicited
	}
	c.arm.set(want)
	if c.failed.Load() {
		// The overrun came beside us and may have found the CQ not armed yet.
		// Pairs with overrun: one of the two sees the other.
		c.lookAtArm(true)
	}
	if c.hooks != nil && c.hooks.AfterArm != nil {
		c.hooks.AfterArm()
	}
	// The look back is the caller's: nothing here raises an event.
	return c.Pending(), nil
}

// set raises the state to want, unless it is that or stronger already.
func (a *armWord) set(want uint64) {
	for {
		old := a.w.Load()
		state := old & armStateMask
		word := old&^armStateMask + armCountOne | max(state, want)
		// Full fence: the consumer's half of the wake-up protocol. Armed
		// first, then (Pending, Poll) a look at prod. Pairs with publish
		// and lookAtArm.
		if a.w.CompareAndSwap(old, word) {
			if state != disarmed {
				a.again.Add(1)
			}
			return
		}
	}
}

// lookAtArm disarms the CQ if it is armed for such a completion, raises the
// event, and tells whether it did. The hardware calls it after publishing.
func (c *CQ) lookAtArm(solicited bool) bool {
	for {
		// After publish, never before: see set.
		old := c.arm.w.Load()
		state := old & armStateMask
		if state == disarmed || state == armedSolicited && !solicited {
			return false
		}
		// Whoever wins this owes the event; so there is one per arm.
		if c.arm.w.CompareAndSwap(old, old&^armStateMask) {
			break
		}
	}
	if c.faults != nil {
		c.faults.fired(&c.ev)
	} else {
		c.ev.raise()
	}
	return true
}
