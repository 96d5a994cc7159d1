//go:build linux

package engine

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// eventFD is the descriptor of a CNO's FD. The zero value has none.
//
// Invariant: its count is 1 while it is raised, otherwise 0, so neither the read nor
// the write can block or fail. owner: CNO.mu
type eventFD struct {
	plus1 int     // the descriptor, plus 1
	buf   [8]byte // of read and write
}

// make makes the descriptor, if there is none.
func (f *eventFD) make(raised bool) error {
	if f.plus1 > 0 {
		return nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	f.plus1 = fd + 1
	if raised {
		f.raise()
	}
	return nil
}

func (f *eventFD) number() int { return f.plus1 - 1 }

// raise makes it readable.
func (f *eventFD) raise() {
	if f.plus1 > 0 {
		binary.NativeEndian.PutUint64(f.buf[:], 1)
		_, _ = unix.Write(f.number(), f.buf[:])
	}
}

// lower undoes raise.
func (f *eventFD) lower() {
	if f.plus1 > 0 {
		_, _ = unix.Read(f.number(), f.buf[:])
	}
}

func (f *eventFD) close() {
	if f.plus1 > 0 {
		_ = unix.Close(f.number())
		f.plus1 = 0
	}
}
