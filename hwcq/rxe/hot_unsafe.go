//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hotBlock is memory for the prebuilt commands of one object that are issued often,
// each in two forms: for write(), which is faster, and for the ioctl.
//
// The kernel takes a write() only from threads that have the credentials object the
// device was opened with, and every setuid, setgid or setgroups gives each thread of a Go
// process an object of its own (linux drivers/infiniband/core/uverbs_main.c:
// ib_uverbs_write, ib_safe_file_access). Then write() fails with EACCES, now on one
// thread and later on all; the ioctl does not ask. So the first EACCES turns the device
// to the ioctl for good.
//
// Concurrency: a command without an answer from any goroutine, one with an answer from
// one at a time. It never allocates.
type hotBlock struct {
	commandBlock
	byIoctl *atomic.Bool // the device's. Writer: call, once. Readers: call
}

// Places in the page. The ioctl of the command at off is at ioctlOff(off).
const (
	hotFirst  = 0
	hotSecond = 64
)

func ioctlOff(off uintptr) uintptr { return 1024 + off*(1024/hotSecond) }

// ioctlAnswer is where the flags of an answer's attribute are, which the kernel sets and
// does not like to see again.
const ioctlAnswer = ioctlHdr + 2*ioctlAttr + 4

// newHotBlock maps the page.
func (d *Device) newHotBlock() (hotBlock, error) {
	page, err := mapAnon(4096)
	return hotBlock{commandBlock{page}, &d.byIoctl}, err
}

// prepare builds the command at off. With an answer, of that many bytes, write() has it
// put where answer points, a place in the page, and the ioctl where its own are.
func (b hotBlock) prepare(off uintptr, cmd uint32, answer []uint64, answerLen int, rest ...uint32) {
	hotCommand(b.Bytes()[off:], cmd, words(answer, rest...), uint16(answerLen/4))
	io := ioctlBuf{mapping: mapping{Base: b.at(ioctlOff(off)), Size: b.Size - ioctlOff(off)}}
	io.begin(methodInvoke)
	io.attr(attrWriteCmd, 8, uint64(cmd))
	if answerLen > 0 {
		io.in(attrCoreIn, words(resp, rest...))
		io.attr(attrCoreOut, uint16(answerLen), io.Addr()+ioOutOff)
	} else {
		io.in(attrCoreIn, words(nil, rest...))
	}
	io.seal()
}

// call issues the command at off, of n bytes as a write().
func (b *hotBlock) call(fd int, off, n uintptr) unix.Errno {
	if !b.byIoctl.Load() {
		e := hotWrite(fd, b.at(off), n)
		if e != unix.EACCES {
			return e
		}
		b.byIoctl.Store(true)
	}
	io := b.at(ioctlOff(off))
	if *(*uint16)(unsafe.Add(io, 6)) > 2 { // it has an answer, so nobody else is here
		*(*uint16)(unsafe.Add(io, ioctlAnswer)) = attrMandatory
	}
	for {
		_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), ioctlVerbs, uintptr(io))
		if e != unix.EINTR {
			return e
		}
	}
}
