//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/mapped"
	"github.com/evdengine/evd/internal/param"
)

// mapCQRing maps the ring of a new CQ, at the beginning of as much address
// space as one for maxDepth would take: Resize puts the new ring in the old
// one's place, so that no pointer into it ever changes.
func (d *Device) mapCQRing(made cqCreated, maxDepth int) (mapping, ring, error) {
	if maxDepth <= int(made.depth) {
		return d.mapRing(made.ring, wcSize)
	}
	if err := made.ring.check(); err != nil {
		return mapping{}, ring{}, err
	}
	slots := uint64(1) << bits.Len(uint(maxDepth)) // as rxe_queue_init rounds maxDepth+1
	size := uint64(made.ring.size) * slots / (uint64(made.depth) + 1)
	if size > 1<<30 {
		return mapping{}, ring{}, fmt.Errorf("%w: a CQ of %d in %d bytes", ErrCorrupt, made.depth, made.ring.size)
	}
	m, err := mapped.Reserve(uintptr(size))
	if err != nil {
		return mapping{}, ring{}, err
	}
	r, err := d.overlayRing(m, made.ring)
	if err != nil {
		return mapping{}, ring{}, errors.Join(err, m.Unmap())
	}
	return m, r, nil
}

// overlayRing maps a CQ's ring at the beginning of m, and checks it.
func (d *Device) overlayRing(m mapping, mi mmInfo) (r ring, err error) {
	if err := mi.check(); err != nil {
		return ring{}, err
	}
	if uintptr(mi.size) > m.Size {
		return ring{}, fmt.Errorf("%w: a ring of %d bytes, at most %d expected", ErrCorrupt, mi.size, m.Size)
	}
	err = d.with("map queue", func() error { return m.Overlay(d.fd, int64(mi.offset), uintptr(mi.size)) })
	if err != nil {
		return ring{}, err
	}
	return newRing(m.Base, uintptr(mi.size), wcSize)
}

// Resize makes the CQ hold at least depth completions, 1 to
// CQConfig.MaxDepth; see [hwcq.Resizer]. rxe rounds up to a power of two less
// one. Completions may come and events be waited for meanwhile. It may be
// smaller than the depths of the queues that complete into it together, at
// the risk of an overrun.
//
// An error after the kernel has changed the ring matches [ErrCorrupt], or is
// of the mapping; the CQ then returns nothing any more and should be closed.
func (q *CQ) Resize(depth int) error {
	const op = "resize CQ"
	if depth < 1 || depth > q.maxDepth {
		return param.Invalid("rxe: Resize", "depth", depth, fmt.Sprintf("1..%d, the CQ's MaxDepth", q.maxDepth))
	}
	// Close waits, and so do QPs that open: the CQ's handle stays valid.
	return q.use.hold(op, func() error {
		if q.stat.Load() == consumerCorrupt {
			return fmt.Errorf("rxe: %s: %w", op, ErrCorrupt)
		}
		return q.replace(op, depth)
	})
}

// replace has the kernel make another ring and maps it in the place of the
// present one. The kernel carries over what was not polled.
func (q *CQ) replace(op string, depth int) error {
	// Odd, sequentially consistent before the kernel touches the indices; pairs
	// with pending.
	q.swaps.Add(1)
	defer q.swaps.Add(1)

	var core [8]byte
	var driver [mmInfoSize]byte
	err := q.dev.exec(op, cmdResizeCQ, words(resp, q.raw.handle, uint32(depth)), core[:], driver[:])
	if errors.Is(err, unix.EINVAL) {
		if n := q.inRing(); n > depth {
			return param.Invalid("rxe: Resize", "depth", depth, fmt.Sprintf("at least %d, the completions that are there", n))
		}
	}
	if err != nil {
		return err
	}
	r, err := q.dev.overlayRing(q.raw.ringMap, getMMInfo(driver[:]))
	if err == nil && (r.mask != le.Uint32(core[:]) || r.log2 != q.consumer.ring.log2) {
		err = fmt.Errorf("%w: a CQ of %d in a ring of %d slots of 2^%d bytes", ErrCorrupt, le.Uint32(core[:]), r.mask+1, r.log2)
	}
	if err != nil {
		q.spoil()
		q.ev.spoil()
		return fmt.Errorf("rxe: %s: %w", op, err)
	}
	q.consumer.use(r, r.cons.Load())
	return nil
}

// inRing is how many completions are there. Only the polling goroutine asks.
func (q *CQ) inRing() int {
	c := &q.consumer
	return int((c.ring.prod.Load() - c.next) & c.ring.mask)
}
