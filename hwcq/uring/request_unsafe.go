package uring

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/evdengine/evd/internal/param"
)

// Request is one operation to submit: made by a constructor, then given the fields
// below. It is a value; Submit copies it.
type Request struct {
	// WRID comes back in the completions (WC.WRID).
	WRID uint64

	// QPNum comes back in the completions (WC.QPNum), so that one ring may serve
	// many EVDs of a shared CQ: a connection's number, as the caller numbers them.
	QPNum uint32

	// Link ties the request to the next one of the same Submit.
	Link Link

	// Async hands the request to a thread of the kernel at once, instead of trying
	// it first in the submitter's (IOSQE_ASYNC).
	Async bool

	sqe   sqe
	buf   unsafe.Pointer // what the kernel uses until the last completion; nil: nothing
	group *Buffers       // where the kernel takes a buffer from; nil: nowhere
	err   error          // what is wrong with the arguments; Submit reports it
}

// maxIO is how many bytes one request moves at most: a result is an int32.
const maxIO = math.MaxInt32

// request begins a request on a file.
func request(op Op, fd int) Request {
	q := Request{sqe: sqe{opcode: op, fd: int32(fd)}}
	if fd < 0 || fd > math.MaxInt32 {
		q.bad("fd", fd, "an open file descriptor, 0 or more")
	}
	return q
}

// bad keeps the first thing that is wrong with the arguments.
func (q *Request) bad(name string, value any, allowed string) {
	if q.err == nil {
		q.err = param.Invalid("uring: "+q.sqe.opcode.String(), name, value, allowed)
	}
}

// use has the request work on the bytes of b, and hold on to them.
func (q *Request) use(b []byte) {
	if len(b) > maxIO {
		q.bad("len(buf)", len(b), fmt.Sprintf("at most %d", maxIO))
	}
	if len(b) == 0 {
		return // there may be nothing to point at
	}
	q.buf = unsafe.Pointer(unsafe.SliceData(b))
	q.sqe.addr, q.sqe.len = uint64(uintptr(q.buf)), uint32(len(b))
}

// address is where the memory is that the request holds on to.
func (q *Request) address() uint64 { return uint64(uintptr(q.buf)) }

// useAt has the request refer to *p, and hold on to it.
func useAt[T any](q *Request, p *T) {
	q.buf = unsafe.Pointer(p)
	q.sqe.addr = uint64(uintptr(q.buf))
}

// Link says how a request and the next one belong together. A chain is submitted
// whole or not at all.
type Link uint8

const (
	// LinkNone: the next request is not tied to this one.
	LinkNone Link = iota
	// LinkNext: the next one starts when this one has succeeded, and is cancelled
	// (StatusWRFlushErr) when it fails or falls short (IOSQE_IO_LINK).
	LinkNext
	// LinkHard: the next one starts when this one has completed, whatever its
	// result (IOSQE_IO_HARDLINK).
	LinkHard
)

// sqe is struct io_uring_sqe of linux include/uapi/linux/io_uring.h, 64 bytes.
type sqe struct {
	opcode   Op
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64 // addr2
	addr     uint64
	len      uint32
	opFlags  uint32 // rw_flags, msg_flags, accept_flags, ...
	userData uint64
	bufIndex uint16 // buf_group
	personal uint16
	fileIdx  int32 // splice_fd_in, file_index, addr_len
	addr3    uint64
	_        uint64
}

// Flags of a request: IOSQE_*.
const (
	sqeIOLink       = 1 << 2
	sqeIOHardlink   = 1 << 3
	sqeAsync        = 1 << 4
	sqeBufferSelect = 1 << 5
)
