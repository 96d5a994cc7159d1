//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"

	"github.com/evdengine/evd/internal/atom"
)

// source is the [hwcq.EventSource] of a ring.
type source struct {
	r      *Ring
	reader atom.Uint32          // who is inside: a reader value. Writers: Wait, TryWait.
	note   atom.Pointer[func()] // Writer: Notify. Readers: Wake, teardown
}

// Values of source.reader.
const (
	readerNone = iota
	readerWait
	readerTry
)

// Wait blocks until an event or a Wake; see [hwcq.EventSource]. Of a portable ring it is
// the runtime's poller that waits. Of an owner's ring it is the owner's thread, which
// first hands over what was submitted; elsewhere the error matches
// [hwcq.ErrWrongThread]. A second goroutine in Wait gets an error that matches
// [hwcq.ErrBusy].
func (s *source) Wait() (event bool, err error) {
	for !s.reader.CompareAndSwap(readerNone, readerWait) {
		if s.reader.Load() == readerWait {
			return false, errWaitBusy
		}
		runtime.Gosched() // a TryWait, over in a moment
	}
	if s.r.owned {
		event, err = s.r.ownerWait()
	} else if err = s.r.waitable(); err == nil {
		event, err = s.r.note.wait()
	}
	s.reader.Store(readerNone) // pairs with the CompareAndSwaps
	runtime.KeepAlive(s.r)
	return event, err
}

// TryWait consumes an event that has already arrived; see [hwcq.EventSource]. While
// another goroutine is in Wait it finds nothing.
func (s *source) TryWait() (event bool, err error) {
	if !s.reader.CompareAndSwap(readerNone, readerTry) {
		return false, nil
	}
	if s.r.owned {
		event, err = s.r.ownerTry()
	} else if err = s.r.waitable(); err == nil {
		event, err = s.r.note.tryWait()
	}
	s.reader.Store(readerNone) // pairs with the CompareAndSwaps
	runtime.KeepAlive(s.r)
	return event, err
}

// Notify implements [hwcq.Notifier] for a portable ring: its eventfd tells of events,
// fn of Wakes and of Close. An owner's ring can only be waited for on its thread: the
// error matches [hwcq.ErrNotSupported].
func (s *source) Notify(fn func()) (fd int, err error) {
	switch {
	case fn == nil:
		s.note.Store(nil)
		return -1, nil
	case s.r.owned:
		return -1, errNotifyOwned
	}
	s.note.Store(&fn) // before the look at the state; pairs with teardown
	if err := s.r.waitable(); err != nil {
		return -1, err
	}
	return s.r.bell.fd, nil
}

// Wake makes the current or the next Wait return; see [hwcq.EventSource].
func (s *source) Wake() {
	s.r.note.wake()
	if fn := s.note.Load(); fn != nil {
		(*fn)() // the eventfd is rung once until a Wait
	}
}

// waitable says why nobody should wait.
func (r *Ring) waitable() error {
	switch s := r.state.Load(); {
	case s&stClosing != 0:
		return errWaitClosed
	case s&stCorrupt != 0:
		return errWaitCorrupt
	}
	return nil
}
