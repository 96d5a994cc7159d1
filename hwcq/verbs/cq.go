//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"fmt"
	"sync"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

var (
	_ hwcq.CQ             = (*CQ)(nil)
	_ hwcq.OverrunCounter = (*CQ)(nil)
	_ hwcq.AsyncNotifier  = (*CQ)(nil)
	_ hwcq.Notifier       = (*source)(nil)
)

// batch is how many completions or requests cross into Go at once.
const batch = 64

// CQ is a completion queue with a completion channel of its own. It implements
// [hwcq.CQ].
//
// Completions are taken off the hardware up to 64 at a time, because a call into
// C costs more than moving one. Those that nobody has asked for yet wait in the
// stash; Pending, which must not lose what it finds, puts them there too.
//
// Invariants: stash[:head] was given out, stash[head:tail] not yet, and is older
// than anything on the hardware; c is not touched once closed.
//
// Concurrency: all methods from any goroutine, Close included.
// Progress: Poll and Pending wait for each other and for Arm, never for the
// hardware; Arm is one system call.
// Ownership: close it after the QPs that complete into it.
type CQ struct {
	mu         sync.Mutex
	c          *cCQ
	closed     bool
	head, tail int
	stash      [batch]hwcq.WC

	dev      *Device
	id       uint64
	depth    int
	ex       bool
	use      usage // QPs
	src      source
	overruns atom.Uint64                         // Writer: the device's reader of events
	fatal    atom.Bool                           // likewise: the hardware has given the CQ up
	async    atom.Pointer[func(hwcq.AsyncEvent)] // Writer: NotifyAsync. Reader: the device's reader of events
}

