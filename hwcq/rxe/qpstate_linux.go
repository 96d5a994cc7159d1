//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

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
	return q.query()
}

// query is Query with stateMu held.
func (q *QP) query() (QPAttr, error) {
	var out [128]byte
	const all = 1<<21 - 1 // rxe answers in full whatever is asked for
	if err := q.dev.exec("query QP", cmdQueryQP, words(resp, q.handle, all), out[:], nil); err != nil {
		return QPAttr{}, err
	}
	return decQueryQP(out[:])
}

// step locks the QP for a transition out of one of the states in from. unlock
// must be called unless err is set.
func (q *QP) step(op string, from ...State) (unlock func(), err error) {
	q.stateMu.Lock()
	switch s := q.State(); {
	case q.isClosed:
		err = fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	case !slices.Contains(from, s):
		err = wrongState(op, s, from)
	default:
		return q.stateMu.Unlock, nil
	}
	q.stateMu.Unlock()
	return nil, err
}

func wrongState(op string, s State, from []State) error {
	if len(from) == 1 {
		return fmt.Errorf("rxe: %s: %w: the QP is in %s, want %s", op, hwcq.ErrBusy, s, from[0])
	}
	return fmt.Errorf("rxe: %s: %w: the QP is in %s, want one of %v", op, hwcq.ErrBusy, s, from)
}

// modify runs MODIFY_QP and notes the state it led to. Where the kernel
// refuses because of what the device has done, it says so.
func (q *QP) modify(op string, m qpModify) error {
	err := q.rawQP.modify(q.dev, op, m)
	if errors.Is(err, unix.EINVAL) {
		err = q.refused(op, m, err)
	}
	if err == nil {
		q.state.Store(uint32(m.state))
	}
	return err
}

// refused finds out why a transition was, or repeats it where the reason has
// gone.
func (q *QP) refused(op string, m qpModify, err error) error {
	at, qerr := q.query()
	was := q.State()
	switch {
	case qerr != nil:
		return err
	case at.State != was:
		q.state.Store(uint32(at.State))
		return fmt.Errorf("rxe: %s: %w: the device has moved the QP from %s to %s: %w", op, hwcq.ErrBusy, was, at.State, err)
	case at.SQDraining:
		return fmt.Errorf("rxe: %s: %w: the send queue is still draining: %w", op, hwcq.ErrBusy, err)
	case was == StateSQD:
		return q.rawQP.modify(q.dev, op, m)
	}
	return err
}

// Connect brings the QP from INIT to RTS, talking to remote: it is
// ReadyToReceive and ReadyToSend in one. It succeeds whether or not the peer is
// there or connected. A UD QP has no peer: remote is not looked at.
func (q *QP) Connect(remote Dest, c ConnectConfig) error {
	unlock, c, err := q.prepare("connect", &remote, c, StateInit)
	if err != nil {
		return err
	}
	defer unlock()
	if err := q.toRTR("connect (to RTR)", remote, c); err != nil {
		return err
	}
	return q.toRTS("connect (to RTS)", c)
}

// ReadyToReceive brings the QP from INIT to RTR: it receives from remote, but
// does not send yet. Of c it uses the path, the MTU, MinRNRTimer and
// MaxDestRDAtomic.
func (q *QP) ReadyToReceive(remote Dest, c ConnectConfig) error {
	const op = "ready to receive"
	unlock, c, err := q.prepare(op, &remote, c, StateInit)
	if err != nil {
		return err
	}
	defer unlock()
	return q.toRTR(op, remote, c)
}

// ReadyToSend brings the QP from RTR to RTS. Of c it uses what
// ReadyToReceive does not.
func (q *QP) ReadyToSend(c ConnectConfig) error {
	const op = "ready to send"
	unlock, c, err := q.prepare(op, nil, c, StateRTR)
	if err != nil {
		return err
	}
	defer unlock()
	return q.toRTS(op, c)
}

// prepare checks the arguments of a transition, against the device too, and
// locks the QP for it.
func (q *QP) prepare(op string, remote *Dest, c ConnectConfig, from State) (unlock func(), _ ConnectConfig, err error) {
	if err := c.Validate(); err != nil {
		return nil, c, err
	}
	c.setDefaults()
	connected := q.cfg.Type != UD
	if connected && remote != nil && remote.GID.IsZero() {
		return nil, c, param.Invalid("rxe: Connect", "remote.GID", remote.GID, "the peer's GID")
	}
	if unlock, err = q.step(op, from); err != nil {
		return nil, c, err
	}
	if connected {
		err = q.dev.checkPath(&c)
	}
	if err == nil && connected && remote != nil {
		err = sameKind("rxe: Connect", "remote.GID", remote.GID, c.SGID)
	}
	if err != nil {
		unlock()
		return nil, c, err
	}
	return unlock, c, nil
}

