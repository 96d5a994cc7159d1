package mock

import (
	"errors"
	"math/bits"

	"github.com/evdengine/evd/internal/param"
)

const (
	// DefaultDepth is the depth of a CQ or QP whose configuration says 0.
	DefaultDepth = 1024
	// MaxDepth is the greatest depth: 192 MiB of slots.
	MaxDepth = 1 << 22
)

// Config describes a CQ. The zero value is a CQ of DefaultDepth completions
// without faults.
type Config struct {
	// Depth is how many completions the CQ must hold, 1..MaxDepth; 0 means
	// DefaultDepth. It is rounded up to a power of two, and all slots are
	// usable: Capabilities().Depth is the rounded value. (rxe leaves one slot
	// empty because it keeps its indices masked; here they run freely.)
	Depth int

	// Seed of everything random in this CQ, its QPs, streams and faults.
	// Equal seeds give equal draws.
	Seed uint64

	// FatalOverrun makes the first completion that finds the CQ full put it
	// in error (hwcq.OverrunFatal): what is in the ring can still be polled,
	// everything later is dropped and Arm returns hwcq.ErrOverrun. Otherwise only
	// the completions that find no room are lost (hwcq.OverrunLossy).
	FatalOverrun bool

	// FirstIndex is where both ring indices start. They wrap at 2^32, so a
	// start just below is how to test the wrap.
	FirstIndex uint32

	// Faults to inject.
	Faults Faults

	// Hooks for tests.
	Hooks Hooks `json:"-"`
}

// Hooks are called at the seams of the event protocol, so that a test can
// act where real hardware and a real consumer race. They run on the goroutine
// that got there, without a lock: they may use the CQ, but one that leads to
// itself (Published calling Complete) must bound the recursion itself.
type Hooks struct {
	// Published runs after the producer index was published and before the
	// hardware looks at the arm word.
	Published func()

	// BeforeArm runs in Arm before the arm word is written: after the
	// consumer's last poll in the wrong order, after nothing in the right
	// one. AfterArm runs when the arm word is written, before Arm looks
	// whether completions were missed. Neither runs when Arm fails.
	BeforeArm, AfterArm func()
}

// Validate reports every problem of the configuration at once. The errors
// match param.ErrInvalid.
func (c Config) Validate() error {
	const op = "mock: New"
	return errors.Join(checkDepth(op, c.Depth), c.Faults.validate(op))
}

func checkDepth(op string, depth int) error {
	if depth < 0 || depth > MaxDepth {
		return param.Invalid(op, "Depth", depth, "0 (default 1024) or 1..4194304")
	}
	return nil
}

// slotsFor rounds a valid depth up to the number of slots.
func slotsFor(depth int) uint32 {
	if depth == 0 {
		depth = DefaultDepth
	}
	return 1 << bits.Len32(uint32(depth-1))
}
