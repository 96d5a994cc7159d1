package uring

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// Limits of io_uring (io_uring/io_uring.c: IORING_MAX_ENTRIES, IORING_MAX_CQ_ENTRIES).
const (
	MaxEntries = 32768
	MaxDepth   = 65536

	// DefaultEntries is the size of the submission queue if Config says 0.
	DefaultEntries = 256
)

// Shape says who drives a ring: see the package comment.
type Shape uint8

const (
	// Portable: a plain ring, for any goroutine.
	Portable Shape = iota
	// Owner: a ring that belongs to one thread.
	Owner
)

func (s Shape) String() string {
	switch s {
	case Portable:
		return "portable"
	case Owner:
		return "owner"
	}
	return fmt.Sprintf("shape(%d)", int(s))
}

// Config describes a ring. The zero value is a portable ring of
// DefaultEntries.
type Config struct {
	// Entries is the size of the submission queue, 1..MaxEntries; 0 means
	// DefaultEntries. It is rounded up to a power of two.
	Entries int

	// Depth is the size of the completion queue and the most requests in flight
	// at once, Entries..MaxDepth; 0 means twice Entries. It is rounded up to a
	// power of two, 2 at least.
	Depth int

	// Shape is who drives the ring.
	Shape Shape

	// CoopTaskrun spares the submitting threads interrupts: completions wait
	// until such a thread enters the kernel anyway, a tick at worst
	// (IORING_SETUP_COOP_TASKRUN). With Portable and without SQPoll only.
	CoopTaskrun bool

	// SQPoll has a thread of the kernel poll the submission queue
	// (IORING_SETUP_SQPOLL): Submit is no system call while it is awake, and it
	// occupies a CPU. With Portable only.
	SQPoll bool

	// SQPollIdle is how long that thread polls an empty queue before it sleeps,
	// in whole milliseconds, up to an hour; 0 means one second. With SQPoll only.
	SQPollIdle time.Duration
}

// Validate reports every problem of the configuration at once. The errors
// match param.ErrInvalid.
func (c Config) Validate() error {
	const op = "uring: Open"
	var errs []error
	if c.Entries < 0 || c.Entries > MaxEntries {
		errs = append(errs, param.Invalid(op, "Entries", c.Entries, fmt.Sprintf("0 (default %d) or 1..%d", DefaultEntries, MaxEntries)))
	} else if c.Depth != 0 && (c.Depth < 1 || c.Depth > MaxDepth || c.depth() < c.entries()) {
		errs = append(errs, param.Invalid(op, "Depth", c.Depth, fmt.Sprintf("0 (twice Entries) or %d..%d", c.entries()/2+1, MaxDepth)))
	}
	if c.Shape > Owner {
		errs = append(errs, param.Invalid(op, "Shape", c.Shape, "Portable or Owner"))
	}
	if c.CoopTaskrun && (c.Shape != Portable || c.SQPoll) {
		errs = append(errs, param.Invalid(op, "CoopTaskrun", true, "false with Owner (which has it) or SQPoll"))
	}
	if c.SQPoll && c.Shape != Portable {
		errs = append(errs, param.Invalid(op, "SQPoll", true, "false with Owner"))
	}
	if c.SQPollIdle != 0 && !c.SQPoll || c.SQPollIdle < 0 || c.SQPollIdle > time.Hour || c.SQPollIdle%time.Millisecond != 0 {
		errs = append(errs, param.Invalid(op, "SQPollIdle", c.SQPollIdle, "0, or 1ms..1h in whole milliseconds with SQPoll"))
	}
	return errors.Join(errs...)
}

// entries is the size of the submission queue of a valid Entries.
func (c Config) entries() int {
	if c.Entries == 0 {
		return DefaultEntries
	}
	return powerOfTwo(c.Entries)
}

// depth is the size of the completion queue of a valid configuration.
func (c Config) depth() int {
	if c.Depth == 0 {
		return 2 * c.entries()
	}
	return max(2, powerOfTwo(c.Depth)) // 2: see sweep
}

// sqPollIdle is how long the kernel's thread of a valid configuration polls.
func (c Config) sqPollIdle() time.Duration {
	if c.SQPollIdle == 0 {
		return time.Second
	}
	return c.SQPollIdle
}

func powerOfTwo(n int) int { return 1 << bits.Len32(uint32(n-1)) }