func (q *QP) toRTR(op string, remote Dest, c ConnectConfig) error {
	m := qpModify{mask: qpState, state: StateRTR}
	if q.cfg.Type != UD {
		m.mask |= qpAV | qpPathMTU | qpDestQPN | qpRQPSN
		m.remote, m.path, m.mtu = remote, c.path(remote.GID), mtuCode(c.MTU)
	}
	if q.cfg.Type == RC {
		m.mask |= qpMaxDestRDAtomic | qpMinRNRTimer
		m.destRD, m.minRNR = uint8(max(c.MaxDestRDAtomic, 0)), uint8(c.MinRNRTimer)
	}
	return q.modify(op, m)
}

func (q *QP) toRTS(op string, c ConnectConfig) error {
	m := qpModify{mask: qpState | qpSQPSN, state: StateRTS, localPSN: q.psn}
	switch q.cfg.Type {
	case RC:
		m.mask |= qpTimeout | qpRetryCnt | qpRNRRetry | qpMaxRDAtomic
		m.initRD = uint8(c.MaxRDAtomic)
		m.timeout, m.retry, m.rnr = ackCode(c.AckTimeout), retryCount(c.Retries), retryCount(c.RNRRetries)
	case UD:
		port, err := q.dev.QueryPort()
		if err != nil {
			return err
		}
		q.send.mu.Lock()
		q.send.maxMsg = uint32(port.ActiveMTU)
		q.send.mu.Unlock()
	}
	return q.modify(op, m)
}

// ConnectPair connects two QPs of this host to each other.
func ConnectPair(a, b *QP, c ConnectConfig) error {
	da, err := a.DestFor(c)
	if err != nil {
		return err
	}
	db, err := b.DestFor(c)
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
	const op = "set QP to error"
	unlock, err := q.step(op, StateInit, StateRTR, StateRTS, StateSQD, StateSQE, StateErr)
	if err != nil {
		return err
	}
	defer unlock()
	return q.modify(op, qpModify{mask: qpState, state: StateErr})
}

// Drain moves the QP from RTS to SQD: requests in progress are finished, those
// posted later wait for Resume, and so do those that would have to be retried.
// AsyncSQDrained tells that nothing is in progress any more; Query tells it too
// (SQDraining). Receiving goes on.
func (q *QP) Drain() error {
	const op = "drain QP"
	unlock, err := q.step(op, StateRTS)
	if err != nil {
		return err
	}
	defer unlock()
	q.send.mu.Lock()
	defer q.send.mu.Unlock()
	q.send.ring.clearState(q.send.next)
	return q.modify(op, qpModify{mask: qpState, state: StateSQD})
}

// Resume moves the QP from SQD back to RTS and starts what was posted
// meanwhile. While it is still draining the error matches [hwcq.ErrBusy].
func (q *QP) Resume() error {
	const op = "resume QP"
	unlock, err := q.step(op, StateSQD)
	if err != nil {
		return err
	}
	defer unlock()
	if err := q.modify(op, qpModify{mask: qpState, state: StateRTS}); err != nil {
		return err
	}
	q.send.mu.Lock()
	defer q.send.mu.Unlock()
	if e := q.doorbell(); e != 0 {
		return opError(op, e)
	}
	return nil
}

// Reset moves the QP from any state to RESET. What is posted is gone and does
// not complete; completions already in a CQ stay there. Init makes the QP
// usable again, with another PSN (see Dest). While the send queue is draining
// the error may match [hwcq.ErrBusy]: call Reset again, or SetError first.
func (q *QP) Reset() error {
	const op = "reset QP"
	unlock, err := q.step(op, StateReset, StateInit, StateRTR, StateRTS, StateSQD, StateSQE, StateErr)
	if err != nil {
		return err
	}
	defer unlock()
	// The kernel clears the queues: nobody may be writing requests.
	q.send.mu.Lock()
	defer q.send.mu.Unlock()
	q.recv.mu.Lock()
	defer q.recv.mu.Unlock()
	// Twice: 6.12 notes where the send queue goes on before it empties it, and
	// would later carry out what was there.
	for range 2 {
		if err := q.modify(op, qpModify{mask: qpState, state: StateReset}); err != nil {
			return err
		}
	}
	q.psn = RandomPSN()
	return nil
}

// Init moves the QP from RESET to INIT, as OpenQP leaves it.
func (q *QP) Init() error {
	const op = "initialise QP"
	unlock, err := q.step(op, StateReset)
	if err != nil {
		return err
	}
	defer unlock()
	if err := q.rawQP.init(q.dev, op, q.cfg); err != nil {
		return err
	}
	q.state.Store(uint32(StateInit))
	return nil
}
