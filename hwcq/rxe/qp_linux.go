//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// QP is a reliable connected (RC) queue pair.
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
	psn      uint32
	state    atomic.Uint32 // State this side brought it to
	stateMu  sync.Mutex    // transitions and Close
	isClosed bool          // under stateMu
}

// OpenQP creates an RC queue pair in state INIT: receives can be posted,
// sends after Connect.
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
	q.state.Store(uint32(StateInit))
	if err := p.dev.add(q.id, q); err != nil {
		undo()
		return nil, errors.Join(err, q.drop(p.dev, op))
	}
	return q, nil
}

// acquire marks what the QP uses, all or nothing.
func (q *QP) acquire(op string) (undo func(), err error) {
	var got []*usage
	undo = func() {
		for _, u := range got {
			u.release()
		}
	}
	for _, u := range []*usage{&q.pd.use, &q.cfg.SendCQ.use, &q.cfg.RecvCQ.use} {
		if err := u.acquire(op); err != nil {
			undo()
			return nil, err
		}
		got = append(got, u)
	}
	return undo, nil
}

// modify runs MODIFY_QP and notes the state it led to.
func (q *QP) modify(op string, m qpModify) error {
	if err := q.rawQP.modify(q.dev, op, m); err != nil {
		return err
	}
	q.state.Store(uint32(m.state))
	return nil
}

// Num is the queue pair number, as it stands in completions.
func (q *QP) Num() uint32 { return q.qpn }

// SendDepth is how many sends can be outstanding: at least what was asked
// for.
func (q *QP) SendDepth() int { return int(q.send.ring.mask) }

// RecvDepth is how many receives can be posted: at least what was asked for.
func (q *QP) RecvDepth() int { return int(q.recv.ring.mask) }

// MaxInline is how many bytes fit into a send request: at least what was
// asked for.
func (q *QP) MaxInline() int { return q.inline }

// Dest is what the peer must know to connect to this QP, with the device's
// default GID.
func (q *QP) Dest() (Dest, error) {
	g, err := q.dev.DefaultGID()
	if err != nil {
		return Dest{}, err
	}
	return Dest{QPN: q.qpn, PSN: q.psn, GID: g.GID}, nil
}

// Connect brings the QP to RTS, talking to remote. It succeeds whether or not
// the peer is there or connected.
func (q *QP) Connect(remote Dest, c ConnectConfig) error {
	const op = "connect"
	if err := c.Validate(); err != nil {
		return err
	}
	c.setDefaults()
	if remote.GID.IsZero() {
		return param.Invalid("rxe: Connect", "remote.GID", remote.GID, "the peer's GID")
	}
	if c.SGID.GID.IsZero() {
		g, err := q.dev.DefaultGID()
		if err != nil {
			return err
		}
		c.SGID = g
	}
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	}
	if s := q.State(); s != StateInit {
		return fmt.Errorf("rxe: %s: %w: the QP is in %s, want %s", op, hwcq.ErrBusy, s, StateInit)
	}
	rtr := qpModify{
		mask:  qpState | qpAV | qpPathMTU | qpDestQPN | qpRQPSN | qpMaxDestRDAtomic | qpMinRNRTimer,
		state: StateRTR, remote: remote, sgid: uint8(c.SGID.Index), mtu: mtuCode(c.MTU),
		rdAtomic: 1, minRNR: uint8(c.MinRNRTimer),
	}
	if err := q.modify("connect (to RTR)", rtr); err != nil {
		return err
	}
	rts := qpModify{
		mask:  qpState | qpTimeout | qpRetryCnt | qpRNRRetry | qpSQPSN | qpMaxRDAtomic,
		state: StateRTS, remote: remote, localPSN: q.psn, rdAtomic: 1,
		timeout: ackCode(c.AckTimeout), retry: retryCount(c.Retries), rnr: retryCount(c.RNRRetries),
	}
	return q.modify("connect (to RTS)", rts)
}

// ConnectPair connects two QPs of this host to each other.
func ConnectPair(a, b *QP, c ConnectConfig) error {
	da, err := a.Dest()
	if err != nil {
		return err
	}
	db, err := b.Dest()
	if err != nil {
		return err
	}
	if err := a.Connect(db, c); err != nil {
		return err
	}
	return b.Connect(da, c)
}

// SetError moves the QP to ERR: everything posted completes with
// StatusWRFlushErr. Receives posted later are flushed only by another
// SetError.
func (q *QP) SetError() error {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return fmt.Errorf("rxe: set QP to error: %w", hwcq.ErrClosed)
	}
	return q.modify("set QP to error", qpModify{mask: qpState, state: StateErr})
}

// State is the state this side brought the QP to. The device may have moved
// it to ERR since: see Query.
func (q *QP) State() State { return State(q.state.Load()) }

// Query asks the kernel about the QP.
func (q *QP) Query() (QPAttr, error) {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return QPAttr{}, fmt.Errorf("rxe: query QP: %w", hwcq.ErrClosed)
	}
	var out [128]byte
	in := words(resp, q.handle, qpState|qpPathMTU|qpRQPSN|qpSQPSN|qpDestQPN)
	if err := q.dev.exec("query QP", cmdQueryQP, in, out[:], nil); err != nil {
		return QPAttr{}, err
	}
	return decQueryQP(out[:])
}

func (q *QP) closeRank() int { return rankQP }

// Close destroys the QP. What is posted does not complete any more;
// completions already in a CQ stay there. It is idempotent.
func (q *QP) Close() error {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return nil
	}
	q.isClosed = true
	err := q.drop(q.dev, "close QP")
	q.dev.remove(q.id)
	q.pd.use.release()
	q.cfg.SendCQ.use.release()
	q.cfg.RecvCQ.use.release()
	return err
}
