package engine

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/atom"
)

// epoll is what a Poller sleeps in once members have descriptors: an epoll set, waited
// for through the runtime's poller, so that no thread is blocked; and an eventfd in it
// that gets the sleeper out.
//
// Level-triggered: a descriptor is told of until its source's TryWait has found
// nothing.
//
// Concurrency: look and wait by the Poller's goroutine; add, del and wake by any,
// close when all others are done. The file keeps the set open until they have left.
//
// Source: epoll(7).
type epoll struct {
	file *os.File
	conn syscall.RawConn
	bell int // eventfd

	mu     atom.Mutex
	of     map[int32]*member // owner: mu; by descriptor
	closed bool              // owner: mu

	// owner: the Poller's goroutine
	evs  [64]unix.EpollEvent
	n    int
	err  error
	once func(fd uintptr) bool // looks, and is done
	till func(fd uintptr) bool // looks, and is done if there is something
}

func newEpoll() (b *epoll, err error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd2", err), unix.Close(fd))
	}
	// os.NewFile has the runtime's poller wait for descriptors that do not block.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(bell), unix.Close(fd))
	}
	b = &epoll{file: os.NewFile(uintptr(fd), "evd poller"), bell: bell, of: map[int32]*member{}}
	b.once = func(fd uintptr) bool { b.ask(fd); return true }
	b.till = func(fd uintptr) bool { b.ask(fd); return b.n != 0 || b.err != nil }
	if b.conn, err = b.file.SyscallConn(); err == nil {
		err = b.add(bell, nil)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// add has m told when fd is readable.
func (b *epoll) add(fd int, m *member) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.control(unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	if err == nil {
		b.of[int32(fd)] = m
	}
	return err
}

// del ends that. A descriptor that was closed has left the set by itself, and its
// number may be another's.
func (b *epoll) del(fd int, m *member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of[int32(fd)] == m {
		delete(b.of, int32(fd))
		_ = b.control(unix.EPOLL_CTL_DEL, fd, nil)
	}
}

func (b *epoll) control(op, fd int, ev *unix.EpollEvent) (err error) {
	if e := b.conn.Control(func(set uintptr) {
		err = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(set), op, fd, ev))
	}); e != nil {
		return e
	}
	return err
}

// look calls told for those that are readable now.
func (b *epoll) look(told func(*member)) error { return b.read(b.once, told) }

// wait is look, after sleeping until there is one, or a wake.
func (b *epoll) wait(told func(*member)) error { return b.read(b.till, told) }

func (b *epoll) read(ask func(uintptr) bool, told func(*member)) error {
	if err := b.conn.Read(ask); err != nil {
		return err
	}
	for i := range b.n {
		fd := b.evs[i].Fd
		if int(fd) == b.bell {
			var n [8]byte
			_, _ = unix.Read(b.bell, n[:])
			continue
		}
		b.mu.Lock()
		m := b.of[fd]
		b.mu.Unlock()
		if m != nil {
			told(m)
		}
	}
	return b.err
}

func (b *epoll) ask(fd uintptr) {
	if b.n, b.err = unix.EpollWait(int(fd), b.evs[:], 0); b.err == unix.EINTR {
		b.err = nil
	}
	b.n = max(b.n, 0)
}

var epollWake = [8]byte{1}

// wake gets the sleeper out, now or the next time. Who had begun when the poller was
// closed may come here afterwards; the bell's number may be another's then.
func (b *epoll) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		_, _ = unix.Write(b.bell, epollWake[:])
	}
}

func (b *epoll) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return errors.Join(b.file.Close(), os.NewSyscallError("close", unix.Close(b.bell)))
}
