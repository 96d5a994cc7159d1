package hwcq

import "strconv"

// AsyncNotifier is implemented by CQs whose device tells of what belongs to no
// completion. The engine asks each CQ it is given, and turns what it is told into
// async errors.
type AsyncNotifier interface {
	// NotifyAsync has fn called, from now on, for each asynchronous event that
	// concerns this CQ: its own, those of queue pairs that complete into it, and
	// those of the port and of the device. nil ends it; a call of fn that has begun
	// may still be under way. What happened before is not told of, but for the
	// removal of the device: Arm and Wait go on to tell of that (ErrRemoved).
	//
	// fn runs on a goroutine of the device, one call at a time. It must return
	// soon, and not call the CQ.
	// Concurrency: one NotifyAsync at a time; beside everything else.
	NotifyAsync(fn func(AsyncEvent))
}

// AsyncKind says what an AsyncEvent is about.
type AsyncKind uint8

// Kinds of asynchronous events.
const (
	// AsyncOther is a failure that is none of the others (an SRQ's, a driver's).
	AsyncOther AsyncKind = iota
	// AsyncOverrun: the CQ dropped a completion, or is in error.
	AsyncOverrun
	// AsyncQP: a queue pair that completes into the CQ is in error. QPNum.
	AsyncQP
	// AsyncPortDown: the port cannot send any more.
	AsyncPortDown
	// AsyncPortUp: it can again.
	AsyncPortUp
	// AsyncRemoved: the device is gone, or waits for its users to leave.
	AsyncRemoved
)

var asyncKindNames = [...]string{"other", "overrun", "QP error", "port down", "port up", "removed"}

func (k AsyncKind) String() string {
	if int(k) < len(asyncKindNames) {
		return asyncKindNames[k]
	}
	return "async kind " + strconv.Itoa(int(k))
}

// AsyncEvent is an asynchronous event that concerns a CQ.
type AsyncEvent struct {
	Kind  AsyncKind
	QPNum uint32 // AsyncQP
	Port  int    // AsyncPortDown, AsyncPortUp
}
