//go:build amd64 || arm64

package rxe

import (
	"fmt"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

var (
	errNilSend = param.Invalid("rxe: PostSend", "wr", "nil", "a request")
	errNilRecv = param.Invalid("rxe: PostRecv", "wr", "nil", "a request")

	errRecvSRQ   = param.Invalid("rxe: PostRecv", "QP", "one with an SRQ", "one without: post to its SRQ")
	errRecvReset = fmt.Errorf("rxe: post receive: %w: the QP is in %s", hwcq.ErrBusy, StateReset)
)

// PostSend posts one send request and rings the doorbell. When the queue is
// full it returns an error matching [hwcq.ErrFull] and posts nothing; room
// comes when an earlier request completes. The data must stay in place until
// then. It does not allocate.
//
// An error of the doorbell itself (not ErrFull, ErrClosed or a bad parameter)
// leaves the request in the queue: whether it is carried out is open, and the
// QP should be closed.
func (q *QP) PostSend(wr *SendWR) error {
	if wr == nil {
		return errNilSend
	}
	_, err := q.PostSends(one1(wr))
	return err
}

// PostSends posts the requests in order with one doorbell and returns how
// many were taken; the error is about the first that was not.
func (q *QP) PostSends(wrs []SendWR) (int, error) {
	q.send.mu.Lock()
	defer q.send.mu.Unlock()
	if q.send.closed {
		return 0, errSendClosed
	}
	if s := q.State(); s < StateRTS {
		return 0, fmt.Errorf("rxe: post send: %w: the QP is in %s, not connected", hwcq.ErrBusy, s)
	}
	n, err := q.send.postSends(wrs, q.inline)
	if n == 0 {
		return 0, err
	}
	if e := q.doorbell(); e != 0 {
		return n, opError("post send: doorbell", e)
	}
	return n, err
}

// PostRecv posts one receive request. It only writes memory. When the queue
// is full it returns an error matching [hwcq.ErrFull]. It does not allocate.
func (q *QP) PostRecv(wr *RecvWR) error {
	if wr == nil {
		return errNilRecv
	}
	_, err := q.PostRecvs(one1(wr))
	return err
}

// PostRecvs posts the requests in order and returns how many were taken; the
// error is about the first that was not.
func (q *QP) PostRecvs(wrs []RecvWR) (int, error) {
	q.recv.mu.Lock()
	defer q.recv.mu.Unlock()
	if q.recv.closed {
		return 0, errRecvClosed
	}
	if q.cfg.SRQ != nil {
		return 0, errRecvSRQ
	}
	if q.State() == StateReset {
		return 0, errRecvReset
	}
	return q.recv.postRecvs(wrs)
}
