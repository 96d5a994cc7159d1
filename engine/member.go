package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// member is what the poller of a CQ has where it is not a goroutine of its own: its
// place in a Poller, whose goroutine does by attend and poll what a poller's own does
// by loop and watch, a piece at a time. What a CQ's machine and its link see of either
// is the same.
//
// Concurrency: note from any goroutine; the rest belongs to the Poller's goroutine,
// but for what admit and letGo do under Poller.mu.
type member struct {
	p   *poller
	g   *Poller
	src hwcq.EventSource

	next  *member     // owner: who has put noted to 1, then the list it is on
	noted atom.Uint32 // 1: it is on a list, or about to be. Writers: note, attend

	place int       // in Poller.active; -1: it is not active
	idle  int       // empty polls since the last completion
	due   time.Time // late: when its back-off is over
	late  bool
	retry bool   // the back-off is for a failed arm
	owes  bool   // a budget was used up: a run is queued here (QUED)
	over  bool   // the CQ has ended
	found uint64 // runs that moved something, to be told in the CQ's counters
	fd    int    // of the source, -1: none

	admitted, gone bool // owner: Poller.mu; it is a member; it has left
}

// join gives a new poller of a CQ to g. It is noted, and on no list, until admit: so
// nobody puts it there.
func (p *poller) join(g *Poller) {
	p.m, p.r = &member{p: p, g: g, src: p.link.cq.Events(), place: -1, fd: -1}, &g.r
	p.m.noted.Store(1)
}

// needDone makes the token by which a member tells that it has left: of very many, few
// leave. The one who asks it to, and waits, is the first to need it.
func (p *poller) needDone() {
	if p.m != nil { // a NewEVD that fails beside an Engine.Close: both come here
		p.m.g.mu.Lock()
		defer p.m.g.mu.Unlock()
	}
	if p.done == (atom.Token{}) {
		p.done = atom.NewToken()
	}
}

// refused is the end of a life that has not begun: admit has failed.
func (p *poller) refused() {
	p.needDone()
	p.done.Signal()
}

