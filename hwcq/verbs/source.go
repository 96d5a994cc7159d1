//go:build verbs && cgo && linux

package verbs

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/atom"
)

// source is a CQ's completion channel: its [hwcq.EventSource]. It waits in one
// call into C, by poll on the channel and an eventfd, or through the runtime's
// poller.
//
// Invariants: the channel is open while somebody holds in. A wake is owed to
// the waiter while wake is set; the eventfd, or the deadline of the runtime's
// poller, only gets him to look.
//
// Concurrency: Wait and TryWait from one goroutine at a time, which is
// checked; everything else from any.
type source struct {
	q    *CQ
	park *sleeper // nil: poll and eventfd

	in      sync.Mutex // whoever reads the channel
	waiting atom.Bool  // one is in Wait
	shut    atom.Bool  // Writer: stop

	ringing sync.Mutex // whoever rings: not beside the release
	deaf    bool       // guarded by ringing: what would be rung is gone

	wake atom.Bool
	note atom.Pointer[func()] // Writer: Notify. Readers: Wake, stop
}

// Errors made once.
var (
	errWaitClosed  = fmt.Errorf("verbs: wait: %w", hwcq.ErrClosed)
	errWaitBusy    = fmt.Errorf("verbs: wait: %w: another goroutine is in Wait", hwcq.ErrBusy)
	errWaitRemoved = fmt.Errorf("verbs: wait: %w", hwcq.ErrRemoved)
	errWaitOverrun = fmt.Errorf("verbs: wait: %w", hwcq.ErrOverrun)
)

// open is for a CQ that was just made.
func (s *source) open(q *CQ, how rxe.WaitMethod) (err error) {
	s.q = q
	if how == rxe.WaitRuntime {
		s.park, err = newSleeper(q.c)
	}
	return err
}

func (s *source) method() rxe.WaitMethod {
	if s.park != nil {
		return rxe.WaitRuntime
	}
	return rxe.WaitPoll
}

// Wait blocks until an event or a Wake; see [hwcq.EventSource]. Unless the
// method is WaitRuntime it blocks in the calling goroutine's thread. A second
// goroutine in Wait gets an error matching [hwcq.ErrBusy].
func (s *source) Wait() (event bool, err error) {
	if !s.waiting.CompareAndSwap(false, true) {
		return false, errWaitBusy
	}
	s.in.Lock() // held by a TryWait, for a moment, or by Close
	event, err = s.wait()
	s.in.Unlock()
	s.waiting.Store(false)
	return event, err
}

func (s *source) wait() (bool, error) {
	for {
		if s.shut.Load() {
			return false, errWaitClosed
		}
		if s.wake.Load() {
			if err := s.quiet(); err != nil {
				return false, err
			}
			// A Wake that came before is answered by this return; one whose
			// ring comes after the quiet makes a later sleep end for nothing.
			s.wake.Store(false)
			return false, nil
		}
		event, err := s.over()
		if event || err != nil {
			return event, err
		}
		var e syscall.Errno
		if s.park != nil {
			event, e = s.park.sleep()
		} else {
			what, errno := sleepCQ(s.q.c)
			event, e = what == sleptForEvent, errno
		}
		if event || e != 0 {
			return event, waitError(e)
		}
	}
}

// over says why no event comes any more, after the events that have come.
func (s *source) over() (event bool, err error) {
	switch {
	case s.q.dev.removed.Load():
		err = errWaitRemoved
	case s.q.fatal.Load():
		err = errWaitOverrun
	default:
		return false, nil
	}
	if eventCQ(s.q.c) == 0 {
		return true, nil
	}
	return false, err
}

func waitError(e syscall.Errno) error {
	switch e {
	case 0:
		return nil
	case syscall.EIO, syscall.ENODEV:
		return errWaitRemoved
	}
	return opError("wait", e)
}

// quiet takes back what ring did.
func (s *source) quiet() error {
	if s.park != nil {
		return s.park.quiet()
	}
	return nil // a sleep drains the eventfd
}

// TryWait consumes an event that has already arrived. It leaves a Wake for
// the next Wait. While another goroutine is in Wait it finds nothing.
func (s *source) TryWait() (event bool, err error) {
	if s.shut.Load() {
		return false, errWaitClosed
	}
	if s.waiting.Load() || !s.in.TryLock() {
		return false, nil
	}
	if s.shut.Load() {
		err = errWaitClosed
	} else if event, err = s.over(); !event && err == nil {
		e := eventCQ(s.q.c)
		event = e == 0
		if !event && e != syscall.EAGAIN && e != syscall.EINTR {
			err = waitError(e)
		}
	}
	s.in.Unlock()
	return event, err
}

// Wake makes the current or the next Wait return; see [hwcq.EventSource].
func (s *source) Wake() {
	// Only who sets it needs to ring. Pairs with the Store of false in wait.
	if s.wake.CompareAndSwap(false, true) && s.ring() != nil {
		s.wake.Store(false) // let the next one try
	}
	s.tell()
}

// stir makes whoever waits look at what has become of the CQ.
func (s *source) stir() {
	_ = s.ring()
	s.tell()
}

// ring ends the current or the next sleep.
func (s *source) ring() error {
	s.ringing.Lock()
	defer s.ringing.Unlock()
	switch {
	case s.deaf:
		return nil
	case s.park != nil:
		return s.park.ring()
	}
	return wakeCQ(s.q.c)
}

// Notify implements [hwcq.Notifier]: the channel tells of events, fn of Wakes and of
// the CQ's Close.
func (s *source) Notify(fn func()) (fd int, err error) {
	if fn == nil {
		s.note.Store(nil)
		return -1, nil
	}
	s.note.Store(&fn) // before the look at shut; pairs with stop
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.q.closed || s.shut.Load() {
		return -1, errWaitClosed
	}
	return channelFD(s.q.c), nil
}

// tell calls what Notify was given.
func (s *source) tell() {
	if fn := s.note.Load(); fn != nil {
		(*fn)()
	}
}

// stop turns newcomers away and waits for the waiter to leave. Nobody else
// reads the channel until leave is called.
func (s *source) stop() (leave func()) {
	s.shut.Store(true)
	s.stir()
	s.in.Lock()
	return s.in.Unlock
}

// release gives up what rings, before the CQ is destroyed.
func (s *source) release() error {
	s.ringing.Lock()
	defer s.ringing.Unlock()
	s.deaf = true
	if s.park != nil {
		return s.park.close()
	}
	return nil
}
