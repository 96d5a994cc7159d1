package hwcq

import (
	"errors"
	"os"
)

// Errors shared by all drivers. Test with errors.Is.
var (
	// ErrClosed is returned by every method of a closed object.
	ErrClosed = os.ErrClosed

	// ErrNotSupported is returned where the platform, kernel or device lacks
	// what was asked for.
	ErrNotSupported = errors.New("hwcq: not supported")

	// ErrUnavailable is returned when a driver exists but cannot be used on
	// this host now: no device, no kernel module, no permission. The message
	// says what is missing and what to do about it.
	ErrUnavailable = errors.New("hwcq: unavailable")

	// ErrBusy is returned when an object is still used by another, or a
	// single-owner method is used from two goroutines at once.
	ErrBusy = errors.New("hwcq: busy")

	// ErrOverrun is returned by Arm of a CQ that an overrun has put in error
	// (OverrunFatal).
	ErrOverrun = errors.New("hwcq: CQ in error after an overrun")

	// ErrRemoved is returned by Arm and by EventSource.Wait of a CQ whose
	// device is gone. What is in the CQ can still be polled; nothing comes any
	// more.
	ErrRemoved = errors.New("hwcq: device removed")

	// ErrCorrupt is returned by Arm and by EventSource.Wait of a CQ whose memory,
	// shared with the kernel or the device, holds what cannot be. Nothing is read
	// from it any more and nothing comes; close it.
	ErrCorrupt = errors.New("hwcq: corrupt queue")

	// ErrFull is returned when a queue has no room for the request.
	ErrFull = errors.New("hwcq: full")

	// ErrWrongThread is returned when something that belongs to one OS thread is
	// used on another (ThreadBound).
	ErrWrongThread = errors.New("hwcq: wrong thread")
)

// CQ is a completion queue.
//
// Concurrency: at most one goroutine at a time may call Poll; the engine
// guarantees it for the CQs it owns. Pending, Arm, Capabilities and Close may
// be called from any goroutine at any time.
//
// Ownership: whoever opened a CQ closes it, after the EVD that uses it was
// closed. The engine never closes a CQ it was given.
type CQ interface {
	// Poll moves up to len(dst) completions, oldest first, into dst and
	// returns how many. It never blocks and never allocates. On a closed CQ
	// it returns 0.
	Poll(dst []WC) int

	// Pending reports whether a completion is visible to Poll now, or whether
	// there is work that a Poll would do first and that may bring one (requests
	// not handed to the kernel yet, completions that it holds back): so true is
	// a reason to Poll, and false means that there is nothing. It consumes
	// nothing and may be called beside a Poll in another goroutine.
	Pending() bool

	// Arm asks for one event at the next completion that becomes visible
	// after the call (with solicitedOnly: the next solicited or failed one).
	// Arming is one-shot and does not look back: completions that are already
	// there raise nothing. An armed "next" is not weakened by a later
	// "solicited only".
	//
	// missed tells that completions were already visible when the arm took
	// effect. Only with Capabilities.ReportsMissed is it exact. Another driver
	// may return true as a hint, when it happens to see that a Poll has
	// something to do (as Pending has it), and false means nothing: so a caller
	// looks again in any case.
	Arm(solicitedOnly bool) (missed bool, err error)

	// Events is where the armed CQ's events arrive. It returns the same
	// source each time.
	Events() EventSource

	// Capabilities says what may be assumed of this CQ.
	Capabilities() Capabilities

	// Close releases the CQ. It is idempotent. Events().Wait returns
	// ErrClosed from then on.
	Close() error
}

// EventSource delivers the events of an armed CQ.
type EventSource interface {
	// Wait blocks until an event or a Wake arrives and consumes it. Exactly
	// one goroutine may be in Wait. event tells the two apart: a Wake returns
	// false. After the CQ was closed err is ErrClosed. Spurious events (the
	// ring turns out to be empty) are normal.
	Wait() (event bool, err error)

	// TryWait is Wait without blocking: it consumes an event if one has
	// already arrived. It leaves a Wake for the next Wait.
	TryWait() (event bool, err error)

	// Wake makes the current or the next Wait return early. It is sticky and
	// coalescing, and may be called from any goroutine.
	Wake()
}

// Capabilities are the facts a driver declares about its CQ. Nothing beyond
// them is assumed.
type Capabilities struct {
	Driver string // driver name: "mock", "rxe", "uring"
	Depth  int    // completions the CQ holds before it overruns

	ArmIdempotent bool // arming an armed CQ is harmless
	ReportsMissed bool // Arm's missed result is exact, not a hint
	Solicited     bool // solicited-only arming is honoured

	Overrun OverrunKind // what happens when completions outrun Poll
}

// OverrunKind says what a CQ does when a completion finds it full.
type OverrunKind uint8

const (
	// OverrunFatal: the CQ is in error and must be recreated (IBTA C11-37).
	OverrunFatal OverrunKind = iota
	// OverrunLossy: the completion is dropped, the CQ goes on (rxe).
	OverrunLossy
	// OverrunRecoverable: the completion is kept and delivered later.
	OverrunRecoverable
)

func (k OverrunKind) String() string {
	switch k {
	case OverrunFatal:
		return "fatal"
	case OverrunLossy:
		return "lossy"
	case OverrunRecoverable:
		return "recoverable"
	}
	return "unknown"
}

// OverrunCounter is implemented by CQs that can count dropped completions.
type OverrunCounter interface {
	// Overruns returns how many completions were dropped since the CQ was
	// opened.
	Overruns() uint64
}
