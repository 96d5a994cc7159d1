//go:build amd64 || arm64

package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

var (
	errWaitClosed  = fmt.Errorf("uring: wait: %w", hwcq.ErrClosed)
	errNotifyOwned = fmt.Errorf("uring: notify: %w: only its owner's thread can wait for this ring", hwcq.ErrNotSupported)
	errWaitBusy    = fmt.Errorf("uring: wait: %w: another goroutine is in Wait", hwcq.ErrBusy)
)

// eventFD is the bell of a ring. That of a portable ring is in the runtime's poller;
// that of an owner's ring blocks the thread.
//
// Concurrency: ring and close from any goroutine, at any time; wait and try from one
// at a time. The file keeps the descriptor open until the last of them left.
type eventFD struct {
	file *os.File
	fd   int
	buf  [8]byte // owner: the waiter
	conn syscall.RawConn
	once func(fd uintptr) bool // reads into buf, once
	got  error                 // owner: the waiter; result of once
}

func openEventFD(owned bool) (*eventFD, error) {
	flags := unix.EFD_CLOEXEC
	if !owned {
		flags |= unix.EFD_NONBLOCK
	}
	fd, err := unix.Eventfd(0, flags)
	if err != nil {
		return nil, eventFDFailed(err)
	}
	b := &eventFD{file: os.NewFile(uintptr(fd), "uring eventfd"), fd: fd}
	b.once = func(fd uintptr) bool {
		_, b.got = unix.Read(int(fd), b.buf[:])
		return true
	}
	if b.conn, err = b.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, b.file.Close())
	}
	return b, nil
}

func (b *eventFD) wait() (uint64, error) {
	if _, err := b.file.Read(b.buf[:]); err != nil {
		return 0, b.why(err)
	}
	return binary.NativeEndian.Uint64(b.buf[:]), nil
}

// try is for a portable ring's: the other blocks.
func (b *eventFD) try() (uint64, error) {
	if err := b.conn.Read(b.once); err != nil {
		return 0, b.why(err)
	}
	switch b.got {
	case nil:
		return binary.NativeEndian.Uint64(b.buf[:]), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, b.why(os.NewSyscallError("read", b.got))
}

func (b *eventFD) why(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return errWaitClosed
	}
	return fmt.Errorf("uring: wait: %w", err)
}

// wakeWord is wakeCount as the eventfd takes it, on the little-endian machines that
// this package is for.
var wakeWord = [8]byte{4: 1}

func (b *eventFD) ring() error {
	_, err := b.file.Write(wakeWord[:])
	return err
}

func (b *eventFD) close() error { return b.file.Close() }
