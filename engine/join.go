package engine

import (
	"fmt"
	"slices"

	"github.com/evdengine/evd/internal/param"
)

// Join has the completions of a queue pair on a shared CQ come to this EVD, and
// reserves places for them: of the CQ, and of the EVD's own there. An EVD may join
// several shared CQs, and with several queue pairs each; it may have CQs of its own
// besides. Event.CQ is the same for all its queue pairs on one shared CQ: the first
// index that is free when it joins with the first of them.
//
// Join before the queue pair gets work: completions of a number that nobody has
// joined with are dropped, counted, and told of by the async error Unrouted. A number
// can be joined with again when its Credits have been closed. A completion of the old
// queue pair that is still on the CQ then comes to the new EVD: EndpointConfig.Tagged
// tells it apart, so that it breaks no connection and gives no credit back; the event
// is delivered.
//
// Errors: ErrCreditsRequired for 0 credits; ErrCredits when the CQ has not so many
// places left; ErrBusy when somebody has joined with the number; ErrStream without
// stream DTO or Bind; ErrFull when the EVD has 65536 CQs already; ErrForeign; hwcq.ErrRemoved, hwcq.ErrOverrun when the CQ has
// ended; ErrClosed. Nothing has changed then.
// Concurrency: from any goroutine, also from upcalls, beside completions.
func (d *EVD) Join(s *SharedCQ, qp uint32, credits int) (*Credits, error) {
	const op = "engine: Join"
	if err := d.valid(op); err != nil {
		return nil, err
	}
	if err := s.valid(op); err != nil {
		return nil, err
	}
	switch {
	case s.e != d.e:
		return nil, param.Wrong(ErrForeign, op, "s", s.name, "a shared CQ of this engine")
	case d.streams&(DTO|Bind) == 0:
		return nil, fmt.Errorf("%s: %w: EVD %q has streams %v, a CQ needs %v", op, ErrStream, d.name, d.streams, DTO|Bind)
	case credits == 0:
		return nil, param.Wrong(ErrCreditsRequired, op, "credits", credits, "at least 1, the most work requests outstanding")
	case credits < 0:
		return nil, param.Invalid(op, "credits", credits, "at least 1")
	case credits > s.depth:
		return nil, s.tooMany(op, credits, 0)
	}
	if err := d.notExclusive(op, "it has the CQ that it was made with, and no other"); err != nil {
		return nil, err
	}
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	if d.places.left {
		return nil, d.closedErr(op)
	}
	c := &Credits{d: d, s: s, qp: qp, port: d.portOn(s)}
	if c.port == nil {
		if len(d.links()) >= maxCQs {
			return nil, fmt.Errorf("%s: EVD %q: %w: it has %d CQs, the most", op, d.name, ErrFull, maxCQs)
		}
		c.port = newPort(d, s, uint64(credits))
		d.addPort(c.port)
	}
	c.cq = c.port.link.index
	if d.creditsNow()[creditKey{c.cq, qp}] != nil {
		return nil, taken(op, qp, d)
	}
	d.enter(c, credits) // before the first completion can come
	if err := s.admit(op, c); err != nil {
		d.expel(c)
		return nil, err
	}
	d.e.trace(TraceAPI, "evd_join", "evd", d, "shared", s.name, "qp", qp, "credits", credits)
	return c, nil
}

// admit enters c's number, if it may. Under places.mu.
func (s *SharedCQ) admit(op string, c *Credits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("%s: shared CQ %q: %w", op, s.name, ErrClosed)
	}
	if err := s.link.failure(); err != nil {
		return fmt.Errorf("%s: shared CQ %q: %w", op, s.name, err)
	}
	if o := s.routes[c.qp]; o != nil {
		return taken(op, c.qp, o.d)
	}
	if int(c.limit) > s.depth-s.reserved {
		return s.tooMany(op, int(c.limit), s.reserved)
	}
	p := c.port
	if p.routes.Add(1) == 1 {
		p.slot = len(s.ports)
		s.ports = append(s.ports, p)
	}
	p.reserve(int(c.limit))
	s.reserved += int(c.limit)
	s.routes[c.qp] = c // [H6] after the port is armed; under mu, pairs with route
	return nil
}

func taken(op string, qp uint32, by *EVD) error {
	return fmt.Errorf("%s: qp = %d: %w: EVD %q has joined with it", op, qp, ErrBusy, by.name)
}

func (s *SharedCQ) tooMany(op string, n, used int) error {
	return param.Wrong(ErrCredits, op, "credits", n, fmt.Sprintf("at most %d: shared CQ %q holds %d, and %d are reserved", s.depth-used, s.name, s.depth, used))
}

// leave takes c's number off. [H7] When it returns nothing is put into the port for
// it any more; what is there belongs to the EVD. It answers whether the EVD waited
// for more to come, and there is none now: see ask. Under places.mu.
func (s *SharedCQ) leave(c *Credits) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.routes, c.qp)
	s.reserved -= int(c.limit)
	p := c.port
	p.reserve(-int(c.limit))
	if p.routes.Add(-1) > 0 {
		return false
	}
	last := len(s.ports) - 1
	s.ports[p.slot] = s.ports[last]
	s.ports[p.slot].slot = p.slot
	s.ports[last] = nil
	s.ports = s.ports[:last]
	i := slices.Index(s.asking, p.d)
	if i >= 0 {
		s.asking = slices.Delete(s.asking, i, i+1)
	}
	return i >= 0
}
