//go:build amd64 || arm64

package rxe

import (
	"sync"
	"sync/atomic"

	"github.com/evdengine/evd/internal/param"
)

// QP is a queue pair: RC, UC or UD.
//
// Concurrency: all methods may be called from any goroutine. Each of the two
// queues has a lock, held for the post including its doorbell; posts to
// different queues do not meet. The lock costs little beside the doorbell's
// system call, and is what makes Close safe at any time.
// Ownership: close it before its CQs and its PD.
type QP struct {
	rawQP

	dev      *Device
	pd       *PD
	cfg      QPConfig
	id       uint64
	windows  windows       // memory windows bound on it
	state    atomic.Uint32 // State this side brought it to
	stateMu  sync.Mutex    // transitions and Close
	psn      uint32        // under stateMu
	isClosed bool          // under stateMu
}

// OpenQP creates a queue pair in state INIT: receives can be posted, sends
// after Connect.
func (p *PD) OpenQP(c QPConfig) (*QP, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	const op = "open QP"
	for i, cq := range []*CQ{c.SendCQ, c.RecvCQ} { // in this order: RecvCQ may be SendCQ by default
		if cq.dev != p.dev {
			name := []string{"SendCQ", "RecvCQ"}[i]
			return nil, param.Invalid("rxe: OpenQP", name, "a CQ of another device", "a CQ of the PD's device")
		}
	}
	if c.SRQ != nil && c.SRQ.pd.dev != p.dev {
		return nil, param.Invalid("rxe: OpenQP", "SRQ", "an SRQ of another device", "an SRQ of the PD's device")
	}
	l := &p.dev.limits
	if err := p.dev.within("rxe: OpenQP", bound{"SendDepth", c.SendDepth, "MaxQPWR", l.MaxQPWR},
		bound{"RecvDepth", c.RecvDepth, "MaxQPWR", l.MaxQPWR}, bound{"MaxSGE", c.MaxSGE, "MaxSGE", l.MaxSGE}); err != nil {
		return nil, err
	}
	if err := p.dev.opening(op); err != nil {
		return nil, err
	}
	defer p.dev.opens.leave()
	q := &QP{dev: p.dev, pd: p, cfg: c, id: nextID.Add(1), psn: RandomPSN()}
	undo, err := q.acquire(op)
	if err != nil {
		return nil, err
	}
	err = p.dev.makeQP(op, &q.rawQP, q.id, p.handle, c.SendCQ.raw.handle, c.RecvCQ.raw.handle, c)
	if err != nil {
		undo()
		return nil, err
	}
	q.windows.born = nextID.Add(1)
	q.send.pd, q.send.windows = p, &q.windows
	q.state.Store(uint32(StateInit))
	p.dev.add(q.id, q)
	return q, nil
}

// uses is what must outlive the QP.
func (q *QP) uses() []*usage {
	u := []*usage{&q.pd.use, &q.cfg.SendCQ.use, &q.cfg.RecvCQ.use}
	if q.cfg.SRQ != nil {
		u = append(u, &q.cfg.SRQ.use)
	}
	return u
}

// acquire marks what the QP uses, all or nothing.
func (q *QP) acquire(op string) (undo func(), err error) {
	var got []*usage
	undo = func() {
		for _, u := range got {
			u.release()
		}
	}
	for _, u := range q.uses() {
		if err := u.acquire(op); err != nil {
			undo()
			return nil, err
		}
		got = append(got, u)
	}
	return undo, nil
}

// Num is the queue pair number, as it stands in completions.
func (q *QP) Num() uint32 { return q.qpn }

// SendDepth is how many sends can be outstanding: at least what was asked
// for.
func (q *QP) SendDepth() int { return int(q.send.ring.mask) }

// RecvDepth is how many receives can be posted: at least what was asked for; 0
// with an SRQ.
func (q *QP) RecvDepth() int { return int(q.recv.ring.mask) }

// MaxInline is how many bytes fit into a send request: at least what was
// asked for.
func (q *QP) MaxInline() int { return q.inline }

// Transport is the QP's service.
func (q *QP) Transport() Transport { return q.cfg.Type }

// Dest is what the peer must know to connect to this QP, with the device's
// default GID. Reset changes its PSN.
func (q *QP) Dest() (Dest, error) { return q.DestFor(ConnectConfig{}) }

// DestFor is Dest for a QP that is going to Connect with c: with the GID it will send
// from, because it receives only what is sent there.
func (q *QP) DestFor(c ConnectConfig) (Dest, error) {
	g, err := q.dev.sgid(c.SGID)
	if err != nil {
		return Dest{}, err
	}
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	return Dest{QPN: q.qpn, PSN: q.psn, GID: g.GID}, nil
}

func (q *QP) closeRank() int { return rankQP }

// Close destroys the QP. What is posted does not complete any more;
// completions already in a CQ stay there. While a memory window is bound on
// it, or was and is open, the error matches [hwcq.ErrBusy] and the QP stays
// as it is. Close is idempotent.
func (q *QP) Close() error {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return nil
	}
	if err := q.windows.use.close("close QP", func() error { return nil }); err != nil {
		return err
	}
	q.isClosed = true
	err := q.drop(q.dev, "close QP")
	for _, u := range q.uses() {
		u.release()
	}
	q.dev.remove(q.id)
	return err
}
