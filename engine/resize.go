package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/ring"
)

// Resize makes the EVD hold at least n events, 1..ring.MaxCapacity
// (dat_evd_resize). It may be called at any time, under full load, with upcalls
// running, and from an upcall. Nothing that was accepted is lost, and every
// producer's events stay in order: the old ring is emptied before anything is
// taken from the new one. Completions that were waiting for room come in at
// once, on the caller's stack, up to a ring's worth.
//
// Until what was in the EVD before is taken, it holds that on top of n. n may
// be the size that it has: then nothing happens.
//
// Errors, with which nothing changes: ErrInvalid for an n out of range;
// ErrTooSmall when it is to become smaller than what is pending in it: events in
// the ring, those in flight included, and what a waiter has put aside (completions
// on a CQ, or in the hands of a pump, have no place in it yet; what has spilled, and
// what Priority lets go ahead, has its own), or than the credits that Reserve has given
// out for it;
// ErrWaiter when it is to become smaller beside a waiter, whose threshold might
// no longer fit (growing does not disturb him); ErrClosed; ErrBusy for the async
// EVD, where every event has a place of its own.
//
// Concurrency: from any goroutine, also several at a time. Producers do not wait
// for it. Becoming smaller takes the EVD as a Dequeue does, for a moment, in
// which another Dequeue gets ErrBusy.
// Ownership: the caller keeps nothing; the old ring's memory is free when its
// last event has been taken.
func (d *EVD) Resize(n int) (err error) {
	const op = "engine: Resize"
	if err := d.valid(op); err != nil {
		return err
	}
	if n < 1 || n > ring.MaxCapacity {
		return param.Invalid(op, "n", n, fmt.Sprintf("1..%d", ring.MaxCapacity))
	}
	if d == d.e.async {
		return fmt.Errorf("%s: EVD %q: %w: its events have places of their own", op, d.name, ErrBusy)
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_resize", "evd", d, "min_qlen", n) }()
	}
	taken, err := d.resize(op, n)
	// What was kept waiting is started here, without the lock: a pump's run takes
	// its time.
	switch {
	case taken:
		d.release(true) // [R4]
	case err == nil:
		d.startStalled()
	}
	return err
}

// resize does it, and answers whether it has left TAKE to the caller.
func (d *EVD) resize(op string, n int) (taken bool, err error) {
	d.resizing.Lock()
	defer d.resizing.Unlock()
	if d.load()&bCLOSE != 0 {
		return false, d.closedErr(op)
	}
	switch c := d.ring.Cap(); {
	case n == c:
		return false, nil
	case n > c:
		// Beside everybody: the chain of rings sees to that.
		_, st, err := d.ring.Resize(n, 0)
		return false, d.resizeErr(op, n, 0, st, err)
	}
	return d.shrink(op, n)
}

// startStalled starts the pumps that had gone away from the full ring, now that
// there is room.
func (d *EVD) startStalled() {
	// [Z9] After the new ring can be found: of a pump that sets STALL and then
	// looks for room, and of this look, one sees the other; pairs with [S].
	for {
		s := d.load()
		if s&bSTALL == 0 {
			return
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s&^bSTALL)) {
			d.startPumps()
			return
		}
	}
}

// shrink has the EVD to itself while it counts and seals: nothing is taken or
// put aside meanwhile, and no waiter begins. (Posts go on; the ring counts them
// in the same step that seals it.)
func (d *EVD) shrink(op string, n int) (taken bool, err error) {
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return false, d.closedErr(op)
		}
		if s&bOWN != 0 {
			return false, d.waiterErr(op)
		}
		if d.inUpcall(s) {
			return false, fmt.Errorf("%s: EVD %q: %w: its upcalls have it to themselves: tear them down first", op, d.name, ErrBusy)
		}
		if s&bTAKE != 0 {
			atom.Spin() // a Dequeue, or a runner: a moment
			continue
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s|bTAKE)) { // [Z8] as [R3]; pairs with [R4] and [W1]
			return true, d.shrinkTo(op, n)
		}
	}
}

// shrinkTo is the part of shrink that holds TAKE.
func (d *EVD) shrinkTo(op string, n int) error {
	if r := d.reserved(); n < r {
		return fmt.Errorf("%s: EVD %q: %w: %d are reserved, n is %d", op, d.name, ErrTooSmall, r, n)
	}
	d.ring.Return() // what has been taken does not count
	aside := 0
	if sd := d.side.Load(); sd != nil {
		aside = len(sd.stash) - sd.head
	}
	held, st, err := d.ring.Resize(n, aside)
	return d.resizeErr(op, n, held, st, err)
}

func (d *EVD) resizeErr(op string, n, held int, st ring.Status, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: EVD %q: %w", op, d.name, err)
	case st == ring.Closed:
		return d.closedErr(op)
	case st == ring.Full:
		return fmt.Errorf("%s: EVD %q: %w: %d are pending, n is %d", op, d.name, ErrTooSmall, held, n)
	}
	return nil
}
