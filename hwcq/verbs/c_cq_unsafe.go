//go:build verbs && cgo && linux

package verbs

// #include "evd_verbs.h"
import "C"

import (
	"syscall"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
)

// cCQ is a completion queue with its channel; evd_verbs.h says which calls may
// meet.
type cCQ = C.struct_evd_cq

// The layouts are the same: evd_cq.c checks its side.
var _ [unsafe.Sizeof(C.struct_evd_wc{})]byte = [unsafe.Sizeof(hwcq.WC{})]byte{}

func openCQ(c *cContext, depth, vector int, id uint64, how Interface, rxe bool) (q *cCQ, err error) {
	err = errnoOf(C.evd_cq_open(c, C.int(depth), C.int(vector), C.uint64_t(id), C.int(how), cBool(rxe), &q))
	return q, err
}

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func closeCQ(q *cCQ) error { return errnoOf(C.evd_cq_close(q)) }

// depthOf is how many completions the queue holds.
func depthOf(q *cCQ) int { return int(q.cq.cqe) }

func extended(q *cCQ) bool { return q.ex != nil }

func channelFD(q *cCQ) int { return int(q.channel.fd) }

// wcs is dst as C sees it. The memory has no pointers, so the call checks
// nothing.
func wcs(dst []hwcq.WC) (*C.struct_evd_wc, C.int) {
	return (*C.struct_evd_wc)(unsafe.Pointer(unsafe.SliceData(dst))), C.int(len(dst))
}

func pollCQ(q *cCQ, dst []hwcq.WC) int {
	p, n := wcs(dst)
	return int(C.evd_cq_poll(q, p, n))
}

// armCQ arms and then polls; errno is not 0 if it failed.
func armCQ(q *cCQ, solicited bool, dst []hwcq.WC) (n int, errno syscall.Errno) {
	p, room := wcs(dst)
	return counted(C.evd_cq_arm(q, cBool(solicited), p, room))
}

// pollOrArmCQ polls; when there is nothing it arms and polls again.
func pollOrArmCQ(q *cCQ, solicited bool, dst []hwcq.WC) (n int, errno syscall.Errno) {
	p, room := wcs(dst)
	return counted(C.evd_cq_poll_or_arm(q, cBool(solicited), p, room))
}

func counted(r C.int64_t) (int, syscall.Errno) {
	if r < 0 {
		return 0, syscall.Errno(-r)
	}
	return int(r), 0
}

// eventCQ takes an event: EAGAIN if there is none.
func eventCQ(q *cCQ) syscall.Errno { return syscall.Errno(C.evd_cq_event(q)) }

// What a sleep ended with.
const (
	sleptForNothing = C.EVD_WAIT_AGAIN
	sleptForEvent   = C.EVD_WAIT_EVENT
	sleptForWake    = C.EVD_WAIT_WAKE
)

func sleepCQ(q *cCQ) (what C.int, errno syscall.Errno) {
	r := C.evd_cq_wait(q)
	if r < 0 {
		return sleptForNothing, syscall.Errno(-r)
	}
	return r, 0
}

func wakeCQ(q *cCQ) error { return errnoOf(C.evd_cq_wake(q)) }
