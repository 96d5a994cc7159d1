package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// Mode says how an EVD's poller waits for completions. EVD.SetMode changes it.
type Mode uint8

const (
	// ModeAdaptive: poll for a while after the last completion; then arm, poll
	// again, and sleep. At first, and at most, it polls for the measured break-even
	// time unless Config.SpinBudget says otherwise. If completions keep coming much
	// later than that it polls for less, and in the end sleeps at once; when they
	// come sooner again it polls for longer again. CQStats has the time of now
	// (Budget) and how often it has changed (Grown, Shrunk).
	ModeAdaptive Mode = iota
	// ModeEvent: arm, poll again, and sleep, after every run.
	ModeEvent
	// ModeSpin: poll for ever, never arm. Costs a CPU; yields it when it finds
	// nothing.
	ModeSpin
)

func (m Mode) String() string {
	switch m {
	case ModeAdaptive:
		return "adaptive"
	case ModeEvent:
		return "event"
	case ModeSpin:
		return "spin"
	}
	return fmt.Sprintf("mode(%d)", int(m))
}

// Turns between two yields of the CPU, in a polling poller. A yield costs
// about as much as three or four pauses when nobody else wants the CPU.
const yieldEvery = 32

// Idle turns in a row after which, and after as many more, the thread yields to
// other threads of the system: some 30 us. A soft device's work is done by
// kernel threads; on a machine without a spare CPU they would otherwise wait
// for the end of this thread's time slice, milliseconds. Not more often: where
// the others are busy programs the yield costs a time slice of theirs.
const osYieldEvery = 32 * yieldEvery

// Back-off of a poller that could not arm its CQ.
const (
	retryFirst = time.Millisecond
	retryMost  = 100 * time.Millisecond
)

// poller waits for one CQ and starts the machine that the CQ feeds.
//
// Concurrency: serve runs on one goroutine, which is the only one in the event
// source's Wait; askStop, retryArm and setMode may be called from any.
// Invariant: every change of ctl by another is followed by a kick, so that serve
// does not sleep over it.
type poller struct {
	link *link
	e    *Engine

	ctl  atom.Uint32 // the Mode, cRetry, cStop. Writers: setMode, retryArm, askStop. Reader: serve.
	done atom.Token

	bond     *bond         // nil: any thread will do
	started  bool          // owner: serve; the first look has been, or is not needed
	pass     uint32        // owner: serve; ctl as it was when this pass began
	idled    int           // owner: serve; idle turns at the end of the last stay in a run
	sleeps   uint8         // owner: serve; mod 256
	patience patience      // owner: serve; of ModeAdaptive
	delay    time.Duration // owner: serve; the next back-off
	r        *runner
	m        *member // nil: it has a goroutine of its own
}

// newLink ties a CQ that was given to the machine it feeds, and to a poller, which
// has yet to be started, or to be admitted to g.
func (e *Engine) newLink(cq hwcq.CQ, owner sink, mode Mode, solicited bool, cpu CPU, g *Poller) *link {
	if mode == ModeAdaptive {
		e.spinBudget() // measured here, not by the poller
	}
	caps := cq.Capabilities()
	l := &link{cq: cq, owner: owner, solic: solicited, depth: caps.Depth, rearm: caps.ArmIdempotent}
	if mode != ModeEvent {
		l.state.Store(lWATCH)
	}
	l.poll = &poller{link: l, e: e, bond: newBond(cq, cpu)}
	if g != nil {
		l.poll.join(g)
	} else {
		l.poll.r, l.poll.done = &runner{}, atom.NewToken()
	}
	l.poll.ctl.Store(uint32(mode))
	if g == nil {
		l.poll.r.tied = l.poll.bond != nil
	}
	return l
}

// Bits of poller.ctl. They are in one word so that a pass of serve is decided by
// one load.
const (
	cMode  uint32 = 3      // the Mode
	cRetry uint32 = 1 << 2 // an arm failed
	cStop  uint32 = 1 << 3
)

