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
// own. It implements [hwcq.CQ].
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
	use      usage // QPs
	src      source
	overruns atomic.Uint64
	maxDepth int   // of Resize
	unacked  int64 // set by Close: events the kernel counted and we did not
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
	if err := d.within("rxe: OpenCQ", bound{"Depth", c.Depth, "MaxCQE", d.limits.MaxCQE}, bound{"MaxDepth", c.MaxDepth, "MaxCQE", d.limits.MaxCQE}); err != nil {
		return nil, err
	}
	q := &CQ{dev: d, fd: d.fd, id: nextID.Add(1), maxDepth: c.MaxDepth}
	if err := q.src.open(d, q.id, c.Wait); err != nil {
		return nil, err
	}
	raw, err := d.makeCQ("open CQ", q.id, c, q.src.fd)
	if err != nil {
		return nil, errors.Join(err, q.src.release())
	}
	q.raw, q.consumer.ring, q.src.stat = raw, raw.ring, &q.consumer.stat
	q.consumer.next = raw.ring.cons.Load() // 0: the kernel made it empty
	q.depth.Store(raw.ring.mask)
	if err := d.add(q.id, q); err != nil {
		return nil, errors.Join(err, q.destroy())
	}
	return q, nil
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
	if !q.src.g.enter() {
		return false, errArmClosed
	}
	e := q.raw.arm(q.fd, solicitedOnly)
	q.src.g.leave()
	if e != 0 {
		return false, opError("arm", e)
	}
	missed = q.Pending()
	if q.stat.Load() == consumerCorrupt {
		q.src.Wake() // who sleeps learns of it from the next Wait
		return false, errArmCorrupt
	}
	return missed, nil
}

// Events is where the events arrive; see [hwcq.CQ].
func (q *CQ) Events() hwcq.EventSource { return &q.src }

// WaitMethod is how the event source sleeps: WaitRead, WaitPoll or WaitRuntime.
func (q *CQ) WaitMethod() WaitMethod { return q.src.method() }

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
	if err := q.src.stop(); err != nil {
		q.dev.remove(q.id)
		return err
	}
	read, err := q.dev.dropCQ("close CQ", q.raw.handle)
	q.unacked = int64(read) - int64(q.src.got.Load())
	q.dev.remove(q.id)
	errs := []error{err, q.src.release(), q.raw.cmd.Unmap()}
	if err := q.raw.ringMap.Blank(); err != nil {
		errs = append(errs, opError("close CQ", err))
	}
	runtime.AddCleanup(q, func(m mapping) { _ = m.Unmap() }, q.raw.ringMap)
	return errors.Join(errs...)
}
