package check

import (
	"errors"
	"runtime"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rxeBed is a CQ on which receives complete, of empty messages that a peer sends. A
// second queue pair, which is in error, is where requests fail.
type rxeBed struct {
	cq, peerCQ        *rxe.CQ
	pd                *rxe.PD
	recv, failed, far *rxe.QP
}

// qpDepth is more than the suite has in flight.
const qpDepth = 2048

func rxeDriver(cfg Config) (cqtest.Driver, func() error, error) {
	d, err := rxe.Open(rxe.Config{Device: cfg.Dev})
	if err != nil {
		return cqtest.Driver{}, nil, err
	}
	return cqtest.Driver{
		GuardsWait: true,
		Except: map[string]string{
			"failed completion/solicited": "rxe raises solicited events for solicited receives only",
		},
		Open: func(depth int) (*cqtest.Bed, error) {
			b, err := openRXE(d, depth)
			if err != nil {
				return nil, err
			}
			return &cqtest.Bed{
				CQ:        b.cq,
				Complete:  func(wrids ...uint64) error { return b.complete(0, wrids...) },
				Solicited: func(wrid uint64) error { return b.complete(rxe.Solicited, wrid) },
				Overrun:   b.overrun,
				Fail: func(wrid uint64) error {
					return errors.Join(b.failed.PostRecv(&rxe.RecvWR{WRID: wrid}), b.failed.SetError())
				},
				Quiesce: func() error { return errors.Join(b.recv.Close(), b.failed.Close(), b.far.Close()) },
				Release: func() error { return errors.Join(b.peerCQ.Close(), b.pd.Close()) },
			}, nil
		},
	}, d.Close, nil
}

func openRXE(d *rxe.Device, depth int) (*rxeBed, error) {
	b := &rxeBed{}
	var err error
	if b.pd, err = d.OpenPD(); err != nil {
		return nil, err
	}
	if b.cq, err = d.OpenCQ(rxe.CQConfig{Depth: depth}); err != nil {
		return nil, errors.Join(err, b.pd.Close())
	}
	if b.peerCQ, err = d.OpenCQ(rxe.CQConfig{Wait: rxe.WaitPoll}); err != nil {
		return nil, errors.Join(err, b.cq.Close(), b.pd.Close())
	}
	qps := []struct {
		qp **rxe.QP
		cq *rxe.CQ
	}{{&b.recv, b.cq}, {&b.failed, b.cq}, {&b.far, b.peerCQ}}
	for _, x := range qps {
		if err == nil {
			*x.qp, err = b.pd.OpenQP(rxe.QPConfig{SendCQ: x.cq, SendDepth: qpDepth, RecvDepth: qpDepth})
		}
	}
	if err == nil {
		err = rxe.ConnectPair(b.far, b.recv, rxe.ConnectConfig{})
	}
	if err == nil {
		return b, nil
	}
	for _, x := range qps {
		if *x.qp != nil {
			err = errors.Join(err, (*x.qp).Close())
		}
	}
	return nil, errors.Join(err, b.cq.Close(), b.peerCQ.Close(), b.pd.Close())
}

// complete makes receives complete: they are posted before their messages.
func (b *rxeBed) complete(flags rxe.SendFlags, wrids ...uint64) error {
	for _, id := range wrids {
		if err := b.recv.PostRecv(&rxe.RecvWR{WRID: id}); err != nil {
			return err
		}
	}
	for range wrids {
		// The kernel gives slots of the send queue back in its own time.
		for {
			err := b.far.PostSend(&rxe.SendWR{Op: rxe.OpSend, Flags: flags})
			if err == nil {
				break
			}
			if !errors.Is(err, hwcq.ErrFull) {
				return err
			}
			runtime.Gosched()
		}
	}
	return nil
}

// overrun makes sends complete: rxe drops those that find no room and goes on. (A
// receive that finds none puts its queue pair in error.)
func (b *rxeBed) overrun(wrids ...uint64) error {
	drain := make([]hwcq.WC, 64)
	for _, id := range wrids {
		if err := b.far.PostRecv(&rxe.RecvWR{}); err != nil {
			return err
		}
		if err := b.recv.PostSend(&rxe.SendWR{WRID: id, Op: rxe.OpSend, Flags: rxe.Signaled}); err != nil {
			return err
		}
		b.peerCQ.Poll(drain)
	}
	return nil
}
