//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// sleeper waits for a completion channel through the Go runtime's poller: the
// goroutine parks, and no thread is in the kernel for it. Others get it out of its
// read by a deadline that is over.
//
// Invariant: whoever has something for the waiter shows it (source.wake, or the guard
// shut) before he sets the deadline. The waiter takes the deadline back before he
// looks, and then reads: so he sees it, or the read ends at once.
//
// Concurrency: ring from any goroutine; the rest belongs to the waiter.
type sleeper struct {
	f   *os.File // has the channel's fd, and closes it
	buf [8]byte
}

// over is a deadline in the past.
var over = time.Unix(1, 0)

// newSleeper takes over fd, which must not block. After an error it is closed.
func newSleeper(fd int) (*sleeper, error) {
	f := os.NewFile(uintptr(fd), "completion channel")
	if err := f.SetReadDeadline(time.Time{}); err != nil { // the poller did not take it
		return nil, errors.Join(fmt.Errorf("rxe: open completion channel: %w: %w", hwcq.ErrNotSupported, err), f.Close())
	}
	return &sleeper{f: f}, nil
}

// ring gets the waiter out of his read, or out of the next.
func (p *sleeper) ring() error { return p.f.SetReadDeadline(over) }

// quiet takes back what ring did.
func (p *sleeper) quiet() error {
	if err := p.f.SetReadDeadline(time.Time{}); err != nil {
		return opError("wait", err)
	}
	return nil
}

// read waits for one event, and returns errNoEvent when somebody has rung: look, then
// read again.
func (p *sleeper) read() (uint64, error) {
	n, err := p.f.Read(p.buf[:])
	switch {
	case err == nil && n == len(p.buf):
		return le.Uint64(p.buf[:]), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		if err := p.quiet(); err != nil { // before the look: see the invariant
			return 0, err
		}
		return 0, errNoEvent
	case err == nil || errors.Is(err, io.EOF):
		return 0, fmt.Errorf("%w: a completion event of %d bytes", ErrCorrupt, n)
	}
	return 0, opError("wait", err)
}

func (s *source) waitRuntime() (bool, error) {
	for {
		if err := s.ended(); err != nil {
			return false, err
		}
		if s.wake.Load() != wakeNone {
			err := s.park.quiet()  // while no other Wake rings; a read would allocate its error
			s.wake.Store(wakeNone) // a Wake that came before is answered by this return
			return false, err
		}
		id, err := s.park.read()
		switch {
		case err == errNoEvent:
		case err != nil:
			return false, err
		case s.sort(id) == evCQ:
			return true, nil
		}
	}
}

// openRuntime has the runtime's poller wait for the channel.
func (s *source) openRuntime() (err error) {
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return errors.Join(opError("open completion channel", os.NewSyscallError("fcntl", err)), unix.Close(s.fd))
	}
	s.park, err = newSleeper(s.fd)
	return err
}
