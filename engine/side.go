package engine

import (
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// notice is an event that the engine itself makes: a connection event or an
// async error. Its place is reserved, so that it cannot be refused, and what
// happens again before it is delivered only raises its count.
//
// Invariant: count > 0 exactly while it is listed, is about to be, or has just
// been taken off.
type notice struct {
	count atom.Uint32 // occurrences not yet delivered. Writers: raise, pop
	next  *notice     // owner: side.mu
	ev    Event       // read-only once it can be raised
	cq    atom.Uint32 // of an async error: the CQ that it was about, the last time. Writer: alarm
	qp    atom.Uint32 // of EndpointBroken: the queue pair, the last time. Writer: alarmQP
	ep    *Endpoint   // read-only; nil: an async error
	late  bool        // read-only; comes after the completions that were there before it
	gone  bool        // owner: side.mu; delivered in another way, not to be listed
}

type noticeList struct{ first, last *notice }

// remove takes x off the list, if it is there.
func (l *noticeList) remove(x *notice) bool {
	var prev *notice
	for p := l.first; p != nil; prev, p = p, p.next {
		if p != x {
			continue
		}
		if prev == nil {
			l.first = x.next
		} else {
			prev.next = x.next
		}
		if l.last == x {
			l.last = prev
		}
		return true
	}
	return false
}

func (l *noticeList) push(x *notice) {
	x.next = nil
	if l.last == nil {
		l.first = x
	} else {
		l.last.next = x
	}
	l.last = x
}

func (l *noticeList) pop() (x *notice) {
	if x = l.first; x != nil {
		if l.first = x.next; l.first == nil {
			l.last = nil
		}
	}
	return x
}

// side is what few EVDs need and is made when it is: events that come neither
// from the ring nor straight from a CQ.
//
// n counts them, so that everybody who looks whether something is pending needs
// one load. Writers: raise, spill, postUrgent, the holder of TAKE. It is raised after the event is
// in its place and before the trigger, and lowered by the one who took it.
type side struct {
	n atom.Int32

	mu   atom.Mutex
	now  noticeList // owner: mu
	late noticeList // owner: mu
	nlat int        // owner: mu; length of late
	list eventList  // owner: mu; what found the ring full, see spill.go

	urgent eventList // owner: mu; connection events of PostCM that go ahead, see urgent.go

	// owner: the holder of TAKE
	stash []Event // oldest first: completions with what they gave rise to, or copied by a waiter
	head  int     // stash[:head] is taken
	owed  int     // so many of late may come once every link's owed is 0
}

// needSide returns the EVD's side, making it if there is none.
func (d *EVD) needSide() *side {
	if sd := d.side.Load(); sd != nil {
		return sd
	}
	d.side.CompareAndSwap(nil, &side{})
	return d.side.Load()
}

// raise is transition [N1]: x happened. Of several that raise it before it is
// delivered the first lists it and triggers, and the count tells of the others.
// It holds no lock when it triggers and never runs an upcall, so it may be
// called from any take, of this EVD or another.
func (d *EVD) raise(x *notice) {
	if x.count.Add(1) > 1 { // [N1] pairs with [N2]: 1 means that its delivery has begun or none was due
		return
	}
	sd := d.needSide()
	sd.mu.Lock()
	if x.gone {
		sd.mu.Unlock()
		return
	}
	if x.late {
		sd.late.push(x)
		sd.nlat++
	} else {
		sd.now.push(x)
	}
	sd.n.Add(1) // [N3] before the trigger: pairs with the looks
	sd.mu.Unlock()
	d.trigger(srcPost)
}

// withdraw takes x back, whether it has been listed or will be. Under mu.
func (sd *side) withdraw(x *notice) {
	x.gone = true
	if sd.now.remove(x) {
		sd.n.Add(-1)
	}
}

// popList moves notices into dst, at most limit. TAKE must be held.
func (sd *side) popList(d *EVD, l *noticeList, dst []Event, limit int) (n int) {
	sd.mu.Lock()
	for n < len(dst) && limit > 0 {
		x := l.first
		if x == nil {
			break
		}
		if x.ep != nil && x.ep.owesEstablished(x) {
			// Who raises it has not listed it yet, and was overtaken.
			sd.withdraw(&x.ep.established)
			dst[n] = x.ep.event(Established, d)
			n++
			continue
		}
		l.pop()
		limit--
		if x.late {
			sd.nlat--
			sd.owed--
		}
		dst[n] = x.ev
		dst[n].EVD = d.id
		// [N2] After the pop: who raises it from now on lists it again.
		if c := x.count.Swap(0); x.ep == nil {
			dst[n].ByteLen, dst[n].CQ, dst[n].QPNum = c, uint16(x.cq.Load()), x.qp.Load()
		}
		sd.n.Add(-1)
		n++
	}
	sd.mu.Unlock()
	if n > 0 {
		d.stats.raised.Add(uint64(n))
	}
	return n
}

// take hands out what goes ahead of ring and CQs. TAKE must be held.
func (sd *side) take(d *EVD, dst []Event) (n int) {
	if sd.n.Load() == 0 {
		return 0
	}
	sd.mark(d)
	if n = sd.popList(d, &sd.now, dst, len(dst)); n > 0 {
		return n
	}
	if n = sd.takeUrgent(d, dst); n > 0 {
		return n
	}
	if n = sd.takeStash(dst); n > 0 {
		return n
	}
	return sd.takeLate(d, dst)
}

// mark notes which late notices there are: they may be delivered when each CQ
// has been seen empty, or as many completions were taken from it as it can
// hold. What was on the CQs before them has then come out before them.
func (sd *side) mark(d *EVD) {
	if sd.owed > 0 || d.streams&Connection == 0 {
		return
	}
	sd.mu.Lock()
	sd.owed = sd.nlat
	sd.mu.Unlock()
	if sd.owed == 0 {
		return
	}
	for _, l := range d.direct() {
		l.owed = l.depth
		if l.port != nil {
			l.behind, l.until = true, l.port.s.mark()
		}
	}
}

// due reports whether what was on the CQ before the late notices has been taken.
func (l *link) due(d *EVD) bool { return l.arrived(d) && l.owed <= 0 }

// arrived reports whether what was on a shared CQ before the late notices has come to
// the port. When that has happened, what the port has is all. If not, the EVD is
// triggered by and by.
func (l *link) arrived(d *EVD) bool {
	if !l.behind {
		return true
	}
	if !l.port.clear(l.until) {
		l.port.s.ask(d)
		if !l.port.clear(l.until) {
			return false
		}
	}
	l.behind, l.owed = false, l.port.held()
	return true
}

// lateWait reports whether the late notices, if there are any, have to wait until
// something has come to a port: nobody can have them now, whatever he takes before.
// TAKE must be held.
func (sd *side) lateWait(d *EVD) bool {
	if !d.merged || sd.n.Load() == 0 {
		return false
	}
	sd.mark(d)
	if sd.owed == 0 {
		return false
	}
	for _, l := range d.direct() {
		if !l.arrived(d) {
			return true
		}
	}
	return false
}

// takeLate hands out the late notices that are due.
func (sd *side) takeLate(d *EVD, dst []Event) (n int) {
	if sd.owed == 0 || sd.head < len(sd.stash) {
		return 0
	}
	for _, l := range d.direct() {
		if !l.due(d) {
			return 0
		}
	}
	return sd.popList(d, &sd.late, dst, sd.owed)
}

// stashed adds an event. TAKE must be held.
func (sd *side) stashed(ev Event) {
	if sd.head > 0 && len(sd.stash) == cap(sd.stash) {
		n := copy(sd.stash, sd.stash[sd.head:])
		sd.stash, sd.head = sd.stash[:n], 0
	}
	sd.stash = append(sd.stash, ev)
	sd.n.Add(1)
}

// takeStash hands out stashed events. TAKE must be held.
func (sd *side) takeStash(dst []Event) int {
	n := copy(dst, sd.stash[sd.head:])
	if n == 0 {
		return 0
	}
	if sd.head += n; sd.head == len(sd.stash) {
		sd.stash, sd.head = sd.stash[:0], 0
	}
	sd.n.Add(-int32(n))
	return n
}

// expand stashes completions of a CQ. On an EVD that has the connection stream
// too an endpoint's ESTABLISHED goes ahead of its first completion, and BROKEN
// comes directly behind the one that broke it.
func (sd *side) expand(d *EVD, l *link, wcs []hwcq.WC) {
	for i := range wcs {
		wc := &wcs[i]
		ep := d.endpointOf(wc)
		here := ep != nil && ep.connect == d
		if here && !ep.told {
			if wc.Status == hwcq.StatusSuccess {
				ep.establish() // a completion proves it
			}
			if ep.owesEstablished(nil) {
				sd.mu.Lock()
				sd.withdraw(&ep.established)
				sd.mu.Unlock()
				sd.made(d, ep.event(Established, d))
			}
		}
		var ev Event
		d.decode(&ev, wc, l.index)
		sd.stashed(ev)
		switch {
		case ep == nil || !breaks(wc.Status):
		case !here:
			ep.Broken()
		case ep.down():
			sd.made(d, ep.event(Broken, d))
		}
	}
}

// made stashes an event that the engine makes.
func (sd *side) made(d *EVD, ev Event) {
	d.stats.raised.Add(1)
	d.e.trace(TraceEndpoint, "ep_event", "qp", ev.QPNum, "event", ev.Number)
	sd.stashed(ev)
}

// copyFrom moves up to most completions of a CQ into the stash, for a waiter
// who has to count them.
func (sd *side) copyFrom(d *EVD, l *link, most int) {
	if !l.cq.Pending() {
		return
	}
	sd.n.Add(1) // before the CQ is empty: one too many, until they are in the stash
	defer sd.n.Add(-1)
	wcs := d.poll(l, most)
	if d.merged {
		sd.expand(d, l, wcs)
		return
	}
	for i := range wcs {
		var ev Event
		d.eventFromWC(&ev, &wcs[i], l.index)
		sd.stashed(ev)
	}
}
