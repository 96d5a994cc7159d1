package uring

import (
	"fmt"
	"math"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// CurrentPosition as an offset of [Read] and [Write] is the file's own position,
// which the operation moves on. It is also what pipes and sockets take; they take any.
const CurrentPosition int64 = -1

// Nop does nothing, and completes at once with 0 (IORING_OP_NOP, Linux 5.1).
func Nop() Request { return Request{sqe: sqe{opcode: OpNop, fd: -1}} }

// Read reads into buf from offset off of a file, or from [CurrentPosition]
// (IORING_OP_READ, Linux 5.6; read(2), pread(2)). The result is how many bytes it
// was, 0 at the end. It may be fewer than len(buf), which is at most 2^31-1.
func Read(fd int, buf []byte, off int64) Request { return transfer(OpRead, fd, buf, off) }

// Write writes buf at offset off of a file, or at [CurrentPosition]
// (IORING_OP_WRITE, Linux 5.6; write(2), pwrite(2)). The result is how many bytes it
// was. It may be fewer than len(buf), which is at most 2^31-1. A write to a pipe
// without readers fails with EPIPE and raises SIGPIPE in the submitting thread, as
// write(2) does; [Send] to a socket raises none.
func Write(fd int, buf []byte, off int64) Request { return transfer(OpWrite, fd, buf, off) }

func transfer(op Op, fd int, buf []byte, off int64) Request {
	q := request(op, fd)
	if off < CurrentPosition {
		q.bad("off", off, "an offset, or CurrentPosition (-1)")
	}
	q.use(buf)
	q.sqe.off = uint64(off)
	return q
}

// Fsync writes what is cached of a file to its disk; with dataOnly without metadata
// that is not needed to read the data again (IORING_OP_FSYNC, Linux 5.1; fsync(2),
// fdatasync(2)). It waits for no write that is still in flight: link it to them, or
// submit it after their completions.
func Fsync(fd int, dataOnly bool) Request {
	q := request(OpFsync, fd)
	if dataOnly {
		q.sqe.opFlags = fsyncDataSync
	}
	return q
}

// CloseFD closes a file descriptor (IORING_OP_CLOSE, Linux 5.6; close(2)). Requests in
// flight keep the file open: [CancelFD] or [Shutdown] ends those.
func CloseFD(fd int) Request { return request(OpClose, fd) }

// Timeout completes after d, with StatusSuccess and 0 (IORING_OP_TIMEOUT, Linux 5.4;
// the clock is CLOCK_MONOTONIC). d is 0 or more.
func Timeout(d time.Duration) Request { return timeout(OpTimeout, d) }

// LinkTimeout cancels the request before it, which is linked to it ([LinkNext] or
// [LinkHard]), unless that completes within d (IORING_OP_LINK_TIMEOUT, Linux 5.5). It
// completes too: with StatusSuccess if the time was up, with StatusWRFlushErr
// if the request was faster. d is 0 or more.
func LinkTimeout(d time.Duration) Request { return timeout(OpLinkTimeout, d) }

// timespec is struct __kernel_timespec.
type timespec struct{ sec, nsec int64 }

func timeout(op Op, d time.Duration) Request {
	q := Request{sqe: sqe{opcode: op, fd: -1, len: 1}}
	if d < 0 {
		q.bad("d", d, "0 or more")
	}
	useAt(&q, &timespec{int64(d / time.Second), int64(d % time.Second)})
	return q
}

// Cancel cancels one request in flight on the same ring that was submitted with this
// WRID; which one, if there are several, is not defined (IORING_OP_ASYNC_CANCEL,
// Linux 5.5). The request still completes itself, cancelled (StatusWRFlushErr) or
// not. This one completes with 0, or with ENOENT if there was no such request, or
// EALREADY if it was too far to be stopped.
func Cancel(wrid uint64) Request {
	// A ring numbers its requests by itself: Submit puts its number in place of the
	// WRID.
	return Request{sqe: sqe{opcode: OpAsyncCancel, fd: -1, addr: wrid}}
}

// CancelFD cancels all requests in flight on the same ring that work on a file
// (IORING_OP_ASYNC_CANCEL, Linux 5.19). They still complete themselves. The result is
// how many there were.
func CancelFD(fd int) Request {
	q := request(OpAsyncCancel, fd)
	q.sqe.opFlags = cancelFD | cancelAll
	return q
}

// CancelAll cancels all requests in flight on the same ring (IORING_OP_ASYNC_CANCEL,
// Linux 5.19). They still complete themselves. The result is how many there were.
func CancelAll() Request {
	return Request{sqe: sqe{opcode: OpAsyncCancel, fd: -1, opFlags: cancelAny | cancelAll}}
}

// MsgRing has a completion appear on another ring (IORING_OP_MSG_RING, Linux 5.18): one
// with this wrid, opcode OpMsgRing, ByteLen n and QPNum 0. wrid is less than 2^63, n at
// most 2^31-1. This request completes with 0 once it is there, with EOVERFLOW or ENOMEM
// if the kernel could not store it, with EBADFD (Linux 6.2 and later) if the other is an
// owner's ring that nobody has bound. The other ring must stay open until then; it may be
// the same. Its Depth does not count messages: many at once overflow into the kernel's
// memory. The error matches param.ErrInvalid, or hwcq.ErrClosed if to is closed.
func MsgRing(to *Ring, wrid uint64, n uint32) (Request, error) {
	switch {
	case to == nil:
		return Request{}, param.Invalid("uring: MsgRing", "to", "nil", "an open Ring")
	case to.closing(): // its descriptor may be another ring's by now
		return Request{}, fmt.Errorf("uring: MsgRing: to: %w", hwcq.ErrClosed)
	case wrid >= messageBit:
		return Request{}, param.Invalid("uring: MsgRing", "wrid", wrid, "less than 2^63")
	case n > math.MaxInt32:
		return Request{}, param.Invalid("uring: MsgRing", "n", n, "at most 2^31-1")
	}
	q := request(OpMsgRing, to.FD())
	q.sqe.off, q.sqe.len = messageBit|wrid, n
	return q, nil
}
