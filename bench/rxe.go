package bench

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rxeRig is an open RDMA device, soft-RoCE or what libibverbs has, with one CQ
// for everything, and one or two queue pairs. All messages have the same size
// and content.
type rxeRig struct {
	dev  rdmaDevice
	c    rdmaCQ
	mr   rdmaMR
	ends []*rxeEnd
}

// rxeEnd is a queue pair with the books of its two queues. Both queues use
// one piece of memory each: nobody looks at the messages.
//
// Owner: whoever consumes; before the EVD is there, whoever opens.
type rxeEnd struct {
	qp    rdmaQP
	sends *Producer
	recvs *Producer
	got   uint64 // receives that completed
	send  []rxe.SendWR
	recv  []rxe.RecvWR
	size  int
}

// openRXE opens a rig whose ends have room for so many sends and receives
// outstanding.
func openRXE(s *session, ends, sends, recvs int) (r *rxeRig, err error) {
	r = &rxeRig{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.dev, err = openRDMA(s.cfg.CQ, s.cfg.Dev); err != nil {
		return r, err
	}
	if r.c, err = r.dev.openCQ(s.cfg.Depth); err != nil {
		return r, err
	}
	if r.mr, err = r.dev.register(2 * ends * s.cfg.Size); err != nil {
		return r, err
	}
	for i := range ends {
		qp, err := r.dev.openQP(sends, recvs)
		if err != nil {
			return r, err
		}
		e := &rxeEnd{
			qp: qp, size: s.cfg.Size,
			send:  make([]rxe.SendWR, min(sends, 256)),
			recv:  make([]rxe.RecvWR, min(recvs, 256)),
			sends: s.book(fmt.Sprintf("QP %d sends", i), false),
			recvs: s.book(fmt.Sprintf("QP %d receives", i), false),
		}
		from := []rxe.SGE{r.mr.SGE(2*i*e.size, e.size)}
		to := []rxe.SGE{r.mr.SGE((2*i+1)*e.size, e.size)}
		for j := range e.send {
			e.send[j] = rxe.SendWR{Op: rxe.OpSend, Flags: rxe.Signaled, SGL: from}
		}
		for j := range e.recv {
			e.recv[j].SGL = to
		}
		r.ends = append(r.ends, e)
	}
	return r, nil
}

// close releases everything.
func (r *rxeRig) close() error {
	if r.dev == nil {
		return nil
	}
	return r.dev.close()
}

// flush makes every request that is still posted complete.
func (r *rxeRig) flush() error {
	var errs []error
	for _, e := range r.ends {
		errs = append(errs, e.qp.SetError())
	}
	return errors.Join(errs...)
}

func (r *rxeRig) report(rep *Report) {
	rep.CQ.Completions, rep.CQ.Overruns = rep.Engine.Polled, r.c.Overruns()
}

// postSends posts up to n sends and returns how many. A full queue is no
// error.
func (e *rxeEnd) postSends(n int) (done int, err error) {
	for done < n {
		k := min(n-done, len(e.send))
		for i := range k {
			e.send[i].WRID = e.sends.At(i)
		}
		m, err := e.qp.PostSends(e.send[:k])
		e.sends.Offered(k, m)
		done += m
		if errors.Is(err, hwcq.ErrFull) {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// postRecvs posts n receives, for which there must be room.
func (e *rxeEnd) postRecvs(n int) error {
	for n > 0 {
		k := min(n, len(e.recv))
		for i := range k {
			e.recv[i].WRID = e.recvs.At(i)
		}
		m, err := e.qp.PostRecvs(e.recv[:k])
		e.recvs.Offered(k, m)
		if err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// received checks a receive's completion.
func (e *rxeEnd) received(ev *engine.Event) error {
	e.got++
	if int(ev.ByteLen) != e.size {
		return fmt.Errorf("a message of %d bytes came, and size is %d: both sides must be given the same", ev.ByteLen, e.size)
	}
	return nil
}

// failure words a completion that is not a success.
func (e *rxeEnd) failure(ev *engine.Event) error {
	why := ""
	switch ev.Status {
	case hwcq.StatusRetryExcErr, hwcq.StatusRNRRetryExcErr:
		why = ": the peer does not answer"
	case hwcq.StatusLocQPOpErr, hwcq.StatusLocLenErr, hwcq.StatusRemOpErr, hwcq.StatusRemInvReqErr:
		why = ": are both sides given the same size?"
	}
	return fmt.Errorf("a request failed with %v%s", ev.Status, why)
}
