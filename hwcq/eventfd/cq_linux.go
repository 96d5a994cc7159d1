package eventfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// CQ is a completion queue over an eventfd. It implements [hwcq.CQ].
//
// A completion has the WRID and QPNum of the configuration, StatusSuccess, and
// in ByteLen what was added to the counter since the one before. If that does
// not fit the rest is another completion. So the CQ holds one completion and
// does not overrun.
//
// Concurrency: every method from any goroutine at any time; a second Wait or
// TryWait beside a Wait gets hwcq.ErrBusy. Poll, Pending and Arm are one system
// call each, also if there is nothing. A sleeping Wait holds no thread: the
// runtime's poller waits.
//
// Ownership: whoever called New calls Close, which closes the CQ's descriptor.
//
// Invariant: what was read from the counter is in count until Poll takes it;
// who adds to count from 0 or not, and finds armed set, clears it and adds to
// raised.
type CQ struct {
	cfg  Config
	f    *os.File
	conn syscall.RawConn
	read func(fd uintptr) // absorb, bound once: a closure a call would allocate

	out    signaller
	count  atom.Uint64 // signals not polled. Writers: absorb, Poll
	closed atom.Bool   // Writer: Close
	src    source
}

var _ hwcq.CQ = (*CQ)(nil)

// Errors made once.
var (
	errClosed = fmt.Errorf("eventfd: %w", hwcq.ErrClosed)
	errBusy   = fmt.Errorf("eventfd: wait: %w: another goroutine is in Wait or TryWait", hwcq.ErrBusy)
	errFull   = fmt.Errorf("eventfd: signal: %w: the counter would pass 2^64-2", hwcq.ErrFull)
)

// New makes a CQ. Errors: an invalid parameter, or that of the system call,
// EMFILE for example.
func New(cfg Config) (*CQ, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	fd, err := cfg.open()
	if err != nil {
		return nil, err
	}
	c := &CQ{cfg: cfg, f: os.NewFile(uintptr(fd), "eventfd")}
	c.src.cq = c
	c.read, c.out.write = c.absorb, c.out.writeTo
	if c.conn, err = c.f.SyscallConn(); err == nil {
		err = c.f.SetDeadline(time.Time{}) // that it is in the runtime's poller
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("eventfd: New: %w", err), c.f.Close())
	}
	return c, nil
}

// open returns a descriptor of the CQ's own.
func (c Config) open() (int, error) {
	const op = "eventfd: New"
	if c.FD == 0 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", op, os.NewSyscallError("eventfd2", err))
		}
		return fd, nil
	}
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", c.FD))
	if err == nil && !strings.Contains(name, "[eventfd]") {
		return 0, param.Invalid(op, "FD", fmt.Sprintf("%d (%s)", c.FD, name), "an eventfd")
	}
	flags, err := unix.FcntlInt(uintptr(c.FD), unix.F_GETFL, 0)
	if err != nil {
		return 0, param.Invalid(op, "FD", fmt.Sprintf("%d (%v)", c.FD, err), "an open eventfd")
	}
	if flags&unix.O_NONBLOCK == 0 {
		return 0, param.Invalid(op, "FD", fmt.Sprintf("%d (blocking)", c.FD), "an eventfd with EFD_NONBLOCK")
	}
	fd, err := unix.FcntlInt(uintptr(c.FD), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, os.NewSyscallError("fcntl", err))
	}
	return fd, nil
}

// FD is the CQ's descriptor, for who signals: it writes 8 bytes, a number in
// the host's byte order. It must not be closed, and not be used once the CQ is
// closed: duplicate it for that. -1 after Close.
func (c *CQ) FD() int {
	fd := -1
	if err := c.conn.Control(func(f uintptr) { fd = int(f) }); err != nil {
		return -1
	}
	return fd
}

