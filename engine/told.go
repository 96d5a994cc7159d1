package engine

import "github.com/evdengine/evd/hwcq"

// hears is what a CQ's device tells its asynchronous events to.
type hears interface{ hear(ev hwcq.AsyncEvent) }

// listen has the CQ's device tell of its asynchronous events, if it does such a
// thing. deafen ends it: what is told of afterwards, by a call that had begun, finds a
// closed EVD and does no harm.
//
// What is told of takes no part in the protocol: it triggers as a poster does, and
// raises notices, which any goroutine may.
func (l *link) listen(to hears) {
	n, ok := l.cq.(hwcq.AsyncNotifier)
	if !ok {
		return
	}
	l.told.Store(true)
	n.NotifyAsync(to.hear)
	if c, ok := l.cq.(hwcq.OverrunCounter); ok && c.Overruns() > 0 {
		to.hear(hwcq.AsyncEvent{Kind: hwcq.AsyncOverrun}) // of before, or again
	}
}

func (l *link) deafen() {
	if n, ok := l.cq.(hwcq.AsyncNotifier); ok {
		n.NotifyAsync(nil)
	}
}

// ear is an EVD that listens to one of its CQs.
type ear struct {
	d *EVD
	l *link
}

func (x ear) hear(ev hwcq.AsyncEvent) {
	if ev.Kind == hwcq.AsyncRemoved {
		x.l.owner.cqFailed(x.l, hwcq.ErrRemoved, alarmProvider)
		return
	}
	x.d.hearOf(ev, x.l)
}

// hearOf is what the device has told of, but for its end.
func (d *EVD) hearOf(ev hwcq.AsyncEvent, l *link) {
	switch ev.Kind {
	case hwcq.AsyncOverrun:
		d.overran(l)
	case hwcq.AsyncQP:
		d.qpFailed(ev.QPNum, l)
	default:
		d.alarm(alarmOf(ev.Kind), l.index)
	}
}

// overran tells that a CQ has dropped completions.
func (d *EVD) overran(l *link) {
	d.alarm(alarmOverrun, l.index)
	if d.flags.Load()&fKept != 0 { // no completion can tell of itself any more
		l.owner.trigger(srcPost)
	}
}

// qpFailed breaks the connection, if its endpoint is known, and tells of the queue
// pair in any case.
func (d *EVD) qpFailed(qp uint32, l *link) {
	if ep := d.endpoint(qp); ep != nil {
		ep.Broken()
	}
	d.alarmQP(l.index, qp)
}

// hear tells the shared CQ's own, and all who have joined, as if the CQ were theirs;
// of a queue pair, whoever has joined with it.
func (s *SharedCQ) hear(ev hwcq.AsyncEvent) {
	l := s.link
	switch ev.Kind {
	case hwcq.AsyncRemoved:
		s.cqFailed(l, hwcq.ErrRemoved, alarmProvider)
		return
	case hwcq.AsyncQP:
		if p := s.portOf(ev.QPNum); p != nil {
			p.d.qpFailed(ev.QPNum, &p.link)
		}
		return
	}
	for _, p := range s.members() {
		p.d.hearOf(ev, &p.link)
	}
	s.alarm(alarmOf(ev.Kind))
}

// alarmOf is the alarm for what a device tells of.
func alarmOf(k hwcq.AsyncKind) alarm {
	switch k {
	case hwcq.AsyncOverrun:
		return alarmOverrun
	case hwcq.AsyncPortDown:
		return alarmPortDown
	case hwcq.AsyncPortUp:
		return alarmPortUp
	}
	return alarmProvider
}

// portOf returns the port to which a number leads, nil if there is none.
func (s *SharedCQ) portOf(qp uint32) *port {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.routes[qp]; c != nil {
		return c.port
	}
	return nil
}
