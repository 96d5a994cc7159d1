package eventfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// source is the event source of a CQ. Wait reads the counter itself, through
// the runtime's poller; others get it out of the read by a deadline that is
// over.
//
// Invariant: whoever changes raised or woken sets the deadline afterwards.
// Wait takes the deadline back before it looks at them, and then reads: so it
// sees the change, or the read ends at once.
type source struct {
	cq     *CQ
	armed  atom.Bool            // Writers: Arm sets, CQ.add clears
	raised atom.Uint64          // events not taken. Writers: CQ.add, the waiter
	woken  atom.Bool            // Writers: Wake sets, the waiter clears
	inside atom.Bool            // somebody is in Wait or TryWait
	buf    [8]byte              // of the waiter
	note   atom.Pointer[func()] // Writer: Notify. Readers: who kicks
}

var (
	_ hwcq.EventSource = (*source)(nil)
	_ hwcq.Notifier    = (*source)(nil)
)

// over is a deadline in the past.
var over = time.Unix(1, 0)

// raise queues an event.
func (s *source) raise() {
	s.raised.Add(1) // before the deadline: see the invariant
	s.kick()
}

// kick gets the waiter out of its read. On a closed CQ it is already. Who was
// told to call something instead has no waiter.
func (s *source) kick() {
	if fn := s.note.Load(); fn != nil {
		(*fn)()
		return
	}
	_ = s.cq.f.SetReadDeadline(over)
}

// Notify implements hwcq.Notifier: the descriptor tells of signals, fn of those
// that another Poll, Pending or Arm has read from it first, of Wakes and of Close.
func (s *source) Notify(fn func()) (fd int, err error) {
	if fn == nil {
		s.note.Store(nil)
		return -1, nil
	}
	s.note.Store(&fn) // before the caller's look: who comes later calls it
	if fd = s.cq.FD(); fd < 0 {
		return -1, errClosed
	}
	return fd, nil
}

// take consumes an event. Only the waiter takes.
func (s *source) take() bool {
	if s.raised.Load() == 0 {
		return false
	}
	s.raised.Add(^uint64(0))
	return true
}

// Wait implements hwcq.EventSource. Events come before a Wake.
func (s *source) Wait() (event bool, err error) {
	if s.inside.Swap(true) {
		return false, errBusy
	}
	defer s.inside.Store(false)
	for {
		// Before the looks: see the invariant.
		if err := s.cq.f.SetReadDeadline(time.Time{}); err != nil || s.cq.closed.Load() {
			return false, errClosed
		}
		if s.take() {
			return true, nil
		}
		if s.woken.Load() && s.woken.Swap(false) {
			return false, nil
		}
		n, err := s.cq.f.Read(s.buf[:])
		switch {
		case n == len(s.buf):
			s.cq.add(binary.NativeEndian.Uint64(s.buf[:])) // raises, if armed
		case errors.Is(err, os.ErrClosed):
			return false, errClosed
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return false, fmt.Errorf("eventfd: wait: %w", err)
		}
	}
}

// TryWait implements hwcq.EventSource.
func (s *source) TryWait() (event bool, err error) {
	if s.cq.closed.Load() {
		return false, errClosed
	}
	if s.inside.Swap(true) {
		return false, errBusy
	}
	defer s.inside.Store(false)
	s.cq.look()
	return s.take(), nil
}

// Wake implements hwcq.EventSource.
func (s *source) Wake() {
	s.woken.Store(true) // before the deadline: see the invariant
	s.kick()
}
