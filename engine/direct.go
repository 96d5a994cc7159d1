package engine

import (
	"fmt"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// own is what the inline posters of an EVD work with.
//
// Concurrency: owned by the holder of the slot.
type own struct {
	runner // for batches, and for what is in the ring

	// A single event and the handle that its upcall gets. The handle is tied to them
	// once: of what is written between the two exchanges of Post nothing is free, since
	// the second waits for it.
	one  Upcall
	slot [1]Event
}

// ownRunner returns own, made by the first who needs it: an EVD that is idle for ever
// needs none. The slot must be held.
func (d *EVD) ownRunner() *own {
	if d.own == nil {
		d.makeOwn()
	}
	return d.own
}

//go:noinline
func (d *EVD) makeOwn() {
	o := &own{}
	o.one = Upcall{evd: d, events: o.slot[:]}
	d.own = o
}

// Post queues a software event. Stream is set to Software, EVD to this EVD's
// id, and Number to SoftwareEvent if it is 0; all other fields are delivered
// as they are.
//
// With DispatchInline, SingleInstance and an idle EVD the upcall runs on the caller's stack,
// without the ring, before Post returns: do not hold a lock
// that the upcall takes. Otherwise a worker is told.
//
// Errors: ErrFull (the event was not queued), ErrClosed, ErrStream. It never
// blocks and does not allocate, but for the list of OverflowSpill, which has a
// lock and grows.
// Concurrency: from any goroutine. Inside this EVD's own upcall use
// Upcall.Post, which leaves the event to the running upcall's loop.
func (d *EVD) Post(ev Event) error {
	if d == nil {
		return nilHandle("engine: Post", "EVD")
	}
	if !d.quick {
		return d.postOther(&ev)
	}
	// The direct hand-off of one event. All of it is here, the containment of a panic
	// too (as in call): its two exchanges leave little time for anything else.
	s := d.load()
	if !d.free(s) || !d.ring.Idle() || !d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1] as [T]
		return d.queue(&ev)
	}
	o := d.ownRunner()
	atom.PlainWrite(unsafe.Pointer(&o.slot))
	d.fill(&o.slot[0], &ev)
	d.stats.direct.Add(1)
	atom.PlainWrite(unsafe.Pointer(&o.one.live))
	o.one.live = true
	running := o // the deferred function runs after [X2], when o may be another's
	defer func() {
		if running != nil && running.one.evd.cutShort(&running.one, recover()) {
			running.one.evd.leave(&running.runner)
		}
	}()
	atom.PlainRead(unsafe.Pointer(&d.fn))
	d.fn(&o.one)
	o.one.live, running = false, nil
	if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) { // [X2] as in leave
		d.leave(&o.runner)
	}
	return nil
}

// free is the first look of transition [X1], where a direct hand-off begins: the word s
// and the flags are those of an idle EVD, which the holder of the slot may leave as it
// is. What follows is the look at the ring, the exchange that takes the slot, the upcall
// with the poster's own events, and then [X2].
//
// TAKE is not needed: the slot is held, and the event never was in the ring.
// FIFO holds because the ring was seen idle, reserved slots included, after
// the word was loaded and before the compare-and-swap from exactly that word;
// a later look or a later word would let the event overtake one that is
// already queued. For the same reason it does not go ahead of what
// ModifyUpcallNew left on a CQ (fKept): that comes with the first new event. Nor
// ahead of the list behind the ring (fSpilled) or of connection events (fUrgent).
func (d *EVD) free(s word) bool {
	return s&(levelMask|runMask|bMISS|bARM|bQUIET) == runsOne|bARM && d.flags.Load()&(fSealed|fKept|fSpilled|fUrgent) == 0
}

// mayHandOff tells whether posts may be direct hand-offs at all.
func (d *EVD) mayHandOff() bool { return d.postInline && d.software }

// leave gives the slot of a direct hand-off back, transition [X2], when what posters
// that lost have queued meanwhile has been delivered. QUIET, and all that is not a post,
// is for runSlot to see to.
//
// Such events cost two exchanges besides [X2]: [X3] is [R3] and [R5] in one, so MISS
// falls before the look (I3), and who comes later sets it again. If that look has left
// nothing, a word without MISS says that nothing has come since, and [X2] needs no other.
func (d *EVD) leave(r *runner) {
	for left := int(d.budget); ; {
		s := d.load()
		if s&(levelMask|runMask|bARM|bQUIET) != runsOne|runOne|bARM {
			break
		}
		if s&bMISS == 0 {
			if d.word.CompareAndSwap(uint64(s), uint64(s-runOne)) { // [X2] as [R6]: only from a word without MISS
				return
			}
			continue
		}
		if s&bTAKE != 0 {
			break
		}
		took := s&^bMISS | bTAKE
		if !d.word.CompareAndSwap(uint64(s), uint64(took)) { // [X3] pairs with [R4] and [T]
			continue
		}
		n, all := d.takeAll(r.batch(int(d.batch)))
		if n == 0 && d.word.CompareAndSwap(uint64(took), uint64(s&^bMISS-runOne)) { // [R6]
			return
		}
		d.release(false)
		if n > 0 {
			d.deliverOwn(r, r.evs[:n])
		}
		if left -= n; left <= 0 && d.handOver(r) {
			return
		}
		if !all {
			break
		}
	}
	d.runSlot(r)
}

// takeAll is take, and tells whether all that was there when it began is in dst. Of
// an EVD with more than a ring it never says so.
func (d *EVD) takeAll(dst []Event) (n int, all bool) {
	all = d.side.Load() == nil && len(d.direct()) == 0
	n = d.take(dst)
	return n, all && n < len(dst)
}

// deliverOwn is deliver of one who has got the slot by [X1].
func (d *EVD) deliverOwn(r *runner, evs []Event) {
	b := made(&d.stats.bursts)
	b.drained.Add(uint64(len(evs)))
	d.callOwn(r, b, evs)
}

// callOwn calls the upcall, and counts it where only the slot's holder writes.
func (d *EVD) callOwn(r *runner, b *bursts, evs []Event) {
	b.sizes[bucket(len(evs))].Add(1)
	if d.traced {
		d.tracedCall(r, evs)
	} else {
		d.call(r, evs)
	}
}

// postOther is Post where there are no direct hand-offs, or where it is traced.
func (d *EVD) postOther(ev *Event) error {
	if !d.traced {
		return d.queue(ev)
	}
	_, err := d.postN([]Event{*ev}, "engine: Post")
	if d.e.tracing&TraceAPI != 0 {
		d.e.traceAPI(err, "evd_post_se", "evd", d, "wrid", fmt.Sprintf("%#x", ev.WRID))
	}
	return err
}
