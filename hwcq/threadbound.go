package hwcq

// ThreadBound is implemented by CQs that make progress on one OS thread only,
// such as an io_uring with IORING_SETUP_DEFER_TASKRUN. The engine's poller of
// such a CQ locks its goroutine to a thread, binds, and runs the inline upcalls
// there. Who uses such a CQ without the engine does the same.
//
// Wait and TryWait of its EventSource belong to the owner; Poll, Arm, Pending,
// Wake and Close may be called elsewhere, as with every CQ. A Poll elsewhere
// finds what the owner has made visible.
type ThreadBound interface {
	// ThreadBound reports whether this CQ is of that kind: a driver may offer
	// both. If it is not, neither Bind nor Unbind is called.
	ThreadBound() bool

	// Bind makes the calling thread the owner. The goroutine must be locked to
	// it (runtime.LockOSThread) and stay so until Unbind has returned.
	// Errors: ErrBusy while it is bound, ErrWrongThread after it was bound to
	// another thread, ErrClosed.
	Bind() error

	// Unbind ends the ownership, on the owner's thread. Nothing that was
	// submitted is left outstanding: requests that have not completed are
	// cancelled and complete with StatusWRFlushErr, and what has completed stays
	// for Poll. Nothing may be submitted afterwards. No other goroutine may
	// be in Poll.
	Unbind() error
}
