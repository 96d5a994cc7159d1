//go:build amd64 || arm64

package uring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/mapped"
)

// How long requests may take to be cancelled, and how often that is asked for. In
// variables for tests.
var (
	settleLimit = 5 * time.Second
	settleAgain = 10 * time.Millisecond
)

var errCloseBusy = fmt.Errorf("uring: close: %w", hwcq.ErrBusy)

// keepAlive holds the rings that were not closed.
var keepAlive openRings

type openRings struct {
	mu  sync.Mutex
	set map[*Ring]struct{}
}

func (o *openRings) add(r *Ring) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.set == nil {
		o.set = map[*Ring]struct{}{}
	}
	o.set[r] = struct{}{}
}

func (o *openRings) remove(r *Ring) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.set, r)
}

// Close cancels what is in flight, waits until the kernel is done with all of it, and
// releases the ring and its memory ([Ring.Alloc], [Buffers]); see [hwcq.CQ]. Completions
// that were not polled are gone. It is idempotent and safe beside every other method.
//
// The owner of a bound ring does the part of it that is his: in his Wait, which returns,
// in a Poll that finds nothing, or Unbind; or in Close if he calls it.
//
// If a request does not end within seconds, or the owner neither waits nor unbinds, the
// error matches [hwcq.ErrBusy]: the memory stays, nothing can be submitted any more, Poll
// still works, and Close may be called again.
func (r *Ring) Close() error {
	r.closeMu.Lock()
	defer r.closeMu.Unlock()
	if r.state.Load()&stClosed != 0 {
		return nil
	}
	r.mu.Lock()
	r.setState(stClosing) // no Submit and no Bind gets past it
	r.mu.Unlock()
	if err := r.finish(); err != nil {
		return err
	}
	return r.teardown()
}

var errCloseCorrupt = fmt.Errorf("uring: close: %w: when the kernel is done with the requests is not known, so their memory stays", ErrCorrupt)

// finish returns when the kernel has no request of the ring any more.
func (r *Ring) finish() error {
	r.mu.Lock()
	o := r.owner
	r.mu.Unlock()
	switch {
	case r.owned && !o.bound:
		return nil // settled by Unbind, or never bound
	case r.owned && o.tid != unix.Gettid():
		return r.askOwner(o)
	case r.owned && r.leave(), !r.owned && r.settle():
		return nil
	}
	return fmt.Errorf("%w: %d requests do not end", errCloseBusy, r.Stats().InFlight)
}

// askOwner has the owner settle the ring.
func (r *Ring) askOwner(o owner) error {
	// Before the look at parked; pairs with the owner's store of it.
	r.note.closing.Store(1)
	r.note.nudge()
	limit := settleLimit + settleLimit/5 // settleLimit he may take himself
	look := time.NewTicker(settleAgain)
	defer look.Stop()
	for end := time.Now().Add(limit); ; {
		select {
		case <-o.left:
			return nil
		case <-look.C:
		}
		if unix.Tgkill(unix.Getpid(), o.tid, 0) == unix.ESRCH {
			return nil // its thread is gone: the kernel has cancelled and ended everything
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: thread %d owns the ring and neither waits nor unbinds", errCloseBusy, o.tid)
		}
	}
}

// settle cancels whatever is in flight and takes the completions into the stash, until
// nothing is left, or false after a while. Of an owner's ring it is for the owner.
// Nothing may be submitted meanwhile.
func (r *Ring) settle() bool {
	for !r.slots.lock() {
		runtime.Gosched() // a Poll, over in a moment
	}
	defer r.slots.unlock()
	for end := time.Now().Add(settleLimit); ; {
		_ = r.fetch(true) // what it says is seen below
		found := r.reap()
		if r.state.Load()&stCorrupt != 0 || r.slots.busy() == 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		// Also where something was found: more may come for ever.
		arg := syncCancel{fd: -1, flags: cancelAll | cancelAny}
		_ = sysRingRegister(r.fd, registerSyncCancel, &arg, 1) // asked for again
		if found {
			continue
		}
		if _ = r.fetch(true); r.reap() {
			continue
		}
		fds := [1]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(fds[:], int(settleAgain/time.Millisecond))
	}
}

// teardown releases everything. The kernel is done.
func (r *Ring) teardown() error {
	for !r.slots.lock() { // for ever: nobody polls any more
		runtime.Gosched()
	}
	r.setState(stClosed)
	errs := []error{r.bell.close()}
	if fn := r.src.note.Load(); fn != nil {
		(*fn)()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.pages {
		if err := r.pages[i].Blank(); err != nil {
			errs = append(errs, fmt.Errorf("uring: close: %w", err))
		}
	}
	if r.fd >= 0 {
		errs = append(errs, os.NewSyscallError("close", unix.Close(r.fd)))
	}
	r.stash.closeAccepted()
	if r.state.Load()&stCorrupt != 0 && r.slots.busy() > 0 {
		return errors.Join(append(errs, errCloseCorrupt)...)
	}
	r.slots.releaseAll()
	for _, b := range r.groups {
		b.retire()
	}
	r.groups = nil
	errs = append(errs, r.arena.release())
	runtime.AddCleanup(r, func(p [2]mapped.Pages) { _ = errors.Join(p[0].Unmap(), p[1].Unmap()) }, r.pages)
	keepAlive.remove(r)
	return errors.Join(errs...)
}
