package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
)

// SetMode changes how all CQs of the EVD are waited for, now and under load: no
// completion is lost or told twice. It tells the pollers and does not wait for
// them, so it may be called from anywhere, an upcall of this EVD included; each
// changes over when it comes back from the upcall that it runs, or within some
// microseconds; one that backs off, since an arm or a wait has failed, after 100 ms at
// most. The last of several changes is the one that holds. An EVD without CQs accepts
// every mode. Query tells the modes as they were last set.
//
// Errors: ErrInvalid (m), ErrClosed.
// Concurrency: from any goroutine; lock-free, but for the first ModeAdaptive of a
// process, which measures (see WakeCost).
func (d *EVD) SetMode(m Mode) (err error) {
	const op = "engine: SetMode"
	if err := d.checkMode(op, m); err != nil {
		return err
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_set_mode", "evd", d, "mode", m) }()
	}
	if d.load()&bCLOSE != 0 {
		return d.closedErr(op)
	}
	for _, l := range d.links()[:d.ownCQs()] {
		l.poll.setMode(m)
	}
	return nil
}

// SetCQMode is SetMode for one CQ: its place in EVDConfig.CQs, from 0.
//
// Errors: ErrInvalid (m, cq), ErrClosed.
func (d *EVD) SetCQMode(cq int, m Mode) (err error) {
	const op = "engine: SetCQMode"
	if err := d.checkMode(op, m); err != nil {
		return err
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_set_mode", "evd", d, "cq", cq, "mode", m) }()
	}
	if err := d.checkCQ(op, "cq", cq); err != nil {
		return err
	}
	if d.load()&bCLOSE != 0 {
		return d.closedErr(op)
	}
	d.links()[cq].poll.setMode(m)
	return nil
}

// SetMode is EVD.SetMode for the CQ that is shared. Stats tells the mode.
//
// Errors: ErrInvalid (m), ErrClosed.
func (s *SharedCQ) SetMode(m Mode) (err error) {
	const op = "engine: SharedCQ.SetMode"
	if err := s.valid(op); err != nil {
		return err
	}
	if err := m.check(op, "m"); err != nil {
		return err
	}
	if s.e.tracing&TraceAPI != 0 {
		defer func() { s.e.traceAPI(err, "shared_set_mode", "shared", s.name, "mode", m) }()
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return fmt.Errorf("%s: shared CQ %q: %w", op, s.name, ErrClosed)
	}
	s.link.poll.setMode(m)
	return nil
}

func (d *EVD) checkMode(op string, m Mode) error {
	if err := d.valid(op); err != nil {
		return err
	}
	return m.check(op, "m")
}

func (m Mode) check(op, name string) error {
	if m > ModeSpin {
		return param.Invalid(op, name, m, "ModeAdaptive, ModeEvent or ModeSpin")
	}
	return nil
}

// ownCQs is how many CQs the EVD was made with. They come first among its links; the
// others are ports of shared CQs.
func (d *EVD) ownCQs() (n int) {
	for _, l := range d.links() {
		if l.port == nil {
			n++
		}
	}
	return n
}

// checkCQ checks the number of a CQ, the parameter name.
func (d *EVD) checkCQ(op, name string, cq int) error {
	switch n := d.ownCQs(); {
	case n == 0:
		return param.Invalid(op, name, cq, fmt.Sprintf("nothing: EVD %q has no CQs", d.name))
	case cq < 0 || cq >= n:
		return param.Invalid(op, name, cq, fmt.Sprintf("0..%d, a place in EVDConfig.CQs", n-1))
	}
	return nil
}

// setMode is transition [M1]: announce, then wake. The poller makes the change
// itself: it alone decides what it does about WATCH, arm, look and sleep.
func (p *poller) setMode(m Mode) {
	if m == ModeAdaptive {
		p.e.spinBudget() // measured here, not by the poller
	}
	for {
		c := p.ctl.Load()
		if Mode(c&cMode) == m {
			return
		}
		if p.ctl.CompareAndSwap(c, c&^cMode|uint32(m)) { // [M1] before the kick; pairs with [M2]
			p.kick()
			return
		}
	}
}

// mode is the one that was set last.
func (p *poller) mode() Mode { return Mode(p.ctl.Load() & cMode) }
