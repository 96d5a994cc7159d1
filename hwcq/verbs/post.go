//go:build verbs && cgo && linux

package verbs

import (
	"fmt"
	"syscall"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// Errors of the hot path, made once.
var (
	errNilSend    = param.Invalid("verbs: PostSend", "wr", "nil", "a request")
	errNilRecv    = param.Invalid("verbs: PostRecv", "wr", "nil", "a request")
	errSendClosed = fmt.Errorf("verbs: post send: %w", hwcq.ErrClosed)
	errRecvClosed = fmt.Errorf("verbs: post receive: %w", hwcq.ErrClosed)
	errSendFull   = fmt.Errorf("verbs: post send: %w", hwcq.ErrFull)
	errRecvFull   = fmt.Errorf("verbs: post receive: %w", hwcq.ErrFull)
)

// PostSend posts one send request. When the queue is full it returns an error
// matching [hwcq.ErrFull] and posts nothing; room comes when an earlier request
// completes. The data must stay in place until then. It does not allocate.
func (q *QP) PostSend(wr *rxe.SendWR) error {
	if wr == nil {
		return errNilSend
	}
	q.send.mu.Lock()
	defer q.send.mu.Unlock()
	if err := q.sendable(); err != nil {
		return err
	}
	l := &q.send.list
	l.reset()
	if err := q.addSend(wr); err != nil {
		return err
	}
	_, e := l.post(q.qp)
	return postError("post send", errSendFull, e)
}

// PostSends posts the requests in order, up to 64 in one call into C, and
// returns how many were taken; the error is about the first that was not.
func (q *QP) PostSends(wrs []rxe.SendWR) (done int, err error) {
	q.send.mu.Lock()
	defer q.send.mu.Unlock()
	if err := q.sendable(); err != nil {
		return 0, err
	}
	l := &q.send.list
	for done < len(wrs) && err == nil {
		l.reset()
		for i := done; i < len(wrs) && l.n < batch && err == nil; i++ {
			err = q.addSend(&wrs[i])
		}
		if l.n == 0 {
			break
		}
		n, e := l.post(q.qp)
		done += n
		if e != 0 {
			return done, postError("post send", errSendFull, e)
		}
	}
	return done, err
}

func (q *QP) sendable() error {
	if q.send.closed {
		return errSendClosed
	}
	if s := q.State(); s < rxe.StateRTS {
		return fmt.Errorf("verbs: post send: %w: the QP is in %s, not connected", hwcq.ErrBusy, s)
	}
	return nil
}

// addSend checks a request and puts it on the list. Providers check little, and
// not all the same.
func (q *QP) addSend(wr *rxe.SendWR) error {
	const op = "verbs: PostSend"
	if wr.Flags&rxe.Inline != 0 {
		if len(wr.InlineData) > q.cfg.Inline {
			return param.Invalid(op, "InlineData", fmt.Sprintf("%d bytes", len(wr.InlineData)), fmt.Sprintf("at most %d, the QP's Inline", q.cfg.Inline))
		}
	} else if len(wr.SGL) > q.cfg.MaxSGE {
		return param.Invalid(op, "SGL", fmt.Sprintf("%d pieces", len(wr.SGL)), fmt.Sprintf("at most %d, the QP's MaxSGE", q.cfg.MaxSGE))
	}
	if wr.Op > rxe.OpFetchAdd && wr.Op != rxe.OpSendInv {
		return param.Invalid(op, "Op", wr.Op, "a send, RDMA or atomic operation: there are no memory windows here")
	}
	if wr.Flags&^(rxe.Fence|rxe.Signaled|rxe.Solicited|rxe.Inline) != 0 {
		return param.Invalid(op, "Flags", uint32(wr.Flags), "a combination of Fence, Signaled, Solicited and Inline")
	}
	switch wr.Op {
	case rxe.OpCompareSwap, rxe.OpFetchAdd:
		if wr.RemoteAddr&7 != 0 {
			return param.Invalid(op, "RemoteAddr", fmt.Sprintf("%#x", wr.RemoteAddr), "a multiple of 8 for "+wr.Op.String())
		}
		if n := lengthOf(wr.SGL); n != 8 {
			return param.Invalid(op, "SGL", fmt.Sprintf("%d bytes", n), "8 bytes for "+wr.Op.String())
		}
		fallthrough
	case rxe.OpRead:
		if wr.Flags&rxe.Inline != 0 {
			return param.Invalid(op, "Flags", "Inline", "without Inline for "+wr.Op.String())
		}
	}
	q.send.list.add(wr)
	return nil
}

func lengthOf(sgl []rxe.SGE) (n uint64) {
	for i := range sgl {
		n += uint64(sgl[i].Length)
	}
	return n
}

// PostRecv posts one receive request. When the queue is full it returns an
// error matching [hwcq.ErrFull]. It does not allocate.
func (q *QP) PostRecv(wr *rxe.RecvWR) error {
	if wr == nil {
		return errNilRecv
	}
	q.recv.mu.Lock()
	defer q.recv.mu.Unlock()
	if q.recv.closed {
		return errRecvClosed
	}
	l := &q.recv.list
	l.reset()
	if err := q.addRecv(wr); err != nil {
		return err
	}
	_, e := l.post(q.qp)
	return postError("post receive", errRecvFull, e)
}

// PostRecvs posts the requests in order, up to 64 in one call into C, and
// returns how many were taken; the error is about the first that was not.
func (q *QP) PostRecvs(wrs []rxe.RecvWR) (done int, err error) {
	q.recv.mu.Lock()
	defer q.recv.mu.Unlock()
	if q.recv.closed {
		return 0, errRecvClosed
	}
	l := &q.recv.list
	for done < len(wrs) && err == nil {
		l.reset()
		for i := done; i < len(wrs) && l.n < batch && err == nil; i++ {
			err = q.addRecv(&wrs[i])
		}
		if l.n == 0 {
			break
		}
		n, e := l.post(q.qp)
		done += n
		if e != 0 {
			return done, postError("post receive", errRecvFull, e)
		}
	}
	return done, err
}

func (q *QP) addRecv(wr *rxe.RecvWR) error {
	if len(wr.SGL) > q.cfg.MaxSGE {
		return param.Invalid("verbs: PostRecv", "SGL", fmt.Sprintf("%d pieces", len(wr.SGL)), fmt.Sprintf("at most %d, the QP's MaxSGE", q.cfg.MaxSGE))
	}
	q.recv.list.add(wr)
	return nil
}

// postError words a provider's errno; ENOMEM is how they say full.
func postError(op string, full error, e syscall.Errno) error {
	switch e {
	case 0:
		return nil
	case syscall.ENOMEM, syscall.ENOSPC:
		return full
	}
	return opError(op, e)
}
