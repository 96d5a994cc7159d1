//go:build amd64 || arm64

package uring

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// owner is whose ring it is.
type owner struct {
	tid   int           // of the first Bind; 0: none yet
	bound bool          // and that has not ended
	left  chan struct{} // cap 1: bound became false
}

var (
	errWaitCorrupt = fmt.Errorf("uring: wait: %w", ErrCorrupt)
	errWaitThread  = fmt.Errorf("uring: wait: %w: an Owner ring is waited for on the thread that bound it", hwcq.ErrWrongThread)
	errBindClosed  = fmt.Errorf("uring: bind: %w", hwcq.ErrClosed)
	errBindBusy    = fmt.Errorf("uring: bind: %w: it is bound", hwcq.ErrBusy)
	errBindThread  = fmt.Errorf("uring: bind: %w: the kernel ties an Owner ring to the first thread that bound it", hwcq.ErrWrongThread)
	errUnbind      = fmt.Errorf("uring: unbind: %w: it is the owner that unbinds", hwcq.ErrWrongThread)
	errUnbindBusy  = fmt.Errorf("uring: unbind: %w: requests do not end; the ring stays bound", hwcq.ErrBusy)
)

// ThreadBound reports whether the ring is one of a thread: whether its shape is Owner;
// see [hwcq.ThreadBound].
func (r *Ring) ThreadBound() bool { return r.owned }

// Bind makes the calling thread the owner; see [hwcq.ThreadBound]. What was submitted
// before goes out with the owner's first Poll or Wait. Of a portable ring it does
// nothing.
func (r *Ring) Bind() error {
	if !r.owned {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	tid := unix.Gettid()
	switch {
	case r.state.Load()&stClosing != 0:
		return errBindClosed
	case r.owner.bound:
		return errBindBusy
	case r.owner.tid != 0 && r.owner.tid != tid:
		return errBindThread
	case r.owner.tid == 0:
		if _, _, e := unix.Syscall6(sysRegister, uintptr(r.fd), registerEnableRings, 0, 0, 0, 0); e != 0 {
			return fmt.Errorf("uring: bind: %w", os.NewSyscallError("io_uring_register", e))
		}
	}
	r.owner.tid, r.owner.bound = tid, true
	select {
	case <-r.owner.left: // of an earlier Unbind
	default:
	}
	r.state.And(^uint32(stUnbound))
	return nil
}

// Unbind ends the ownership; see [hwcq.ThreadBound]. If the kernel does not let go of a
// request within seconds, the error matches [hwcq.ErrBusy] and the ring stays bound;
// Unbind may be called again.
func (r *Ring) Unbind() error {
	if !r.owned {
		return nil
	}
	r.mu.Lock()
	bound, mine := r.owner.bound, r.owner.tid == unix.Gettid()
	if bound && mine {
		r.setState(stUnbound)
	}
	r.mu.Unlock()
	switch {
	case !bound:
		return nil
	case !mine:
		return errUnbind
	case !r.leave():
		return errUnbindBusy
	}
	return nil
}

// leave settles the ring on the owner's thread and ends the ownership.
func (r *Ring) leave() bool {
	if !r.settle() {
		return false
	}
	r.mu.Lock()
	r.owner.bound = false
	r.mu.Unlock()
	r.note.closing.Store(0) // done; what is there can be polled
	select {
	case r.owner.left <- struct{}{}:
	default:
	}
	return true
}

// isOwner tells whether the caller is on the owner's thread.
func (r *Ring) isOwner() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owner.bound && r.owner.tid == unix.Gettid()
}

// ownerWait is Wait of an owner's ring.
func (r *Ring) ownerWait() (event bool, err error) {
	if !r.isOwner() {
		if err := r.waitable(); err != nil {
			return false, err
		}
		return false, errWaitThread
	}
	if r.state.Load()&stCorrupt != 0 {
		return false, errWaitCorrupt
	}
	event, leave, err := r.note.ownerWait(r)
	if leave { // Close waits for it
		r.leave()
		return false, errWaitClosed
	}
	return event, err
}

// ownerTry is TryWait of an owner's ring.
func (r *Ring) ownerTry() (event bool, err error) {
	if err := r.waitable(); err != nil {
		return false, err
	}
	if !r.isOwner() {
		return false, errWaitThread
	}
	return r.note.ownerTry(r)
}

// busy is the notifier's; see crew. The kernel runs only so much task work in a call,
// and signals nothing of the rest.
func (r *Ring) busy() bool { return r.unfetched() != 0 || r.sqFlags.Load()&sqTaskrun != 0 }

// fetchFor is the notifier's; see crew.
func (r *Ring) fetchFor(always bool) error {
	e := r.fetch(always)
	if e == 0 {
		return nil
	}
	if e == unix.EEXIST {
		return errWaitThread
	}
	runtime.KeepAlive(r)
	return fmt.Errorf("uring: wait: %w", os.NewSyscallError("io_uring_enter", e))
}
