//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// QP is a reliable connected (RC) queue pair.
//
// Concurrency: all methods may be called from any goroutine. Each of the two
// queues has a lock, held for the call into C; posts to different queues do not
// meet.
// Ownership: close it before its CQs and its PD.
type QP struct {
	dev  *Device
	pd   *PD
	cfg  QPConfig
	has  capacity
	id   uint64
	num  uint32
	psn  uint32
	send struct {
		mu     sync.Mutex
		closed bool
		list   sendList
	}
	recv struct {
		mu     sync.Mutex
		closed bool
		list   recvList
	}
	qp    *cQP        // read-only until Close, which has all three locks
	state atom.Uint32 // rxe.State this side brought it to. Writers: holders of stateMu

	stateMu  sync.Mutex // transitions and Close
	isClosed bool       // guarded by stateMu
}

// OpenQP creates an RC queue pair in state INIT: receives can be posted,
// sends after Connect.
func (p *PD) OpenQP(c QPConfig) (*QP, error) {
	const op = "open QP"
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	if err := p.dev.admits(c); err != nil {
		return nil, err
	}
	q := &QP{dev: p.dev, pd: p, cfg: c, id: nextID.Add(1), psn: rxe.RandomPSN()}
	if err := q.room(c); err != nil {
		return nil, err
	}
	undo, err := q.acquire(op)
	if err == nil {
		err = p.dev.make(op, q.id, q, func() error { return q.create(p, c) })
		if err != nil {
			undo()
		}
	}
	if err != nil {
		return nil, errors.Join(err, q.unroom())
	}
	q.state.Store(uint32(rxe.StateInit))
	return q, nil
}

// admits compares a configuration with the device.
func (d *Device) admits(c QPConfig) error {
	for i, cq := range []*CQ{c.SendCQ, c.RecvCQ} { // in this order: RecvCQ may be SendCQ by default
		if cq.dev != d {
			return param.Invalid("verbs: OpenQP", []string{"SendCQ", "RecvCQ"}[i], "a CQ of another device", "a CQ of the PD's device")
		}
	}
	attr, err := d.QueryDevice()
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range []struct {
		name      string
		n, most   int
		deviceHas string
	}{
		{"SendDepth", c.SendDepth, attr.MaxQPWR, "max_qp_wr"},
		{"RecvDepth", c.RecvDepth, attr.MaxQPWR, "max_qp_wr"},
		{"MaxSGE", c.MaxSGE, attr.MaxSGE, "max_sge"},
	} {
		if l.n > l.most {
			errs = append(errs, param.Invalid("verbs: OpenQP", l.name, l.n, fmt.Sprintf("at most %d, the device's %s", l.most, l.deviceHas)))
		}
	}
	return errors.Join(errs...)
}

// room makes what requests pass through, so that posting allocates nothing.
func (q *QP) room(c QPConfig) (err error) {
	q.send.list.sges = make([]rxe.SGE, 0, batch*max(c.MaxSGE, 1))
	q.recv.list.sges = make([]rxe.SGE, 0, batch*c.MaxSGE)
	if c.Inline > 0 {
		q.send.list.slot = c.Inline
		q.send.list.inline, err = mapped(batch * c.Inline)
	}
	return err
}

func (q *QP) unroom() error {
	m := q.send.list.inline
	q.send.list.inline = nil
	if m == nil {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(m))
}

