//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

var (
	_ hwcq.CQ             = (*CQ)(nil)
	_ hwcq.OverrunCounter = (*CQ)(nil)
	_ hwcq.Resizer        = (*CQ)(nil)
)

// CQ is a completion queue of an rxe device with a completion channel of its
// own, or a place on one that it shares. It implements [hwcq.CQ],
// [hwcq.OverrunCounter] and [hwcq.AsyncNotifier].
//
// Concurrency: one goroutine at a time in Poll or Resize; everything else,
// Close included, from any goroutine at any time.
// Progress: Poll and Pending are wait-free; Arm is one system call.
// Ownership: close it after the QPs that complete into it.
//
// Close beside Poll: the ring's pages are replaced in place by blank ones, so
// a poll in progress reads zeros instead of faulting, notices the closed
// state after its copy, and returns 0. The address range itself is given back
// when the CQ is garbage, which is when nobody can poll it any more. A
// reference count around Poll would have cost several times the poll itself.
type CQ struct {
	consumer

	raw      rawCQ
	dev      *Device
	fd       int // of the device
	id       uint64
	use      usage  // QPs
	ev       events // src or a tap
	g        *guard // of ev
	src      source // its own channel
	overruns atomic.Uint64
	async    atomic.Pointer[func(hwcq.AsyncEvent)] // Writer: NotifyAsync. Readers: the device's goroutines
	maxDepth int                                   // of Resize
	unacked  int32                                 // set by Close: events the kernel counted and we did not
}

// events is where the events of a CQ come from: a source or a tap.
type events interface {
	hwcq.EventSource
	hwcq.Notifier
	channel() int // its fd
	method() WaitMethod
	lose()       // the device is gone: every Wait says so
	spoil()      // the CQ turned out to be corrupt: likewise
	stop() error // turns newcomers away, and has the waiter leave
	// release gives back what it has, after stop. read is how many events the kernel
	// says were read, modulo 2^32, unread how many of them never came out of here.
	release(read uint32) (unread int32, err error)
}

// OpenCQ creates a completion queue.
func (d *Device) OpenCQ(c CQConfig) (*CQ, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	if c.Vector >= d.vectors {
		return nil, param.Invalid("rxe: OpenCQ", "Vector", c.Vector, fmt.Sprintf("less than the device's %d", d.vectors))
	}
	bounds := []bound{{"Depth", c.Depth, "MaxCQE", d.limits.MaxCQE}}
	if c.MaxDepth > c.Depth {
		bounds = append(bounds, bound{"MaxDepth", c.MaxDepth, "MaxCQE", d.limits.MaxCQE})
	}
	if err := d.within("rxe: OpenCQ", bounds...); err != nil {
		return nil, err
	}
	if err := d.opening("open CQ"); err != nil {
		return nil, err
	}
	defer d.opens.leave()
	q := &CQ{dev: d, fd: d.fd, id: nextID.Add(1), maxDepth: c.MaxDepth}
	if err := q.openEvents(c); err != nil {
		return nil, err
	}
	raw, err := d.makeCQ("open CQ", q.id, c, q.ev.channel())
	if err != nil {
		_, rerr := q.ev.release(0)
		return nil, errors.Join(err, rerr)
	}
	q.raw, q.src.stat = raw, &q.consumer.stat
	q.consumer.use(raw.ring, raw.ring.cons.Load()) // 0: the kernel made it empty
	d.add(q.id, q)
	if d.gone.Load() { // after add: whoever sets it looks at who is there
		q.ev.lose()
	}
	return q, nil
}

// openEvents makes the CQ's channel, or its place on one.
func (q *CQ) openEvents(c CQConfig) error {
	if c.Channel == nil {
		q.ev, q.g = &q.src, &q.src.g
		return q.src.open(q.dev, q.id, c.Wait)
	}
	if c.Channel.dev != q.dev {
		return param.Invalid("rxe: OpenCQ", "Channel", "a channel of another device", "a channel of this device")
	}
	t, err := c.Channel.join(q.id)
	if err != nil {
		return err
	}
	q.ev, q.g = t, &t.g
	return nil
}

