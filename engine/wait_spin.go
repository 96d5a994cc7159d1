package engine

import (
	"fmt"
	"runtime"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// WaitMode says what a Wait does while there are too few events.
type WaitMode uint8

const (
	// WaitPark: it sleeps at once. Whoever brings the event pays for the wake-up, a
	// system call where a CPU is idle, and the waiter gets the event as much later as
	// a wake-up takes: some microseconds up to a hundred, see WakeCost.
	WaitPark WaitMode = iota

	// WaitAdaptive: it looks again and again for up to the break-even time (see
	// Config.SpinBudget), and sleeps then. If that was in vain a few times it looks for
	// less, and in the end sleeps at once, until events come sooner again, as a poller
	// with ModeAdaptive does; a Wait that is over for want of events, while it looked or
	// later, counts as in vain. Query.WaitBudget has the time of now. An event that comes
	// while it looks costs its poster no system call, and is there as fast as one
	// CPU tells another. Of an engine's waiters with this mode one less than there are Ps
	// (GOMAXPROCS when the engine was made) look at once, the others sleep; so with
	// one P all do.
	WaitAdaptive

	// WaitSpin: it looks again and again until something ends the Wait, and never
	// sleeps nor arms a CQ, unless Shutdown has begun. Costs a CPU for each that waits.
	WaitSpin
)

func (m WaitMode) String() string {
	switch m {
	case WaitPark:
		return "park"
	case WaitAdaptive:
		return "adaptive"
	case WaitSpin:
		return "spin"
	}
	return fmt.Sprintf("wait mode(%d)", uint8(m))
}

// A waiter that spins is one who has TAKE and OWN and has not announced yet that he
// sleeps: nothing of the protocol is new, his first look takes longer. WAIT is not
// set, so posters owe him nothing: the first leaves MISS and the others only load the
// word. What ends a Wait without an event is looked for in every look that
// is due, of which there is one a microsecond.

// Turns of a waiter that spins, a pause each.
const (
	waitLook  = 32            // from one whole look to the next; between them events are looked for
	waitYield = 32 * waitLook // from one yield to the next
)

// spinner is what an EVD has whose waiters may spin. Concurrency: the fields belong
// to the waiter, who has OWN; budget is for everybody.
type spinner struct {
	mode     WaitMode
	patience patience // of WaitAdaptive
	spun     bool     // this Wait has spun, or would have for as long as nothing
	slept    bool     // and that was over at since
	since    time.Duration
	budget   atom.Counter // patience.now, in ns
}

// newSpinner is nil for WaitPark, and for an EVD that polls a CQ of another thread's
// (hwcq.ThreadBound): what has completed is not seen there before its owner, who
// sleeps, has been woken by an arm.
func (d *EVD) newSpinner(m WaitMode) *spinner {
	if m == WaitPark {
		return nil
	}
	for _, l := range d.direct() {
		if l.poll != nil && l.poll.owned() {
			return nil
		}
	}
	sp := &spinner{mode: m}
	if m == WaitAdaptive {
		sp.patience = newPatience(d.e.spinBudget())
		sp.budget.Store(uint64(sp.patience.now))
	}
	return sp
}

// spinWait looks for as long as the waiter may before he sleeps; goOn is that he has
// to.
func (d *EVD) spinWait(w *waiting) verdict {
	sp := d.spinner
	if sp == nil {
		return goOn
	}
	ever := sp.mode == WaitSpin
	sp.slept = false
	if !ever {
		if sp.patience.turns == 0 {
			sp.spun, sp.slept, sp.since = true, true, now()
			return goOn
		}
		if d.e.spinning.Add(1) > d.e.maxSpinning {
			d.e.spinning.Add(-1)
			return goOn
		}
		defer d.e.spinning.Add(-1)
	}
	alone := false
	sp.spun = true
	for turn := 1; ever || turn <= sp.patience.turns; turn++ {
		switch {
		case atom.Exploring:
			atom.Spin()
		case turn%waitLook == 0:
			alone = waitYields(turn, alone)
		default:
			spin.Pause()
			if !d.countNow(w.threshold) {
				continue
			}
		}
		if v := d.lookWait(w); v != goOn {
			if v == reached {
				d.stats.spun()
			}
			return v
		}
		if d.flags.Load()&fSealed != 0 {
			break // Shutdown is to see that he has taken nothing: see empty
		}
	}
	sp.slept, sp.since = true, now()
	return goOn
}

// learn is what a Wait that ends with v teaches those that come. It teaches nothing if
// it has not spun since others do, or if somebody has ended it.
func (sp *spinner) learn(v verdict) {
	if sp == nil || !sp.spun || sp.mode != WaitAdaptive {
		return
	}
	sp.spun = false
	change := 0
	switch {
	case v == timedOut || v == ctxOver:
		change = sp.patience.vain()
	case v != reached:
	case sp.slept:
		change = sp.patience.slept(now() - sp.since)
	default:
		sp.patience.caught()
	}
	if change != 0 {
		sp.budget.Store(uint64(sp.patience.now))
	}
}

// spinners is how many waiters of an engine spin at once by their patience: a P is
// left for who brings the events.
func spinners() int32 {
	if atom.Exploring {
		return 1
	}
	return int32(runtime.GOMAXPROCS(0) - 1)
}

// waitYields lets others run now and then, and where there is one P (alone) whenever it
// is called. (Of a goroutine that is locked to its thread that is a switch of threads,
// some 10 us in every 30; nobody tells whether it is.) It answers whether there is one
// P, which it asks seldom: there is a lock of the scheduler on it.
func waitYields(turn int, alone bool) bool {
	often := turn%waitYield == 0
	if often {
		spin.Yield()
	}
	if often || turn == waitLook {
		alone = runtime.GOMAXPROCS(0) == 1
	}
	if often || alone {
		atom.Spin()
	}
	return alone
}

// waitMode and waitBudget are for Query.
func (d *EVD) waitMode() WaitMode {
	if d.spinner == nil {
		return WaitPark
	}
	return d.spinner.mode
}

func (d *EVD) waitBudget() time.Duration {
	if d.spinner == nil {
		return 0
	}
	return time.Duration(d.spinner.budget.Load())
}