// create makes the queue pair and brings it to INIT, or leaves nothing.
func (q *QP) create(p *PD, c QPConfig) (err error) {
	want := capacity{sends: c.SendDepth, recvs: c.RecvDepth, pieces: c.MaxSGE, inline: c.Inline}
	if q.qp, q.has, err = openQP(p.pd, c.SendCQ.c, c.RecvCQ.c, q.id, c.SignalAll, want); err != nil {
		return err
	}
	q.num = numberOf(q.qp)
	if err := initQP(q.qp, p.dev.port, c.Remote); err != nil {
		return errors.Join(err, destroyQP(q.qp))
	}
	return nil
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

// Num is the queue pair number, as it stands in completions.
func (q *QP) Num() uint32 { return q.num }

// SendDepth is how many sends can be outstanding: at least what was asked
// for.
func (q *QP) SendDepth() int { return q.has.sends }

// RecvDepth is how many receives can be posted: at least what was asked for.
func (q *QP) RecvDepth() int { return q.has.recvs }

// MaxInline is how many bytes fit into a send request: what was asked for.
func (q *QP) MaxInline() int { return q.cfg.Inline }

// Dest is what the peer must know to connect to this QP: with the device's
// default GID on Ethernet, with the port's LID on InfiniBand.
func (q *QP) Dest() (rxe.Dest, error) { return q.DestFor(rxe.ConnectConfig{}) }

// DestFor is Dest for a QP that is going to Connect with c: with the GID it will send
// from, because it receives only what is sent there.
func (q *QP) DestFor(c rxe.ConnectConfig) (rxe.Dest, error) {
	port, lid, err := q.dev.queryPort()
	if err != nil {
		return rxe.Dest{}, err
	}
	d := rxe.Dest{QPN: q.num, PSN: q.psn, LID: lid}
	if port.LinkLayer == linkInfiniBand {
		return d, nil
	}
	g, err := q.dev.sgid(c.SGID)
	d.GID = g.GID
	return d, err
}

// Connect brings the QP to RTS, talking to remote. It succeeds whether or not
// the peer is there or connected. A remote without GID is reached by its LID,
// which only InfiniBand can do.
func (q *QP) Connect(remote rxe.Dest, c rxe.ConnectConfig) error {
	p, err := q.path(remote, c)
	if err != nil {
		return err
	}
	return q.change("connect", rxe.StateInit, rxe.StateRTS, func() error { return connectQP(q.qp, p) })
}

// change runs a transition; anyState as from takes all but closed.
func (q *QP) change(op string, from, to rxe.State, f func() error) error {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return fmt.Errorf("verbs: %s: %w", op, hwcq.ErrClosed)
	}
	if s := q.State(); from != anyState && s != from {
		return fmt.Errorf("verbs: %s: %w: the QP is in %s, want %s", op, hwcq.ErrBusy, s, from)
	}
	if err := q.dev.do(op, f); err != nil {
		return err
	}
	q.state.Store(uint32(to))
	return nil
}

const anyState rxe.State = 0xff

// ConnectPair connects two QPs of this host to each other.
func ConnectPair(a, b *QP, c rxe.ConnectConfig) error {
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
// StatusWRFlushErr. What is posted later may need another SetError (rxe).
func (q *QP) SetError() error {
	return q.change("set QP to error", anyState, rxe.StateErr, func() error { return errorQP(q.qp) })
}

// State is the state this side brought the QP to. The device may have moved
// it to ERR since: see Query.
func (q *QP) State() rxe.State { return rxe.State(q.state.Load()) }

// Query asks the device about the QP.
func (q *QP) Query() (a rxe.QPAttr, err error) {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return a, fmt.Errorf("verbs: query QP: %w", hwcq.ErrClosed)
	}
	err = q.dev.do("query QP", func() (err error) { a, err = queryQP(q.qp); return err })
	return a, err
}

func (q *QP) closeRank() int { return rankQP }

// Close destroys the QP. What is posted does not complete any more;
// completions already in a CQ stay there, or go, as the device has it. It is
// idempotent.
func (q *QP) Close() error {
	const op = "close QP"
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return nil
	}
	q.isClosed = true
	q.send.mu.Lock()
	q.send.closed = true
	q.send.mu.Unlock()
	q.recv.mu.Lock()
	q.recv.closed = true
	q.recv.mu.Unlock()
	err := errors.Join(q.dev.drop(op, q.id, func() error { return destroyQP(q.qp) }), q.unroom())
	q.pd.use.release()
	q.cfg.SendCQ.use.release()
	q.cfg.RecvCQ.use.release()
	return err
}
