//go:build linux && (amd64 || arm64)

package rxe

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/mapped"
)

// mapping is memory outside the Go heap: anonymous pages, or a queue shared
// with the kernel. The zero mapping is no mapping.
type mapping = mapped.Pages

// mapAnon returns size bytes of zeroed private memory, rounded up to pages.
func mapAnon(size uintptr) (mapping, error) { return mapped.Anon(size) }

// mapQueue maps a queue of the kernel. Each can be mapped once.
func mapQueue(fd int, mi mmInfo) (mapping, error) {
	if mi.offset > math.MaxInt64 || mi.offset != uint64(mapped.Align(uintptr(mi.offset))) || mi.size < ringDataOff {
		return mapping{}, fmt.Errorf("%w: a queue of %d bytes at offset %#x", ErrCorrupt, mi.size, mi.offset)
	}
	return mapped.Shared(fd, int64(mi.offset), uintptr(mi.size), 0)
}

// pinned is memory of the caller that an MR covers.
type pinned struct {
	b   []byte // keeps it reachable
	pin runtime.Pinner
}

// hold pins the memory, unless it is not Go's, which stays where it is.
func (p *pinned) hold() (addr, length uint64, err error) {
	base := unsafe.SliceData(p.b)
	p.pin.Pin(base)
	return uint64(uintptr(unsafe.Pointer(base))), uint64(len(p.b)), nil
}

func (p *pinned) release() {
	p.pin.Unpin()
	p.b = nil
}

// hotWrite sends a prebuilt command of n bytes at p. The kernel handles it
// without sleeping for long, so the scheduler is not told: that would cost as
// much as the call.
func hotWrite(fd int, p unsafe.Pointer, n uintptr) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(p), n)
	return e
}

// tryRead8 reads 8 bytes from a non-blocking fd.
func tryRead8(fd int, buf *[8]byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(buf)), 8)
	return int(n), e
}

// commandBlock is memory for prebuilt commands of one object.
type commandBlock struct{ mapping }

// at is the address of the command at byte off.
func (c commandBlock) at(off uintptr) unsafe.Pointer { return unsafe.Add(c.Base, off) }

// The ioctl interface: linux include/uapi/rdma/rdma_user_ioctl_cmds.h.
const (
	ioctlVerbs    = 0xc0181b01 // RDMA_VERBS_IOCTL
	driverRXE     = 14         // RDMA_DRIVER_RXE
	objDevice     = 0          // UVERBS_OBJECT_DEVICE
	methodInvoke  = 0          // UVERBS_METHOD_INVOKE_WRITE
	methodGIDs    = 5          // UVERBS_METHOD_QUERY_GID_TABLE
	attrCoreIn    = 0          // UVERBS_ATTR_CORE_IN
	attrCoreOut   = 1          // UVERBS_ATTR_CORE_OUT
	attrWriteCmd  = 2          // UVERBS_ATTR_WRITE_CMD
	attrDriverIn  = 0x1000     // UVERBS_ATTR_UHW_IN
	attrDriverOut = 0x1001     // UVERBS_ATTR_UHW_OUT
	attrMandatory = 1          // UVERBS_ATTR_F_MANDATORY
	ioctlHdr      = 24         // struct ib_uverbs_ioctl_hdr
	ioctlAttr     = 16         // struct ib_uverbs_attr
)

// ioctlBuf builds and runs ioctl calls in one page outside the Go heap: the
// addresses inside a call are plain numbers to the garbage collector and the
// stacks. Not for concurrent use.
type ioctlBuf struct {
	mapping
	kernel func(page []byte) unix.Errno // of tests, in place of the ioctl
}

// Areas of the page.
const (
	ioInOff  = 512
	ioOutOff = 1024
	ioDrvOff = 2048
)

// begin starts a call.
func (b ioctlBuf) begin(method uint16) {
	h := b.Bytes()[:ioctlHdr]
	clear(h)
	le.PutUint16(h[2:], objDevice)
	le.PutUint16(h[4:], method)
	le.PutUint32(h[16:], driverRXE)
}

// attr adds an attribute: data itself where its length is at most 8 and it
// is input, else the address of the data.
func (b ioctlBuf) attr(id, length uint16, data uint64) {
	h := b.Bytes()
	n := le.Uint16(h[6:])
	a := h[ioctlHdr+int(n)*ioctlAttr:][:ioctlAttr]
	le.PutUint16(a, id)
	le.PutUint16(a[2:], length)
	le.PutUint16(a[4:], attrMandatory)
	le.PutUint16(a[6:], 0)
	le.PutUint64(a[8:], data)
	le.PutUint16(h[6:], n+1)
}

// in adds an input attribute.
func (b ioctlBuf) in(id uint16, data []byte) {
	if len(data) <= 8 {
		var v [8]byte
		copy(v[:], data)
		b.attr(id, uint16(len(data)), le.Uint64(v[:]))
		return
	}
	copy(b.Bytes()[ioInOff:ioOutOff], data)
	b.attr(id, uint16(len(data)), b.Addr()+ioInOff)
}

// seal ends the building of a call.
func (b ioctlBuf) seal() {
	h := b.Bytes()
	le.PutUint16(h, ioctlHdr+le.Uint16(h[6:])*ioctlAttr)
}

// run makes the call on fd.
func (b ioctlBuf) run(fd int) error {
	b.seal()
	for {
		e := b.call(fd)
		if e == 0 {
			return nil
		}
		if e != unix.EINTR {
			return e
		}
	}
}

func (b ioctlBuf) call(fd int) unix.Errno {
	if b.kernel != nil {
		return b.kernel(b.Bytes())
	}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlVerbs, uintptr(b.Base))
	return e
}

// invoke runs a write command through the ioctl: in is its body, core and
// driver receive its answers.
func (b ioctlBuf) invoke(fd int, cmd uint32, in, core, driver []byte) error {
	p := b.Bytes()
	b.begin(methodInvoke)
	b.attr(attrWriteCmd, 8, uint64(cmd))
	b.in(attrCoreIn, in)
	if len(core) > 0 {
		clear(p[ioOutOff:ioDrvOff])
		b.attr(attrCoreOut, uint16(len(core)), b.Addr()+ioOutOff)
	}
	if len(driver) > 0 {
		clear(p[ioDrvOff:])
		b.attr(attrDriverOut, uint16(len(driver)), b.Addr()+ioDrvOff)
	}
	err := b.run(fd)
	copy(core, p[ioOutOff:ioDrvOff])
	copy(driver, p[ioDrvOff:])
	return err
}

// errNoEvent: the channel is non-blocking and empty.
var errNoEvent = errors.New("rxe: no event")

// readEvent reads one event from a completion channel: the user handle of
// its CQ. On a blocking channel it waits for one.
func readEvent(fd int) (uint64, error) {
	var b [8]byte
	for {
		n, _, e := unix.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), 8)
		switch {
		case e == unix.EAGAIN:
			return 0, errNoEvent
		case e == unix.EINTR:
			continue
		case e != 0:
			return 0, opError("wait", os.NewSyscallError("read", e))
		case n != 8:
			return 0, fmt.Errorf("%w: a completion event of %d bytes", ErrCorrupt, n)
		}
		return le.Uint64(b[:]), nil
	}
}

// readable reports whether a read of fd would not block.
func readable(fd int) (bool, error) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	var now unix.Timespec
	for {
		n, err := unix.Ppoll(fds[:], &now, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, opError("wait", os.NewSyscallError("ppoll", err))
		}
		return n > 0, nil
	}
}
