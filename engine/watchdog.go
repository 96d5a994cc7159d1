package engine

import (
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// The watchdog looks, now and then, for what the protocol rules out and
// hardware, kernels and upcalls do all the same. It takes part in nothing: it
// triggers as a poster does, who may always ask for a look. (As an interrupt it
// would clear ARM, and a CQ that is armed would be armed again.)

// watchdog is the engine's one. owner: its goroutine, or a test that has none.
type watchdog struct {
	stop, done atom.Token
	runs       bool   // it has a goroutine
	pops       uint64 // of the run queue, at the last look
	waited     bool   // a run was waiting then
	ticks      uint32 // looks so far
	cursor     int    // in Engine.evds: who is looked at next
	fed        int    // in Engine.fed: the same
}

// linkDog is what the watchdog remembers of a CQ.
type linkDog struct {
	suspect  bool // at the last look a completion was there and nobody at it
	polled   uint64
	overruns uint64
}

// evdDog is what it remembers of an EVD.
type evdDog struct {
	since   uint32 // the look at which the upcalls that run were first seen, with no new one since
	upcalls uint32 // how many there had been, modulo 2^32, and signs of life of a poller that lingers
	told    bool
}

// looksPerPeriod: what is found takes two looks, and a period at most.
const looksPerPeriod = 2

// watch is the watchdog's life.
func (e *Engine) watch() {
	for !e.dog.stop.WaitTimeout(e.cfg.Watchdog / looksPerPeriod) {
		e.tick()
	}
}

// end stops it.
func (w *watchdog) end() {
	if !w.runs {
		return
	}
	w.stop.Signal()
	w.done.Wait()
	w.done.Signal() // for another Close
}

// tick is one look at everything.
func (e *Engine) tick() {
	e.looks.Add(1)
	e.mu.Lock()
	e.dog.ticks++
	e.lookAtFed()
	e.lookAround()
	for _, s := range e.shared {
		s.look()
	}
	e.mu.Unlock()
	e.lookAtWorkers()
}

// looksAtOnce bounds how long a look at EVDs, of which there may be very many, keeps
// Engine.mu: about a millisecond.
const looksAtOnce = 2048

// lookAtFed looks at the EVDs with CQs: at all, up to looksAtOnce, or else at the next
// ones. (As in lookAround one may be left out of a round.)
func (e *Engine) lookAtFed() {
	for range min(looksAtOnce, len(e.fed)) {
		if e.dog.fed >= len(e.fed) {
			e.dog.fed = 0
		}
		d := e.fed[e.dog.fed]
		e.dog.fed++
		for _, l := range d.links() {
			d.lookAtCQ(l)
		}
		d.lookAtUpcall()
	}
}

// lookAround looks at the next EVDs without CQs. (One that takes the place of another
// that was closed may be left out of a round.)
func (e *Engine) lookAround() {
	for range min(looksAtOnce, len(e.evds)) {
		if e.dog.cursor >= len(e.evds) {
			e.dog.cursor = 0
		}
		if d := e.evds[e.dog.cursor]; d.fed < 0 {
			d.lookAtUpcall()
		}
		e.dog.cursor++
	}
}

// lookAtCQ finds a lost interrupt: a completion on the CQ, at this look and the
// one before, while nobody runs though somebody may or waits, and nothing was
// taken in between. The machine is triggered, as by a post; and where arming
// twice is harmless the CQ is armed, since what the hardware thinks of its arm
// is anybody's guess. (Elsewhere every completion is found in this way, until
// an interrupt comes.)
func (d *EVD) lookAtCQ(l *link) {
	if l.port != nil {
		return // no interrupt to lose; a run of his that waits for a worker is lookAtWorkers'
	}
	if c, ok := l.cq.(hwcq.OverrunCounter); ok && !l.told.Load() {
		if n := c.Overruns(); n != l.dog.overruns {
			l.dog.overruns = n
			d.overran(l)
		}
	}
	s := l.owner.load()
	polled := l.stats.polled.Load()
	idle := l.expects() && (s.run() == 0 && s.lim() > 0 || s.run() < s.lim() && s&limMany != 0 || s&bWAIT != 0)
	if p, ok := l.owner.(*pump); ok && p.holds.Load() {
		idle = false // it waits for room in the ring; so also if the CQ has ended
	}
	if !idle || l.kept.Load() && d.flags.Load()&fKept != 0 || !l.cq.Pending() {
		l.dog.suspect = false
		return
	}
	if !l.dog.again(polled) {
		return
	}
	l.stats.lost.Add(1)
	d.alarm(alarmLost, l.index)
	l.rouse()
}

// look is lookAtCQ for a shared CQ. That it dropped completions is told to all who
// have joined: any of them may miss one.
func (s *SharedCQ) look() {
	l := s.link
	if c, ok := l.cq.(hwcq.OverrunCounter); ok && !l.told.Load() {
		if n := c.Overruns(); n != l.dog.overruns {
			l.dog.overruns = n
			s.alarm(alarmOverrun)
			for _, p := range s.members() {
				p.d.alarm(alarmOverrun, p.link.index)
			}
		}
	}
	if w := s.load(); !l.expects() || w.run() > 0 || w.lim() == 0 || !l.cq.Pending() {
		l.dog.suspect = false
		return
	}
	if l.dog.again(l.stats.polled.Load()) {
		l.stats.lost.Add(1)
		s.alarm(alarmLost)
		l.rouse()
	}
}

// again answers whether the suspicion is confirmed: it was there at the look before,
// and nothing has been taken since.
func (g *linkDog) again(polled uint64) bool {
	if !g.suspect || g.polled != polled {
		g.suspect, g.polled = true, polled
		return false
	}
	g.suspect = false
	return true
}

// rouse does for the CQ what the interrupt would have done.
func (l *link) rouse() {
	if l.rearm && l.failed.Load() == 0 {
		_ = l.hwArm() // the retry is the next completion's
	}
	l.owner.trigger(srcPost)
}

// expects reports whether an interrupt can be missing: the CQ is armed for every
// completion and nobody polls it, or it has ended and there are none any more. One
// that could not be armed is its poller's, who looks at it now and then; one whose
// event has come and whose run waits, for a worker or for room in the ring, is armed
// by that run; what a Poller was told of is in its list; and where only solicited
// completions interrupt, nobody can tell.
func (l *link) expects() bool {
	if l.poll.noted() {
		return false
	}
	s := l.state.Load()
	return s&lWATCH == 0 && !l.solic && (s&lARMED != 0 || l.failed.Load() != 0)
}

// lookAtUpcall tells of an upcall that does not return.
func (d *EVD) lookAtUpcall() {
	if s := d.load(); s.run() == 0 || s&bCNO != 0 {
		d.dog = evdDog{}
		return
	}
	now := d.e.dog.ticks
	if n := uint32(d.stats.upcalls() + d.stats.direct.Load() + d.beats.Load()); n != d.dog.upcalls || d.dog.since == 0 {
		d.dog = evdDog{upcalls: n, since: now}
		return
	}
	if d.exclusive {
		// Who lingers counts now and then, and when the word has changed: if his
		// upcalls do return the next look sees it.
		d.trigger(srcPost)
	}
	if running := time.Duration(now-d.dog.since) * (d.e.cfg.Watchdog / looksPerPeriod); running >= d.e.cfg.StuckAfter && !d.dog.told {
		d.dog.told = true
		d.alarm(alarmStuck, 0)
	}
}

// lookAtWorkers adds a worker if a run has been waiting since the last look and
// none has begun.
func (e *Engine) lookAtWorkers() {
	waiting, pops := e.rq.look()
	if stuck := waiting && e.dog.waited && pops == e.dog.pops; stuck {
		e.workMu.Lock()
		n := len(e.wait)
		e.workMu.Unlock()
		if n < e.cfg.MaxWorkers {
			e.needWorkers(n + 1)
		}
	}
	e.dog.waited, e.dog.pops = waiting, pops
}
