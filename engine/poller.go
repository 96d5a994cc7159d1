package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// Mode says how an EVD's poller waits for completions.
type Mode uint8

const (
	// ModeAdaptive: poll for a while after the last completion, the measured
	// break-even time unless Config.SpinBudget says otherwise; then arm, poll
	// again, and sleep.
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
// source's Wait; askStop and retryArm may be called from any.
type poller struct {
	link   *link
	mode   Mode
	budget int // empty polls before ModeAdaptive sleeps

	stopped atom.Bool // Writer: askStop. Reader: serve.
	retry   atom.Bool // Writer: retryArm. Reader: serve. An arm failed.
	done    atom.Token

	started bool          // owner: serve; the first look has been, or is not needed
	delay   time.Duration // owner: serve; the next back-off
	st      *pollerStats
	r       runner
}

// pollerStats are counted off the hot path: at transitions only.
type pollerStats struct {
	events   atom.Counter // events received
	sleeps   atom.Counter // ModeAdaptive: went from polling to sleeping
	wakes    atom.Counter // ModeAdaptive: came back from sleeping
	averted  atom.Counter // ModeAdaptive: armed, looked again, found a completion
	spurious atom.Counter // events that found the CQ empty
	retries  atom.Counter // runs started to arm again
	waitErrs atom.Counter // EventSource.Wait failed, and not with ErrClosed
}

// serve is the poller's life: it waits for completions until it is stopped or
// the CQ is closed.
func (p *poller) serve() {
	if !p.started {
		p.started = true
		p.start(srcWatch) // what was there before us, and the first arm
	}
	l := p.link
	p.delay = retryFirst
	for !p.stopped.Load() {
		if p.retry.Swap(false) {
			p.backOff()
			p.st.retries.Add(1)
			p.start(srcWatch)
			if l.state.Load()&lARMED != 0 {
				p.delay = retryFirst
			} // else it failed again, or a waiter or worker has yet to arm
			continue
		}
		if p.mode != ModeEvent && !p.watch() {
			continue
		}
		event, err := l.cq.Events().Wait()
		if p.mode != ModeEvent {
			p.st.wakes.Add(1)
		}
		switch {
		case errors.Is(err, ErrClosed):
			return
		case errors.Is(err, hwcq.ErrRemoved):
			l.owner.cqFailed(l, err, alarmProvider)
			p.start(srcWatch) // what is there is delivered, or waits for Dequeue
			return
		case err != nil: // deaf, but not blind
			if p.st.waitErrs.Add(1); p.delay == retryFirst {
				l.owner.cqFailed(l, err, alarmProvider)
			}
			p.backOff()
			p.start(srcWatch)
		case event:
			p.delay = retryFirst
			p.st.events.Add(1)
			if !l.cq.Pending() {
				p.st.spurious.Add(1)
			}
			l.fired(p.mode != ModeEvent)
			p.start(srcIntr)
			continue
		case p.mode == ModeEvent && !p.retry.Load():
			p.start(srcWatch) // a Wake means "look"
		}
		if p.mode != ModeEvent {
			l.watch()
		}
	}
}

// backOff waits a while, longer each time until something succeeds.
func (p *poller) backOff() {
	pause(p.delay)
	p.delay = min(2*p.delay, retryMost)
}

// start triggers the machine and runs it here if it may. It answers whether
// that moved an event.
func (p *poller) start(src source) (moved bool) {
	return p.link.owner.trigger(src) && p.link.owner.runSlot(&p.r)
}

// watch polls the CQ until the budget is used up without a completion that
// could be delivered. It answers true when the poller may sleep.
func (p *poller) watch() bool {
	l := p.link
	idle := 0
	for turn := 1; p.mode == ModeSpin || idle < p.budget; turn++ {
		moved := l.cq.Pending() && p.start(srcWatch)
		if moved {
			idle = 0
		} else {
			idle++
		}
		switch {
		case atom.Exploring && moved:
		case atom.Exploring || turn%yieldEvery == 0:
			if p.stopped.Load() {
				return false
			}
			if !atom.Exploring && idle >= osYieldEvery && idle%osYieldEvery < yieldEvery {
				spin.Yield()
			}
			atom.Spin()
		case !moved:
			spin.Pause()
		}
	}
	return p.rest()
}

// kick has the poller look at its CQ.
func (p *poller) kick() { p.link.cq.Events().Wake() }

// retryArm has the poller try again after a failed arm.
func (p *poller) retryArm() {
	p.retry.Store(true)
	p.kick()
}

// askStop has serve end.
func (p *poller) askStop() {
	p.stopped.Store(true)
	p.kick()
}

// wait returns when serve has ended.
func (p *poller) wait() {
	p.done.Wait()
	p.done.Signal() // for another wait
}