// loop waits for completions until the poller is stopped or the CQ is closed.
//
// A pass goes by one snapshot of the mode, what follows its sleep included. What
// the poller is at, it knows from WATCH, which nobody else raises: so a change of
// mode is no more than the way to sleep, or from it, that it goes anyway.
func (p *poller) loop() {
	if !p.started {
		p.started = true
		p.pass = p.ctl.Load()
		p.start(srcWatch) // what was there before us, and the first arm
	}
	l := p.link
	p.delay = retryFirst
	for {
		c := p.ctl.Load() // [M2] the one of this pass; pairs with [M1]
		p.pass = c
		mode := Mode(c & cMode)
		if c&cStop != 0 {
			return
		}
		if mode != ModeEvent {
			l.watch() // before the looks
		}
		if c&cRetry != 0 {
			p.ctl.And(^cRetry)
			p.backOff()
			l.stats.retries.Add(1)
			p.start(srcWatch)
			if l.state.Load()&lARMED != 0 {
				p.delay = retryFirst
			} // else it failed again, or a waiter or worker has yet to arm
			continue
		}
		if mode != ModeEvent {
			if !p.watch(c) {
				continue
			}
		} else if l.state.Load()&lWATCH != 0 && !p.rest() {
			continue // [M3] from polling to events: it goes to sleep as always, by [L2]
		}
		slept := time.Duration(0)
		if mode == ModeAdaptive {
			slept = -now()
		}
		event, err := p.sleep()
		if mode != ModeEvent {
			l.stats.wakes.Add(1)
		}
		switch {
		case errors.Is(err, ErrClosed):
			return
		case isEnd(err):
			l.owner.cqFailed(l, err, alarmProvider)
			p.start(srcWatch) // what is there is delivered, or waits for Dequeue
			return
		case err != nil: // deaf, but not blind
			if l.stats.waitErrs.Add(1); p.delay == retryFirst {
				l.owner.cqFailed(l, err, alarmProvider)
			}
			p.backOff()
			p.start(srcWatch)
		case event:
			p.delay = retryFirst
			l.stats.events.Add(1)
			if !l.cq.Pending() {
				l.stats.spurious.Add(1)
			} else if mode == ModeAdaptive {
				p.slept(slept + now())
			}
			l.fired(mode != ModeEvent)
			p.start(srcIntr)
		default:
			// A Wake means "look", in every mode, whether there is something or
			// not: who left it to us [P4] has left the arm to us too.
			if mode != ModeEvent {
				l.watch()
			}
			if p.ctl.Load()&cRetry == 0 {
				p.start(srcWatch)
			}
		}
	}
}

// backOff waits a while, longer each time until something succeeds.
func (p *poller) backOff() {
	if p.m != nil {
		p.m.g.postpone(p.m)
		return
	}
	pause(p.delay)
	p.delay = min(2*p.delay, retryMost)
}

// start triggers the machine and runs it here if it may. It answers whether
// that moved an event.
func (p *poller) start(src source) (moved bool) {
	if p.m == nil {
		return p.link.owner.trigger(src) && p.link.owner.runSlot(p.r)
	}
	if p.link.owner.trigger(src) {
		p.m.g.enter()
		moved = p.link.owner.runSlot(p.r)
		p.m.g.exit()
	}
	return moved
}

// watch polls the CQ until the budget is used up without a completion that
// could be delivered, or ctl is not c any more. It answers true when the poller
// may sleep.
func (p *poller) watch(c uint32) bool {
	l := p.link
	spins := Mode(c&cMode) == ModeSpin
	if !spins && p.patience.limit == 0 {
		p.patience = newPatience(p.e.spinBudget()) // setMode has measured
		l.stats.budget.Store(uint64(p.patience.now))
	}
	idle, runs := 0, uint64(0)
	for turn := 1; spins || idle < p.patience.turns; turn++ {
		moved := false
		if l.cq.Pending() {
			if moved = p.start(srcWatch); !moved && p.owned() {
				p.advance()
			}
		}
		if moved {
			idle, p.idled = p.idled, 0
			runs++
			p.patience.caught()
		} else {
			idle++
		}
		switch {
		case atom.Exploring && moved:
		case atom.Exploring || turn%yieldEvery == 0:
			if runs > 0 { // not one by one: that would be an add for each
				l.stats.found.Add(runs)
				runs = 0
			}
			if p.ctl.Load() != c {
				return false
			}
			p.giveWay(idle)
		case !moved:
			spin.Pause()
		}
	}
	l.stats.found.Add(runs)
	return p.rest()
}

// yieldSleeps is how many sleeps lie between two yields of a poller that sleeps. To the Go
// runtime one whose event source blocks in a system call runs all the while: after 10 ms
// its monitor takes it for a goroutine that must be interrupted, takes the P away, and
// looks after it every 20 us for a while, a wake-up of a thread each time. Who passes
// through the scheduler now and then is left alone.
const yieldSleeps = 32

// sleep waits for an event or a Wake.
func (p *poller) sleep() (event bool, err error) {
	// Not one that is locked to its thread: there a yield is two switches of threads.
	if p.sleeps++; p.sleeps%yieldSleeps == 0 && !p.r.tied && !atom.Exploring {
		atom.Spin()
	}
	if p.e.tracing&traceRegions != 0 {
		defer startRegion("evd.sleep", p.r.name).End()
	}
	return p.link.cq.Events().Wait()
}

// kick has the poller look at its CQ.
func (p *poller) kick() {
	if p.m != nil {
		p.m.note()
		return
	}
	p.link.cq.Events().Wake()
}

// retryArm has the poller try again after a failed arm.
func (p *poller) retryArm() {
	p.ctl.Or(cRetry)
	p.kick()
}

// askStop has serve end.
func (p *poller) askStop() {
	p.needDone()
	p.ctl.Or(cStop)
	if p.m != nil {
		p.m.g.dismiss(p.m)
		return
	}
	p.kick()
}

// wait returns when serve has ended.
func (p *poller) wait() {
	p.done.Wait()
	p.done.Signal() // for another wait
}
