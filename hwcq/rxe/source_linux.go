//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// source is a completion channel with one CQ on it: the CQ's
// [hwcq.EventSource]. It waits by a blocking read of the channel, with a
// ringer to interrupt it, by ppoll on the channel and an eventfd, or through the
// runtime's poller.
//
// Invariants: the fds are open while g has users. wake is wakeNone, or a
// wake is owed to the waiter: wakeRung when it is in the channel or eventfd,
// or on its way there; wakeSeen when TryWait found it there.
//
// Concurrency: Wait and TryWait from one goroutine at a time, which is
// checked; Wake from any.
type source struct {
	g      guard    // keeps the fds and the CQ's commands
	fd     int      // channel: blocking with a ringer, else not
	cq     uint64   // the user handle events must carry
	bell   *ringer  // nil: wakeFD or park
	park   *sleeper // nil: bell or wakeFD
	wakeFD int      // eventfd, non-blocking; -1 with a ringer or a sleeper

	reader atomic.Uint32 // who is reading: readerNone, readerWait, readerTry
	wake   atomic.Uint32
	lost   atomic.Bool            // the device is gone. Writer: lose
	got    atomic.Uint64          // events read for the CQ
	stray  atomic.Uint64          // events read for an id that is nobody's
	stat   *atomic.Uint32         // the CQ's consumer.stat
	note   atomic.Pointer[func()] // Writer: Notify. Readers: Wake, stop
}

// Values of source.wake and source.reader.
const (
	wakeNone = iota
	wakeRung
	wakeSeen

	readerNone = 0
	readerWait = 1
	readerTry  = 2
)

// Errors made once.
var (
	errWaitClosed  = fmt.Errorf("rxe: wait: %w", hwcq.ErrClosed)
	errWaitCorrupt = fmt.Errorf("rxe: wait: %w", ErrCorrupt)
	errWaitRemoved = fmt.Errorf("rxe: wait: %w", hwcq.ErrRemoved)
	errWaitBusy    = fmt.Errorf("rxe: wait: %w: another goroutine is in Wait", hwcq.ErrBusy)
)

// open makes the channel and what wakes it.
func (s *source) open(d *Device, cq uint64, how WaitMethod) error {
	const op = "open completion channel"
	var out [4]byte
	if err := d.exec(op, cmdCreateChannel, words(resp), out[:], nil); err != nil {
		return err
	}
	fd, err := ownFD(op, le.Uint32(out[:]))
	if err != nil {
		return err
	}
	s.g, s.fd, s.cq, s.wakeFD = newGuard(), fd, cq, -1
	if how == WaitRuntime {
		return s.openRuntime()
	}
	if how != WaitPoll {
		if s.bell, err = d.openRinger(s.fd); err == nil {
			return nil
		}
	}
	if how == WaitRead {
		return errors.Join(err, s.closeAll())
	}
	if err := unix.SetNonblock(s.fd, true); err != nil {
		return errors.Join(opError(op, os.NewSyscallError("fcntl", err)), s.closeAll())
	}
	if s.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		s.wakeFD = -1
		return errors.Join(opError(op, os.NewSyscallError("eventfd", err)), s.closeAll())
	}
	return nil
}

// method is how Wait waits.
func (s *source) method() WaitMethod {
	switch {
	case s.bell != nil:
		return WaitRead
	case s.park != nil:
		return WaitRuntime
	}
	return WaitPoll
}

// Wait blocks until an event or a Wake; see [hwcq.EventSource]. It blocks in the
// calling goroutine's thread, and the runtime's poller is not involved, unless the
// method is WaitRuntime: handing an event through it costs more than the event. A
// second goroutine in Wait gets an error matching [hwcq.ErrBusy].
func (s *source) Wait() (event bool, err error) {
	if !s.g.enter() {
		return false, errWaitClosed
	}
	for !s.reader.CompareAndSwap(readerNone, readerWait) {
		if s.reader.Load() == readerWait {
			s.g.leave()
			return false, errWaitBusy
		}
		runtime.Gosched() // a TryWait, over in a moment
	}
	switch {
	case s.bell != nil:
		event, err = s.waitRead()
	case s.park != nil:
		event, err = s.waitRuntime()
	default:
		event, err = s.waitPoll()
	}
	s.reader.Store(readerNone)
	s.g.leave()
	return event, err
}

func (s *source) waitRead() (bool, error) {
	for {
		if err := s.ended(); err != nil {
			return false, err
		}
		if s.wake.CompareAndSwap(wakeSeen, wakeNone) {
			return false, nil
		}
		id, err := readEvent(s.fd)
		if err != nil {
			return false, err
		}
		switch s.sort(id) {
		case evCQ:
			return true, nil
		case evWake:
			if err := s.ended(); err != nil {
				return false, err
			}
			// Only now may a Wake ring again. One that came since the event
			// was caused is answered by this return.
			s.wake.Store(wakeNone)
			return false, nil
		}
	}
}