// OpenCQ creates a completion queue.
func (d *Device) OpenCQ(c CQConfig) (*CQ, error) {
	const op = "open CQ"
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	if n := d.NumCompVectors(); c.Vector >= n {
		return nil, param.Invalid("verbs: OpenCQ", "Vector", c.Vector, fmt.Sprintf("less than the device's %d", n))
	}
	attr, err := d.QueryDevice()
	if err != nil {
		return nil, err
	}
	if c.Depth > attr.MaxCQE {
		return nil, param.Invalid("verbs: OpenCQ", "Depth", c.Depth, fmt.Sprintf("at most %d, the device's max_cqe", attr.MaxCQE))
	}
	q := &CQ{dev: d, id: nextID.Add(1)}
	if c.Interface == InterfaceAuto && d.rxe {
		c.Interface = InterfacePlain // a lock for each completion there: see evd_cq.c
	}
	err = d.make(op, q.id, q, func() (err error) {
		if q.c, err = openCQ(d.ctx, c.Depth, c.Vector, q.id, c.Interface, d.rxe); err != nil {
			return err
		}
		q.depth, q.ex = depthOf(q.c), extended(q.c)
		if err := q.src.open(q, c.Wait); err != nil {
			return errors.Join(err, closeCQ(q.c))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}

// Poll moves completions into dst; see [hwcq.CQ].
func (q *CQ) Poll(dst []hwcq.WC) int {
	q.mu.Lock()
	n := q.take(dst)
	switch {
	case n > 0 || len(dst) == 0 || q.closed:
		// What is in the stash is given out without a call into C. There may be
		// more on the hardware: the next Poll finds it.
	case len(dst) >= batch:
		n = pollCQ(q.c, dst)
	default:
		q.head, q.tail = 0, pollCQ(q.c, q.stash[:])
		n = q.take(dst)
	}
	q.mu.Unlock()
	return n
}

// take gives out of the stash.
func (q *CQ) take(dst []hwcq.WC) int {
	n := copy(dst, q.stash[q.head:q.tail])
	q.head += n
	return n
}

// room is the free part of the stash.
func (q *CQ) room() []hwcq.WC {
	if q.head > 0 {
		q.tail = copy(q.stash[:], q.stash[q.head:q.tail])
		q.head = 0
	}
	return q.stash[q.tail:]
}

// Pending reports whether a completion is waiting; see [hwcq.CQ]. If it knows
// of none it has to poll.
func (q *CQ) Pending() bool {
	q.mu.Lock()
	if q.head == q.tail && !q.closed {
		q.head, q.tail = 0, pollCQ(q.c, q.stash[:])
	}
	p := q.head < q.tail
	q.mu.Unlock()
	return p
}

// Errors of the hot path, made once.
var (
	errArmClosed  = fmt.Errorf("verbs: arm: %w", hwcq.ErrClosed)
	errArmOverrun = fmt.Errorf("verbs: arm: %w", hwcq.ErrOverrun)
	errArmRemoved = fmt.Errorf("verbs: arm: %w", hwcq.ErrRemoved)
)

// Arm asks for one event; see [hwcq.CQ]. It looks again after the arm in the
// same call: missed is never false when a completion from before the arm is
// there; it may also be true for one that came after and raised an event.
func (q *CQ) Arm(solicitedOnly bool) (missed bool, err error) {
	q.mu.Lock()
	if err = q.usable(); err == nil {
		n, e := armCQ(q.c, solicitedOnly, q.room())
		if e != 0 {
			err = opError("arm", e)
		}
		q.tail += n
		missed = q.head < q.tail
	}
	q.mu.Unlock()
	return missed && err == nil, err
}

// PollOrArm polls as Poll does; when there is nothing it arms and polls again,
// all in one call into C. With 0 and no error the CQ is armed and was empty
// afterwards: the caller may wait for an event. It is what a loop of one's own
// wants between two waits; the engine uses Poll and Arm.
func (q *CQ) PollOrArm(dst []hwcq.WC, solicitedOnly bool) (n int, err error) {
	if len(dst) == 0 {
		return 0, param.Invalid("verbs: PollOrArm", "dst", "empty", "room for 1 completion or more")
	}
	q.mu.Lock()
	if err = q.usable(); err == nil && q.head == q.tail {
		got, e := pollOrArmCQ(q.c, solicitedOnly, q.room())
		if e != 0 {
			err = opError("arm", e)
		}
		q.tail += got
	}
	if err == nil {
		n = q.take(dst)
	}
	q.mu.Unlock()
	return n, err
}

// usable says why the CQ cannot be armed.
func (q *CQ) usable() error {
	switch {
	case q.closed:
		return errArmClosed
	case q.dev.removed.Load():
		return errArmRemoved
	case q.fatal.Load():
		return errArmOverrun
	}
	return nil
}

// Events is where the events arrive; see [hwcq.CQ].
func (q *CQ) Events() hwcq.EventSource { return &q.src }

// WaitMethod is how the event source sleeps: rxe.WaitPoll or rxe.WaitRuntime.
func (q *CQ) WaitMethod() rxe.WaitMethod { return q.src.method() }

// Extended tells whether the CQ is polled through the extended interface.
func (q *CQ) Extended() bool { return q.ex }

// Capabilities declares what libibverbs promises, and of overruns what the
// device does; see [hwcq.CQ].
func (q *CQ) Capabilities() hwcq.Capabilities {
	c := hwcq.Capabilities{
		Driver: "verbs", Depth: q.depth,
		ArmIdempotent: true, ReportsMissed: true, Solicited: true,
		Overrun: hwcq.OverrunFatal,
	}
	if q.dev.rxe {
		c.Overrun = hwcq.OverrunLossy
	}
	return c
}

// Overruns counts the device's events of an overrun: on soft-RoCE one for each
// completion that was dropped, elsewhere one for good. The count follows the
// drop with a short delay.
func (q *CQ) Overruns() uint64 { return q.overruns.Load() }

// overrun is told of each such event.
func (q *CQ) overrun() {
	q.overruns.Add(1)
	if !q.dev.rxe {
		q.fatal.Store(true)
		q.src.stir()
	}
	q.hear(hwcq.AsyncEvent{Kind: hwcq.AsyncOverrun})
}

func (q *CQ) closeRank() int { return rankCQ }

// Close releases the CQ; see [hwcq.CQ]. While a QP completes into it the
// error matches [hwcq.ErrBusy] and the CQ stays open. It is idempotent and
// safe beside every other method.
func (q *CQ) Close() error {
	const op = "close CQ"
	return q.use.close(op, func() error {
		q.mu.Lock()
		q.closed = true
		q.head, q.tail = 0, 0
		q.mu.Unlock()
		leave := q.src.stop() // nobody is in C any more
		defer leave()
		return errors.Join(q.src.release(), q.dev.drop(op, q.id, func() error { return closeCQ(q.c) }))
	})
}
