package mock

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// QP is a queue pair looped back onto its CQ: every request submitted
// completes there, once and in order, unless the QP or CQ is closed before.
//
// Concurrency: all methods from any goroutine. Submitters serialise themselves
// in what they reserve and publish, as does the hardware of the CQ.
//
// Ownership: closing the CQ closes its QPs.
//
// Invariant: cons <= seen <= prod <= cons+len(sq) on the 32-bit circle; sq
// slots [cons, prod) belong to the device, the others to the submitters.
type QP struct {
	cq      *CQ
	cfg     QPConfig
	sq      []WR
	mask    uint32
	*worker           // nil when inline
	closed  atom.Bool // of an inline QP. Writer: Close
	_       pad.Line

	sub producers // Writers: submitters
	_   pad.Line

	// prod counts requests submitted. Writer: submitters. Reader: the device.
	prod atom.Uint32
	_    pad.Line

	// cons counts requests completed. Writer: the device. Readers: submitters.
	cons   atom.Uint32
	stalls atom.Counter // times the CQ was full. Writer: the device
	_      pad.Line

	// parked is 1 while the device sleeps, or is about to. Writers: both;
	// who changes 1 to 0 owes the token. On a line of its own: submitters
	// read it every time, and it seldom changes.
	parked atom.Uint32
	_      pad.Line

	dev device
}

// NewQP makes a loopback QP on the CQ and starts its goroutine, if it has
// one.
func (c *CQ) NewQP(cfg QPConfig) (*QP, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Depth == 0 {
		cfg.Depth = len(c.slots)
	}
	if cfg.Batch == 0 {
		cfg.Batch = defaultBatch
	}
	switch cfg.IdleSpins {
	case 0:
		cfg.IdleSpins = defaultIdleSpins
	case NeverSpin:
		cfg.IdleSpins = 0
	}
	if atom.Exploring {
		cfg.IdleSpins = 0 // turns that end by themselves only blow up the search
	}
	q := &QP{cq: c, cfg: cfg}
	if cfg.Inline {
		_, err := c.adopt(nil)
		if err != nil {
			return nil, err
		}
		return q, nil
	}
	n := slotsFor(cfg.Depth)
	q.sq, q.mask, q.worker = make([]WR, n), n-1, newWorker()
	stream, err := c.adopt(q.worker)
	if err != nil {
		return nil, err
	}
	q.dev.init(cfg, n, mix(c.seed, cfg.Seed, stream), stream)
	atom.Go("device", q.run)
	return q, nil
}

// Submit hands one request to the device. Errors: hwcq.ErrFull when Depth
// requests are outstanding (inline: when the CQ is full), hwcq.ErrClosed. It
// does not allocate; it wakes the device only if that is parked.
func (q *QP) Submit(wr WR) error {
	if q.cfg.Inline {
		return q.inline(&wr)
	}
	first, n, err := q.reserve(1)
	if err != nil {
		return err
	}
	if atom.Exploring {
		q.touch(first, n, true)
	}
	q.sq[first&q.mask] = wr
	q.ring(first, n)
	return nil
}

// SubmitN hands the device as many of wrs as there is room for, with one
// doorbell, and returns how many, always the first ones. The error is nil if
// that is all of them, otherwise as for Submit.
func (q *QP) SubmitN(wrs []WR) (int, error) {
	if q.cfg.Inline {
		for i := range wrs {
			if err := q.inline(&wrs[i]); err != nil {
				return i, err
			}
		}
		return len(wrs), nil
	}
	if len(wrs) == 0 {
		return 0, nil
	}
	first, n, err := q.reserve(len(wrs))
	if err != nil {
		return 0, err
	}
	if atom.Exploring {
		q.touch(first, n, true)
	}
	for i := range n {
		q.sq[(first+uint32(i))&q.mask] = wrs[i]
	}
	q.ring(first, n)
	if n < len(wrs) {
		return n, hwcq.ErrFull
	}
	return n, nil
}

// reserve takes up to want > 0 slots for requests, at least one.
func (q *QP) reserve(want int) (first uint32, n int, err error) {
	first, n, open := q.sub.reserve(want, uint32(len(q.sq)), &q.cons)
	if !open {
		return 0, 0, hwcq.ErrClosed
	}
	if n == 0 {
		return 0, 0, hwcq.ErrFull
	}
	return first, n, nil
}

// ring publishes the n requests from first on and rings the doorbell, which
// costs something only if the device sleeps.
func (q *QP) ring(first uint32, n int) {
	publish(&q.prod, first, n)
	// After publish, never before: see park.
	if q.parked.Load() == 1 && q.parked.CompareAndSwap(1, 0) {
		q.tok.Signal()
	}
}

func (q *QP) inline(wr *WR) error {
	if q.closed.Load() {
		return hwcq.ErrClosed
	}
	wc := wr.complete(q.cfg.QPNum)
	stored, err := q.cq.putOne(&wc, wr.Solicited, q.cfg.Overrun)
	if !stored && err == nil && !q.cfg.Overrun && !q.cq.failed.Load() {
		return hwcq.ErrFull
	}
	return err
}

// complete makes the completion of the request. Failed ones carry only what
// hardware fills in.
func (wr *WR) complete(qp uint32) hwcq.WC {
	if wr.Status != hwcq.StatusSuccess {
		return hwcq.WC{WRID: wr.WRID, Status: wr.Status, QPNum: qp}
	}
	return hwcq.WC{
		WRID: wr.WRID, Opcode: wr.Opcode, ByteLen: wr.ByteLen,
		Imm: wr.Imm, Flags: wr.Flags, QPNum: qp, SrcQP: qp, Port: 1,
	}
}

// Stalls returns how often the device found the CQ full and waited for room.
func (q *QP) Stalls() uint64 { return q.stalls.Load() }

// Close stops the device and drops the requests that are outstanding, without
// completions, as destroying a QP does. It returns when the goroutine has
// ended. Idempotent; returns nil. Submit returns hwcq.ErrClosed from then on.
func (q *QP) Close() error {
	if q.cfg.Inline {
		q.closed.Store(true)
		return nil
	}
	q.askStop()
	q.wait()
	q.cq.disown(q.worker)
	return nil
}
