//go:build linux && (amd64 || arm64)

package rxe

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
)

// bench is a CQ under the conformance suite: receives complete on it, of
// empty messages that a peer sends. A second QP, which is in error, is where
// requests fail.
type bench struct {
	cq, peerCQ        *CQ
	ch                *Channel // of cq and another, nil: it has its own
	pd                *PD
	recv, failed, far *QP
}

func openBench(d *Device, how WaitMethod, shared bool, depth int) (b *bench, err error) {
	b = &bench{}
	step := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	qp := func(to **QP, cq **CQ) {
		step(func() (err error) {
			*to, err = b.pd.OpenQP(QPConfig{SendCQ: *cq, SendDepth: 2048, RecvDepth: 2048})
			return err
		})
	}
	step(func() (err error) { b.pd, err = d.OpenPD(); return err })
	peer := CQConfig{Wait: WaitPoll}
	if shared {
		step(func() (err error) { b.ch, err = d.OpenChannel(); return err })
		peer = CQConfig{Channel: b.ch}
	}
	step(func() (err error) {
		b.cq, err = d.OpenCQ(CQConfig{Depth: depth, Wait: how, Channel: b.ch})
		return err
	})
	step(func() (err error) { b.peerCQ, err = d.OpenCQ(peer); return err })
	qp(&b.recv, &b.cq)
	qp(&b.failed, &b.cq)
	qp(&b.far, &b.peerCQ)
	step(func() error { return ConnectPair(b.far, b.recv, ConnectConfig{}) })
	return b, err
}

// complete makes receives complete: they are posted before their messages.
func (b *bench) complete(flags SendFlags, wrids ...uint64) error {
	for _, id := range wrids {
		if err := b.recv.PostRecv(&RecvWR{WRID: id}); err != nil {
			return err
		}
	}
	for range wrids {
		// The kernel gives slots of the send queue back in its own time.
		err := hwcq.ErrFull
		for errors.Is(err, hwcq.ErrFull) {
			if err = b.far.PostSend(&SendWR{Op: OpSend, Flags: flags}); err != nil {
				runtime.Gosched()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overrun makes sends complete: rxe drops those that find no room and goes on.
// (A receive that finds none puts its QP in error.)
func (b *bench) overrun(wrids ...uint64) error {
	drain := make([]hwcq.WC, 64)
	for _, id := range wrids {
		if err := b.far.PostRecv(&RecvWR{}); err != nil {
			return err
		}
		if err := b.recv.PostSend(&SendWR{WRID: id, Op: OpSend, Flags: Signaled}); err != nil {
			return err
		}
		b.peerCQ.Poll(drain)
	}
	return nil
}

func (b *bench) fail(wrid uint64) error {
	return errors.Join(b.failed.PostRecv(&RecvWR{WRID: wrid}), b.failed.SetError())
}

func (b *bench) quiesce() error {
	return errors.Join(b.recv.Close(), b.failed.Close(), b.far.Close())
}

func (b *bench) release() error {
	err := errors.Join(b.peerCQ.Close(), b.pd.Close())
	if b.ch != nil {
		if n := b.ch.Stray(); n > 0 {
			err = errors.Join(err, fmt.Errorf("%d stray events", n))
		}
		err = errors.Join(err, b.ch.Close())
	}
	if n := b.cq.unacked; n != 0 {
		err = errors.Join(err, fmt.Errorf("%d events were not handed over", n))
	}
	return err
}

func TestRXEConformance(t *testing.T) {
	d := needRXE(t)
	for _, c := range []struct {
		name   string
		how    WaitMethod
		shared bool
	}{
		{"read", WaitRead, false},
		{"poll", WaitPoll, false},
		{"runtime", WaitRuntime, false},
		{"shared", WaitAuto, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cqtest.Run(t, cqtest.Driver{
				Open: func(depth int) (*cqtest.Bed, error) {
					b, err := openBench(d, c.how, c.shared, depth)
					if err != nil {
						return nil, err
					}
					return &cqtest.Bed{
						CQ:        b.cq,
						Complete:  func(wrids ...uint64) error { return b.complete(0, wrids...) },
						Overrun:   b.overrun,
						Fail:      b.fail,
						Solicited: func(wrid uint64) error { return b.complete(Solicited, wrid) },
						Quiesce:   b.quiesce, Release: b.release,
					}, nil
				},
				GuardsWait: true,
				Short:      true, // in the guest everything takes long
				Except: map[string]string{
					"failed completion/solicited": "rxe raises solicited events for solicited receives only, see CQ.Arm",
				},
			})
		})
	}
}