// Poll moves completions into dst; see [hwcq.CQ]. It touches only memory.
//
// Nothing is called in it, so that it needs no stack: an empty poll is a dozen
// instructions (TestPollNeedsNoStack of internal/atom).
func (q *CQ) Poll(dst []hwcq.WC) int {
	c := &q.consumer
	// Acquire: makes the slots before prod visible; pairs with the kernel's
	// store-release in rxe_cq_post. The only load of the index in a poll.
	prod := c.ring.prod.Load()
	if prod == c.next {
		runtime.KeepAlive(q) // the ring outlives every use of it
		return 0
	}
	// Nobody but this goroutine stores the consumer index. One that was changed
	// has told the kernel that slots are free which are not.
	if prod > c.ring.mask || c.ring.cons.Load() != c.next {
		c.stat.CompareAndSwap(consumerOpen, consumerCorrupt)
		return 0
	}
	n := min(int((prod-c.next)&c.ring.mask), len(dst))
	if n == 0 {
		return 0
	}
	c.ring.copyWCs(dst[:n], c.next)
	c.next = (c.next + uint32(n)) & c.ring.mask
	// Release: hands the n slots back after they were copied; pairs with the
	// kernel's load-acquire in queue_full. Once per batch, not per slot.
	c.ring.cons.Store(c.next)
	// Sequentially consistent after the store above, hence after the copy:
	// if Close replaced the ring under the copy, stat was set before that and
	// is seen here. Pairs with CQ.destroy. It also keeps the ring until here.
	if c.stat.Load() != consumerOpen {
		return 0
	}
	runtime.KeepAlive(q)
	return n
}

// Pending reports whether a completion is waiting; see [hwcq.CQ].
func (q *CQ) Pending() bool {
	p := q.pending()
	runtime.KeepAlive(q)
	return p
}

// Errors of the hot path, made once.
var (
	errArmClosed  = fmt.Errorf("rxe: arm: %w", hwcq.ErrClosed)
	errArmCorrupt = fmt.Errorf("rxe: arm: %w", ErrCorrupt)
	errArmRemoved = fmt.Errorf("rxe: arm: %w", hwcq.ErrRemoved)
)

// Arm asks for one event; see [hwcq.CQ]. missed is rebuilt in user space from
// the indices after the command, because the kernel does not pass its own
// answer on. It is never false when a completion from before the arm is
// there; it may also be true for one that came after and raised an event.
//
// With solicitedOnly, rxe raises events for solicited receives alone: failed
// sends never count, and flushed receives only on older kernels (6.1 does,
// 6.12 does not). Who must see failures arms for any completion.
func (q *CQ) Arm(solicitedOnly bool) (missed bool, err error) {
	if !q.g.enter() {
		return false, errArmClosed
	}
	if q.dev.gone.Load() {
		q.g.leave()
		return false, errArmRemoved
	}
	e := q.raw.arm(q.fd, solicitedOnly)
	q.g.leave()
	if e != 0 {
		return false, opError("arm", e)
	}
	missed = q.Pending()
	if q.stat.Load() == consumerCorrupt {
		q.ev.spoil()
		return false, errArmCorrupt
	}
	return missed, nil
}

// Events is where the events arrive; see [hwcq.CQ].
func (q *CQ) Events() hwcq.EventSource { return q.ev }

// WaitMethod is how the event source sleeps: WaitRead, WaitPoll or WaitRuntime (which
// is also what waits for a [Channel]).
func (q *CQ) WaitMethod() WaitMethod { return q.ev.method() }

// Capabilities declares what rxe does; see [hwcq.CQ].
func (q *CQ) Capabilities() hwcq.Capabilities {
	return hwcq.Capabilities{
		Driver:        "rxe",
		Depth:         int(q.depth.Load()),
		ArmIdempotent: true,
		ReportsMissed: true,
		Solicited:     true,
		Overrun:       hwcq.OverrunLossy,
	}
}

// Overruns returns how many completions were dropped because the CQ was
// full. The count follows the drop with a short delay.
func (q *CQ) Overruns() uint64 { return q.overruns.Load() }

func (q *CQ) closeRank() int { return rankCQ }

// Close releases the CQ; see [hwcq.CQ]. While a QP completes into it the
// error matches [hwcq.ErrBusy] and the CQ stays open. It is idempotent and
// safe beside every other method.
func (q *CQ) Close() error {
	var errs error
	err := q.use.close("close CQ", func() error {
		errs = q.destroy()
		return nil
	})
	return errors.Join(err, errs)
}

func (q *CQ) destroy() error {
	// Sequentially consistent before the ring is replaced below; pairs with
	// the last load in Poll.
	q.stat.Store(consumerClosed)
	defer q.dev.remove(q.id)
	if err := q.ev.stop(); err != nil {
		return err
	}
	read, err := q.dev.dropCQ("close CQ", q.raw.handle)
	unacked, rerr := q.ev.release(read)
	q.unacked = unacked
	errs := []error{err, rerr, q.raw.cmd.Unmap()}
	if err := q.raw.ringMap.Blank(); err != nil {
		errs = append(errs, opError("close CQ", err))
	}
	runtime.AddCleanup(q, func(m mapping) { _ = m.Unmap() }, q.raw.ringMap)
	return errors.Join(errs...)
}