func (s *source) waitPoll() (bool, error) {
	fds := [2]unix.PollFd{
		{Fd: int32(s.fd), Events: unix.POLLIN},
		{Fd: int32(s.wakeFD), Events: unix.POLLIN},
	}
	for {
		if err := s.ended(); err != nil {
			return false, err
		}
		if s.wake.Load() != wakeNone {
			// wake alone decides; the eventfd only gets ppoll to return. A
			// Wake that comes before the Store is answered by the return of
			// this Wait, one whose write comes after the drain makes a later
			// ppoll return for nothing.
			s.drainWake()
			s.wake.Store(wakeNone)
			return false, nil
		}
		if ok, err := s.tryRead(); ok || err != nil {
			return ok, err
		}
		if _, err := unix.Ppoll(fds[:], nil, nil); err != nil && err != unix.EINTR {
			return false, opError("wait", os.NewSyscallError("ppoll", err))
		}
		if fds[1].Revents != 0 {
			s.drainWake() // then look at wake and closed again
		}
	}
}

// ended returns why nothing comes any more, nil as long as something may.
func (s *source) ended() error {
	switch {
	case s.g.closed():
		return errWaitClosed
	case s.lost.Load():
		return errWaitRemoved
	case s.stat != nil && s.stat.Load() == consumerCorrupt:
		return errWaitCorrupt
	}
	return nil
}

// spoil tells one who sleeps that the CQ is corrupt; see ended.
func (s *source) spoil() { s.Wake() }

// lose has every Wait return that the device is gone.
func (s *source) lose() {
	s.lost.Store(true) // before the Wake
	s.Wake()
}

// Notify implements [hwcq.Notifier]: the channel tells of events, fn of Wakes, of
// the CQ's Close and of the removal of its device.
func (s *source) Notify(fn func()) (fd int, err error) {
	if fn == nil {
		s.note.Store(nil)
		return -1, nil
	}
	s.note.Store(&fn) // before the look at closed; pairs with stop
	if s.g.closed() {
		return -1, errWaitClosed
	}
	return s.fd, nil
}

// tell calls what Notify was given.
func (s *source) tell() {
	if fn := s.note.Load(); fn != nil {
		(*fn)()
	}
}

// TryWait consumes an event that has already arrived. It leaves a Wake for
// the next Wait. While another goroutine is in Wait it finds nothing.
func (s *source) TryWait() (event bool, err error) {
	if !s.g.enter() {
		return false, errWaitClosed
	}
	if s.reader.CompareAndSwap(readerNone, readerTry) {
		if event, err = s.tryRead(); !event && err == nil && s.ended() != nil {
			err = s.ended()
		}
		s.reader.Store(readerNone)
	}
	s.g.leave()
	return event, err
}

// tryRead takes one event of the CQ from the channel, false if there is none.
func (s *source) tryRead() (bool, error) {
	for {
		if s.bell != nil {
			// The read below would block. Nobody else reads, so what ppoll
			// sees stays.
			if ready, err := readable(s.fd); !ready {
				return false, err
			}
		}
		id, err := readEvent(s.fd)
		switch {
		case err == errNoEvent:
			return false, nil
		case err != nil:
			return false, err
		}
		switch s.sort(id) {
		case evCQ:
			return true, nil
		case evWake:
			s.wake.Store(wakeSeen)
		}
	}
}

// Whose event it is.
const (
	evCQ = iota
	evWake
	evStray
)

func (s *source) sort(id uint64) int {
	switch {
	case id == s.cq:
		s.got.Add(1)
		return evCQ
	case s.bell != nil && id == s.bell.id:
		return evWake
	}
	s.stray.Add(1)
	return evStray
}

// Wake makes the current or the next Wait return; see [hwcq.EventSource].
func (s *source) Wake() {
	defer s.tell()
	if s.wake.Load() != wakeNone || !s.g.enter() {
		return
	}
	// Only who sets it needs to ring. Pairs with the Store of wakeNone.
	if s.wake.CompareAndSwap(wakeNone, wakeRung) {
		if s.ring() != nil {
			s.wake.Store(wakeNone) // let the next one try
		}
	}
	s.g.leave()
}

// ring makes the channel or the eventfd readable, or ends the sleeper's read.
func (s *source) ring() error {
	switch {
	case s.bell != nil:
		return s.bell.ring()
	case s.park != nil:
		return s.park.ring()
	}
	_, err := unix.Write(s.wakeFD, one[:])
	return err
}

var one = [8]byte{1}

func (s *source) drainWake() {
	var b [8]byte
	_, _ = tryRead8(s.wakeFD, &b)
}

// How stop deals with a waiter that does not come out: rings lost for want of
// kernel memory are repeated, and in the end the waiter is given up.
const (
	ringAgain  = time.Second
	ringsAtAll = 20
)

// stop turns newcomers away and waits for the waiter to leave. After an error
// he is still inside, and nothing may be released.
func (s *source) stop() error {
	s.g.shut()
	s.tell()
	var err error
	for range ringsAtAll {
		if s.g.empty() {
			return nil
		}
		err = s.ring()
		if s.g.wait(ringAgain) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("rxe: close CQ: %w: a Wait does not return; its channel stays open", hwcq.ErrBusy), err)
}

func (s *source) channel() int { return s.fd }

// release closes the fds. read is how many events the kernel has counted as read.
func (s *source) release(read uint32) (unread int32, err error) {
	return int32(read - uint32(s.got.Load())), s.closeAll()
}

func (s *source) closeAll() error {
	var errs []error
	if s.bell != nil {
		errs = append(errs, s.bell.drop())
	}
	if s.wakeFD >= 0 {
		errs = append(errs, unix.Close(s.wakeFD))
	}
	if s.park != nil {
		return errors.Join(append(errs, s.park.f.Close())...)
	}
	return errors.Join(append(errs, unix.Close(s.fd))...)
}
