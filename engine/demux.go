package engine

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
)

// runSlot is [R] for a shared CQ: it routes completions until the CQ is empty, and
// gives the slot back. It answers whether it routed any.
//
// As with a pump, waiters look again after the slot was given back if the CQ has
// ended: while something was on its way they did not believe that nothing can come.
func (s *SharedCQ) runSlot(r *runner) (moved bool) {
	moved = s.demux(r)
	if s.link.failed.Load() != 0 {
		for _, p := range s.members() {
			p.d.wakeWaiter()
		}
	}
	return moved
}

func (s *SharedCQ) demux(r *runner) (moved bool) {
	left := DefaultBudget
	for {
		if len(s.due) > 0 {
			s.fire(r)
			continue
		}
		w := s.load()
		if w.run() > w.lim() {
			if s.cas(w, (w-runOne)|bMISS) { // [R1]
				return moved
			}
			continue
		}
		if r != nil && r.home != nil && left <= 0 && s.link.failed.Load() == 0 {
			if w&bMISS != 0 {
				s.word.CompareAndSwap(uint64(w), uint64(w&^bMISS))
			} else if s.cas(w, w-runOne) { // [P4] as of a pump: the rest after the others
				s.link.poll.kick()
				return moved
			}
			continue
		}
		if n := s.fetch(); n > 0 {
			left -= n
			moved = true
			continue
		}
		if s.settle(0) {
			return moved
		}
	}
}

// fetch takes a batch from the CQ, puts each completion into the port of the EVD
// that has its number, and notes the ports that have an event due. There always is
// a place, so no EVD keeps another from its completions.
func (s *SharedCQ) fetch() (n int) {
	if !s.link.cq.Pending() {
		s.link.fresh = false
		return 0
	}
	s.holds.Store(true) // [H8] before the CQ is empty, and until they are in the ports: pairs with onTheWay
	n = s.link.cq.Poll(s.buf)
	s.route(s.buf[:n])
	s.holds.Store(false)
	s.link.stats.polled.Add(uint64(n))
	if s.link.fresh {
		s.link.noteLook(n)
	}
	if s.asks.Load() > 0 { // after holds: pairs with ask
		s.answer()
	}
	return n
}

// route holds mu: whoever takes a number off knows that nothing comes behind it.
func (s *SharedCQ) route(wcs []hwcq.WC) {
	s.mu.Lock()
	var p *port
	lost := 0
	for i := range wcs {
		c := s.routes[wcs[i].QPNum]
		if c == nil {
			lost++
			s.lastLost = wcs[i].QPNum
			continue
		}
		if c.port != p {
			s.commit(p)
			p = c.port
		}
		p.write(&wcs[i])
	}
	s.commit(p)
	s.passed.Store(s.passed.Load() + uint64(len(wcs)))
	s.mu.Unlock()
	for range lost {
		s.unrouted.Add(1)
		s.alarm(alarmUnrouted)
	}
}

// commit shows what p has got. Under mu.
func (s *SharedCQ) commit(p *port) {
	if p != nil && p.commit() {
		s.due = append(s.due, p)
	}
}

// fire is the event of a port, as a poller's ([L4], then [T]). The upcall runs on
// a worker, unless its EVD wants it here; then its budget ends it by handing over.
func (s *SharedCQ) fire(r *runner) {
	last := len(s.due) - 1
	p := s.due[last]
	s.due[last] = nil // the port keeps an EVD, which may be closed
	s.due = s.due[:last]
	p.link.fired(false)
	if r == nil || !p.d.postInline {
		p.d.trigger(srcPort)
		return
	}
	if !p.d.trigger(srcIntr) {
		return
	}
	returned := false
	defer func() {
		if !returned {
			s.handOver() // the upcall ends its goroutine, or the program: the slot goes to another
		}
	}()
	p.d.runSlot(r)
	returned = true
}

// handOver is [R7] of a shared CQ.
func (s *SharedCQ) handOver() {
	for {
		w := s.load()
		if s.cas(w, (w-runOne)|bQUED) {
			if w&bQUED == 0 {
				s.e.rq.push(&s.machine)
			}
			return
		}
	}
}

func (s *SharedCQ) arm() error      { return s.link.armTaking() }
func (s *SharedCQ) retryArms()      { s.link.retryArm() }
func (s *SharedCQ) available() bool { return s.link.cq.Pending() }

// Nobody waits for a shared CQ, nor is it on a CNO.
func (s *SharedCQ) enough() bool { return true }
func (s *SharedCQ) signal()      {}
func (s *SharedCQ) attend()      {}

// noteArm counts an arm, and tells of a failure.
func (s *SharedCQ) noteArm(l *link, err error) {
	if err == nil {
		l.stats.arms.Add(1)
		if s.e.tracing&TraceCQ != 0 { // a string as an argument is allocated
			s.e.trace(TraceCQ, "cq_arm", "shared", s.name, "solicited_only", l.solic)
		}
		return
	}
	l.stats.armErrs.Add(1)
	s.e.trace(TraceCQ, "cq_arm", "shared", s.name, "error", err)
	if !errors.Is(err, ErrClosed) {
		s.cqFailed(l, err, alarmArm)
	}
}

// cqFailed raises the async error for err, about the shared CQ; the CQ's end is
// told to every EVD that has joined as well, as if the CQ were its own.
func (s *SharedCQ) cqFailed(l *link, err error, other alarm) {
	a, end, told := l.fail(err, other)
	if told {
		return
	}
	s.alarm(a)
	if end {
		for _, p := range s.members() { // who joins from now on is refused
			p.d.cqFailed(&p.link, err, a)
		}
	}
}

// alarm raises an async error about the shared CQ.
func (s *SharedCQ) alarm(a alarm) {
	s.e.trace(TraceAsync, "async_error", "event", alarmNumbers[a], "shared", s.name)
	s.e.async.raise(&s.alarms[a])
}

// members returns the ports to which a number leads.
func (s *SharedCQ) members() []*port {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*port(nil), s.ports...)
}

// onTheWay reports whether there are completions that are in no port yet. Whoever
// asks looks into the port afterwards.
func (s *SharedCQ) onTheWay() bool { return s.link.cq.Pending() || s.holds.Load() }

// mark is what passed has to reach until everything that is on the CQ now has been
// put into the ports.
func (s *SharedCQ) mark() uint64 { return s.passed.Load() + uint64(s.depth+len(s.buf)) }

// clear reports whether everything that was there when mark was made is in the
// ports, or p is one to which nothing leads.
func (p *port) clear(mark uint64) bool {
	return !p.expecting() || int64(p.s.passed.Load()-mark) >= 0
}

// expecting reports whether something that is in no port yet may be p's.
func (p *port) expecting() bool { return p.routes.Load() > 0 && p.s.onTheWay() }

// hurry has routed what nobody has been told of, since it was not solicited.
func (s *SharedCQ) hurry() {
	if s.link.solic && s.link.cq.Pending() {
		s.link.poll.kick()
	}
}

// ask has d triggered when the next batch has been routed, or d has left. The
// caller looks afterwards.
func (s *SharedCQ) ask(d *EVD) {
	defer s.hurry()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.asking {
		if x == d {
			return
		}
	}
	s.asking = append(s.asking, d)
	s.asks.Store(1) // SC: before the look; pairs with fetch
}

func (s *SharedCQ) answer() {
	s.mu.Lock()
	asking := s.asking
	s.asking = nil
	s.asks.Store(0)
	s.mu.Unlock()
	for _, d := range asking {
		d.trigger(srcPost)
	}
}