// Signal adds n to the counter; 0 adds nothing. Any goroutine. Errors:
// hwcq.ErrFull if the counter has no room for it, hwcq.ErrClosed.
func (c *CQ) Signal(n uint64) error {
	if n == 0 {
		return nil
	}
	if n == 1<<64-1 {
		return errFull
	}
	closed, err := c.out.add(c.conn, n)
	if closed {
		return errClosed
	}
	switch err {
	case nil:
		return nil
	case unix.EAGAIN:
		return errFull
	}
	return fmt.Errorf("eventfd: signal: %w", os.NewSyscallError("write", err))
}

// signaller writes to the counter without an allocation: a closure for each
// call would be one.
//
// Concurrency: mu guards all but write. It is held for one system call, which
// does not block.
type signaller struct {
	mu    sync.Mutex
	write func(fd uintptr) // writeTo, bound once
	buf   [8]byte
	err   error
}

// add adds n to the counter.
func (s *signaller) add(conn syscall.RawConn, n uint64) (closed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	binary.NativeEndian.PutUint64(s.buf[:], n)
	if conn.Control(s.write) != nil {
		return true, nil
	}
	return false, s.err
}

func (s *signaller) writeTo(fd uintptr) {
	for {
		if _, s.err = unix.Write(int(fd), s.buf[:]); s.err != unix.EINTR {
			return
		}
	}
}

// absorb moves what the counter has to count.
func (c *CQ) absorb(fd uintptr) {
	var b [8]byte
	for {
		n, err := unix.Read(int(fd), b[:])
		if n == len(b) {
			c.add(binary.NativeEndian.Uint64(b[:]))
			return
		}
		if err != unix.EINTR {
			return // EAGAIN: nothing
		}
	}
}

// add is where completions become visible, and where arms fire.
func (c *CQ) add(n uint64) {
	// Publishes the completion, before the look at armed. Pairs with Arm,
	// which arms first.
	c.count.Add(n)
	if c.src.armed.Load() && c.src.armed.Swap(false) {
		c.src.raise()
	}
}

// look absorbs, unless the CQ is closed.
func (c *CQ) look() { _ = c.conn.Control(c.read) }

// Poll implements hwcq.CQ. It returns 0 or 1.
func (c *CQ) Poll(dst []hwcq.WC) int {
	if len(dst) == 0 || c.closed.Load() {
		return 0
	}
	c.look()
	n := c.count.Swap(0)
	if n == 0 {
		return 0
	}
	now := min(n, 1<<32-1)
	if n > now {
		c.count.Add(n - now) // the rest is the next completion's
	}
	dst[0] = hwcq.WC{WRID: c.cfg.WRID, QPNum: c.cfg.QPNum, ByteLen: uint32(now)}
	return 1
}

// Pending implements hwcq.CQ.
func (c *CQ) Pending() bool {
	if c.closed.Load() {
		return false
	}
	c.look()
	return c.count.Load() > 0
}

// Arm implements hwcq.CQ. missed is exact at the instant before the CQ is
// armed. No signal is solicited: both kinds of arm are for the next.
func (c *CQ) Arm(bool) (missed bool, err error) {
	if c.closed.Load() {
		return false, errClosed
	}
	// What was signalled before the arm raises nothing.
	c.look()
	missed = c.count.Load() > 0
	// Full fence: armed first, then the consumer looks again. Pairs with add.
	c.src.armed.Store(true)
	return missed, nil
}

// Events implements hwcq.CQ.
func (c *CQ) Events() hwcq.EventSource { return &c.src }

// Capabilities implements hwcq.CQ.
func (c *CQ) Capabilities() hwcq.Capabilities {
	return hwcq.Capabilities{
		Driver: "eventfd", Depth: 1, ArmIdempotent: true, ReportsMissed: true, Overrun: hwcq.OverrunRecoverable,
	}
}

// Close implements hwcq.CQ. Every call but the first returns nil.
func (c *CQ) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	err := c.f.Close() // gets Wait out
	c.src.kick()       // and who waits elsewhere
	return err
}
