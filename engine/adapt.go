package engine

import (
	"runtime"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// patience is how long one who waits polls before he sleeps, a poller with
// ModeAdaptive or a waiter with WaitAdaptive. It is between nothing and what a sleep
// costs (limit), and goes by what it would have been good for, as KVM's halt polling
// does (virt/kvm/kvm_main.c, grow_halt_poll_ns and shrink_halt_poll_ns):
//
//	the event came while he polled           nothing; it pays
//	he slept, and the limit would have done  longer: a quarter of the limit, then
//	                                         twice as long each time
//	he slept for much longer, twice in a     half as long; less than a quarter of
//	row, and again with each after that      the limit is nothing: he sleeps at once
//
// So one that is idle for most of the time comes to rest after four sleeps and costs
// nothing, and one whose events come close together polls again after the second of
// them. Between the limit and twice the limit nothing changes, and one long gap
// among short ones is forgiven: both keep it from swinging.
//
// Polling for the limit at most costs twice what a clairvoyant would pay, at worst
// (see calibrate.go); sleeping at once costs a wake-up each time, and that is why it
// grows faster than it shrinks.
//
// Concurrency: one goroutine at a time, whose it is.
type patience struct {
	limit time.Duration // of now; 0: he does not poll
	wake  time.Duration // of a sleep that is measured, what is not the gap
	now   time.Duration // how long he polls
	turns int           // now, in turns of his loop
	long  int           // gaps in a row for which polling would not have done
}

// Limits of a patience's changes.
const (
	patienceSteps = 4 // the least above nothing is the limit through that
	patienceLong  = 2 // times the limit is a long gap
	patienceRow   = 2 // long gaps in a row make it less
)

// newPatience is one that polls for limit at first.
func newPatience(limit time.Duration) patience {
	p := patience{limit: limit}
	if !atom.Exploring {
		p.wake = WakeCost()
	}
	p.set(limit)
	return p
}

func (p *patience) set(d time.Duration) {
	p.now, p.turns = d, 0
	if d > 0 {
		p.turns = 1
		if !atom.Exploring {
			p.turns = spinTurns(d)
		}
	}
}

// caught says that an event came while he polled.
func (p *patience) caught() { p.long = 0 }

// slept says that he polled in vain and then slept for d, wake-up included. It answers
// 1 if he polls for longer from now on, and -1 if for less.
func (p *patience) slept(d time.Duration) int {
	gap := p.now + max(0, d-p.wake)
	switch {
	case gap < p.limit:
		p.long = 0
		p.set(min(max(2*p.now, p.limit/patienceSteps, 1), p.limit))
		return 1
	case gap <= patienceLong*p.limit:
		return 0
	}
	return p.vain()
}

// vain says that he polled for longer than it could be good for, or that he gave up
// waiting. The answer is as slept's.
func (p *patience) vain() int {
	if p.now == 0 {
		return 0
	}
	if p.long++; p.long < patienceRow {
		return 0
	}
	n := p.now / 2
	if n < p.limit/patienceSteps {
		n = 0
	}
	p.set(n)
	return -1
}

// slept tells the poller's patience of a sleep that an event has ended, or of none,
// since the event came on the way to it.
func (p *poller) slept(d time.Duration) {
	st := &p.link.stats
	switch p.patience.slept(d) {
	case 1:
		st.grown.Add(1)
	case -1:
		st.shrunk.Add(1)
	default:
		return
	}
	st.budget.Store(uint64(p.patience.now))
}

// giveWay lets others run, in a poller that polls: after idle turns in a row that
// found nothing. Goroutines are let run unless that means to switch threads, twice,
// where there is another P to run them; other threads of the system seldom.
//
// Its prologue is where the garbage collector can stop the goroutine: see atom.Spin.
//
//go:noinline
func (p *poller) giveWay(idle int) {
	seldom := idle >= osYieldEvery && idle%osYieldEvery < yieldEvery
	if atom.Exploring || !p.r.tied {
		if seldom && !atom.Exploring {
			spin.Yield()
		}
		atom.Spin()
		return
	}
	if seldom {
		spin.Yield()
		if runtime.GOMAXPROCS(0) == 1 {
			atom.Spin()
		}
	}
}
