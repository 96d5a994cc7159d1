package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/ring"
)

// Overflow says what becomes of a software event that finds the ring full.
type Overflow uint8

const (
	// OverflowReject: Post and PostCM answer ErrFull.
	OverflowReject Overflow = iota
	// OverflowSpill: it goes to a list behind the ring, and ErrFull is the answer
	// when ring and list together have Capacity and SpillLimit more. While the list
	// is not empty all posts go there, so that each producer's events stay in order,
	// and completions that have to pass the ring (DispatchQueued) wait.
	OverflowSpill
)

func (o Overflow) String() string {
	switch o {
	case OverflowReject:
		return "reject"
	case OverflowSpill:
		return "spill"
	}
	return fmt.Sprintf("overflow(%d)", int(o))
}

// maxSpill keeps a ring and its list together below what a threshold can count.
const maxSpill = 1 << 29

// checkOverflow checks Overflow and SpillLimit, defaults filled in.
func (c EVDConfig) checkOverflow(op string, given int) (errs []error) {
	if c.Overflow > OverflowSpill {
		errs = append(errs, param.Invalid(op, "Overflow", c.Overflow, "OverflowReject or OverflowSpill"))
	}
	switch {
	case c.Overflow != OverflowSpill && given != 0:
		errs = append(errs, param.Invalid(op, "SpillLimit", given, "0, because Overflow is not OverflowSpill"))
	case c.Overflow == OverflowSpill && (c.SpillLimit < 1 || c.SpillLimit > maxSpill):
		errs = append(errs, param.Invalid(op, "SpillLimit", given, fmt.Sprintf("0 (Capacity) or 1..%d", maxSpill)))
	}
	return errs
}

// eventList is a FIFO of events. It grows, and gives its memory back when it has
// grown and is empty again. Zero value: empty.
//
// Invariant: evs[head:] are its events, oldest first.
type eventList struct {
	evs  []Event
	head int
}

// keptEvents is how large the memory may be that an empty list keeps: a page.
const keptEvents = 64

func (l *eventList) len() int { return len(l.evs) - l.head }

func (l *eventList) push(ev *Event) {
	// Before it grows it moves down, if that frees half: so each event is moved
	// once on average.
	if len(l.evs) == cap(l.evs) && l.head > 0 && l.head >= len(l.evs)/2 {
		n := copy(l.evs, l.evs[l.head:])
		l.evs, l.head = l.evs[:n], 0
	}
	l.evs = append(l.evs, *ev)
}

func (l *eventList) pop(dst []Event) (n int) {
	n = copy(dst, l.evs[l.head:])
	if l.head += n; l.head < len(l.evs) {
		return n
	}
	if l.head = 0; cap(l.evs) > keptEvents {
		l.evs = nil
	} else {
		l.evs = l.evs[:0]
	}
	return n
}

// spill is transition [O1]: a post has found the ring full, or the mark that the
// list is not empty, and goes to the list. The caller triggers.
//
// All under the lock: that the list is empty, that the ring is full still, and the
// mark. So the mark is up exactly while the list is not empty, for whoever has the
// lock; and a producer who finds it down without the lock has nothing in the list.
func (d *EVD) spill(ev *Event) ring.Status {
	sd := d.needSide()
	sd.mu.Lock()
	defer sd.mu.Unlock()
	if d.flags.Load()&fSpilled == 0 {
		if st := d.ring.Push(ev); st != ring.Full {
			return st
		}
	} else if d.load()&bCLOSE != 0 {
		return ring.Closed // the ring is closed behind it
	}
	// What the ring has room for and must not take now, the list takes: SpillLimit events
	// find place besides Capacity, whatever has been taken meanwhile, and whatever Resize
	// has made of it. Else a waiter could wait for more than is accepted.
	if n := sd.list.len(); n >= int(d.spillMax) && n+d.ring.Held() >= d.ring.Cap()+int(d.spillMax) {
		return ring.Full
	}
	sd.list.push(ev)
	sd.n.Add(1) // before the trigger, as [N3]
	d.flags.Or(fSpilled)
	d.stats.spilled.Add(1)
	return ring.OK
}

// takeSpilled is transition [O2]: the ring was found empty and the mark up. It takes
// from the list, or from the ring what came meanwhile. TAKE must be held.
//
// The ring is looked at under the lock: whoever has appended has had it, so that
// what he put into the ring before shows. A place in flight is not empty: behind it
// there may be such an event. Its producer triggers when he has committed.
func (d *EVD) takeSpilled(dst []Event) (n int) {
	sd := d.side.Load()
	sd.mu.Lock()
	defer sd.mu.Unlock()
	if sd.urgent.len() > 0 {
		return sd.popUrgent(d, dst) // came meanwhile, and perhaps something behind it
	}
	switch d.ring.Look() {
	case ring.InFlight:
		return 0
	case ring.Event:
		n = d.ring.PopN(dst)
		d.ring.Return()
		return n
	}
	return d.popSpilled(sd, dst)
}

// popSpilled takes from the list; the mark falls with the last. Under sd.mu.
func (d *EVD) popSpilled(sd *side, dst []Event) (n int) {
	d.noteHigh(sd.list.len())
	n = sd.list.pop(dst)
	if sd.list.len() == 0 {
		d.flags.And(^fSpilled) // whoever clears it gives TAKE back later, and starts the pumps: pairs with [O4]
	}
	sd.n.Add(-int32(n))
	return n
}

// spilled returns how many events are in the list.
func (d *EVD) spilled() int {
	if d.spillMax == 0 || d.flags.Load()&fSpilled == 0 {
		return 0
	}
	sd := d.side.Load()
	sd.mu.Lock()
	defer sd.mu.Unlock()
	return sd.list.len()
}

// reach returns how many of the events that are kept aside can be had now: those
// in the list are out of reach while a place of the ring is in flight, late notices
// while they have to wait for a shared CQ. TAKE must be held.
func (sd *side) reach(d *EVD) int {
	late, list := sd.lateWait(d), d.spillMax > 0 && d.flags.Load()&fSpilled != 0
	if !late && !list {
		return int(sd.n.Load())
	}
	sd.mu.Lock()
	defer sd.mu.Unlock()
	n := int(sd.n.Load())
	if late {
		n -= sd.nlat
	}
	if held := d.ring.Len(); list && d.ring.Committed(held) < held {
		n -= sd.list.len()
	}
	return n
}

// noteHigh notes that so many events were pending at once.
func (d *EVD) noteHigh(n int) {
	for h := d.stats.high.Load(); uint64(n) > h; h = d.stats.high.Load() {
		if d.stats.high.CompareAndSwap(h, uint64(n)) {
			return
		}
	}
}