// admit begins the life of a member; letGo ends it.
// Errors: ErrNotSupported if the CQ cannot be waited for beside others; ErrClosed.
func (g *Poller) admit(p *poller) error {
	m := p.m
	if p.bond != nil {
		return fmt.Errorf("poller %q: %w: the CQ belongs to one OS thread, and needs a poller of its own (hwcq.ThreadBound)", g.name, ErrNotSupported)
	}
	n, ok := m.src.(hwcq.Notifier)
	if !ok {
		return fmt.Errorf("poller %q: %w: the CQ (driver %q) can only be waited for alone: its event source is no hwcq.Notifier", g.name, ErrNotSupported, p.link.cq.Capabilities().Driver)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || m.gone { // gone: the engine has been closed
		return fmt.Errorf("poller %q: %w", g.name, ErrClosed)
	}
	fd, err := n.Notify(m.note)
	if err == nil && fd >= 0 {
		if err = g.watch(fd, m); err != nil {
			_, _ = n.Notify(nil)
		}
	}
	if err != nil {
		return fmt.Errorf("poller %q: %w", g.name, err)
	}
	m.fd, m.admitted = fd, true
	g.members++
	g.push(m) // it is noted already
	return nil
}

// watch has the goroutine sleep over a descriptor too. mu is held. The caller notes m,
// which gets the goroutine out of tok.
func (g *Poller) watch(fd int, m *member) error {
	b := g.bed.Load()
	if b == nil {
		var err error
		if b, err = newEpoll(); err != nil {
			return err
		}
		g.bed.Store(b)
	}
	return b.add(fd, m)
}

// note has the goroutine look after m. What there is to see was made visible before.
func (m *member) note() {
	// [G1] after what there is to see; pairs with [G4].
	if m.noted.Load() == 0 && m.noted.CompareAndSwap(0, 1) {
		m.g.push(m)
	}
}

// noted tells whether a Poller is to look after the CQ.
func (p *poller) noted() bool { return p.m != nil && p.m.noted.Load() != 0 }

// attend is a pass of poller.loop: it does what m was noted for, and decides whether m
// is polled from now on. It answers whether that moved an event.
func (m *member) attend() (moved bool) {
	p, l := m.p, m.p.link
	m.noted.Store(0) // [G4] SC: before the looks; pairs with [G1]
	c := p.ctl.Load()
	polls := Mode(c&cMode) != ModeEvent
	switch {
	case c&cStop != 0:
		m.leave()
		return false
	case m.late || m.over:
		return false
	case m.retry:
		m.retry = false
		l.stats.retries.Add(1)
		moved = m.start(srcWatch)
		if l.state.Load()&lARMED != 0 {
			p.delay = retryFirst
		}
		c = p.ctl.Load() // it may have failed again
		if c&cStop != 0 {
			m.leave()
			return moved
		}
	}
	if polls {
		l.watch() // before the looks
	}
	if c&cRetry != 0 {
		p.ctl.And(^cRetry)
		m.retry = true
		m.g.postpone(m)
		return moved
	}
	if m.hear(polls) {
		moved = true
	}
	switch {
	case m.over || m.late:
	case polls || m.owes || l.state.Load()&lWATCH != 0:
		m.g.activate(m)
	}
	return moved
}

// hear takes what the event source has, and looks at the CQ.
func (m *member) hear(polls bool) (moved bool) {
	p, l := m.p, m.p.link
	event, err := m.src.TryWait()
	switch {
	case errors.Is(err, ErrClosed):
		m.ended()
	case isEnd(err):
		m.ended()
		l.owner.cqFailed(l, err, alarmProvider)
		moved = m.start(srcWatch) // what is there is delivered, or waits for Dequeue
	case err != nil: // deaf, but not blind
		if l.stats.waitErrs.Add(1); p.delay == retryFirst {
			l.owner.cqFailed(l, err, alarmProvider)
		}
		m.g.postpone(m)
		moved = m.start(srcWatch)
	case event:
		p.delay = retryFirst
		for event {
			l.stats.events.Add(1)
			m.g.stats.events.Add(1)
			if !l.cq.Pending() {
				l.stats.spurious.Add(1)
			}
			if event = m.fd < 0; event { // others that were told of at once
				if event, err = m.src.TryWait(); err != nil {
					m.note() // of its end too: look again
				}
			}
		}
		l.fired(polls)
		moved = m.start(srcIntr)
	case !p.started:
		p.started = true
		moved = m.start(srcWatch) // what was there before us, and the first arm
	default:
		moved = m.start(srcWatch) // a Wake means "look"
	}
	return moved
}

// start is the poller's start.
func (m *member) start(src source) (moved bool) {
	m.g.r.home = m.p.link.owner
	moved = m.p.start(src)
	m.settle()
	return moved
}

// settle takes over what a run has left when its budget was used up.
func (m *member) settle() {
	if !m.g.r.owes {
		return
	}
	m.g.r.owes = false
	m.g.since += glanceEvery
	if m.late || m.over {
		m.p.link.owner.requeue()
	} else {
		m.owes = true
	}
}

// poll is a turn of poller.watch, for an active member. It answers whether that
// moved an event.
func (m *member) poll() (moved bool) {
	p, l := m.p, m.p.link
	m.g.r.home = l.owner
	switch {
	case m.stopping():
		return false // it is on ready
	case m.owes:
		m.owes = false
		m.g.enter()
		moved = l.owner.startQueued() && l.owner.runSlot(p.r) // as a worker
		m.g.exit()
		m.settle()
	case l.cq.Pending():
		moved = m.start(srcWatch)
	}
	if moved {
		m.idle = 0
		m.found++
	} else {
		m.idle++
		if m.found > 0 { // not one by one: that would be an add for each
			l.stats.found.Add(m.found)
			m.found = 0
		}
	}
	c := p.ctl.Load()
	if m.owes || c&cStop != 0 {
		return moved
	}
	switch Mode(c & cMode) {
	case ModeSpin:
		return moved
	case ModeAdaptive:
		if p.patience.limit == 0 {
			p.patience = newPatience(p.e.spinBudget()) // setMode has measured
			l.stats.budget.Store(uint64(p.patience.now))
		}
		if m.idle < p.patience.turns && (m.idle < armPolls || len(m.g.active) == 1) {
			return moved
		}
	}
	if l.state.Load()&lWATCH == 0 || p.rest() {
		m.g.rest(m)
	}
	m.settle()
	return moved
}

// notifier is the event source, which is one: see admit.
func (m *member) notifier() hwcq.Notifier { return m.src.(hwcq.Notifier) }

// ended keeps m from being looked after any more: its CQ has ended. It leaves when
// it is told to.
func (m *member) ended() {
	m.over = true
	m.g.rest(m)
	m.g.mute(m)
}

// mute takes a descriptor away that would be readable for ever.
func (g *Poller) mute(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.fd >= 0 {
		g.bed.Load().del(m.fd, m)
		m.fd = -1
	}
}
