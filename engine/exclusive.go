package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/internal/spin"
)

// An exclusive EVD has one CQ, and whoever runs its upcalls has it to himself for
// the whole run:
//
//   - [J1] TAKE stays with the run through its upcalls. Nobody else takes beside one.
//   - [J2] a poller that polls does not end a run that finds nothing, but lingers in
//     it, and polls there. It looks at the state word before each poll, and goes on
//     only from exactly the word in which nothing was asked of it. So what a poller
//     hears of without a lock in between (posts, Disable, Close, ..) it hears of by
//     the word, and what is not in the word, its orders, it looks at now and then.
//   - [J3] a Dequeue from inside the upcall takes with the TAKE of the run.
//
// A completion then costs no locked operation of the engine: the word, flags and
// counters are only read, or written once for many.

// checkExclusive is the part of Validate.
func (c EVDConfig) checkExclusive(bad func(name string, value any, allowed string)) {
	if !c.Exclusive {
		return
	}
	if len(c.CQs) != 1 {
		bad("CQs", len(c.CQs), "exactly one, because Exclusive is set")
	}
	if c.Dispatch == DispatchQueued {
		bad("Dispatch", c.Dispatch, "DispatchAuto or DispatchInline, because Exclusive is set")
	}
	if c.Policy > SingleInstance {
		bad("Policy", c.Policy, "Disable or SingleInstance, because Exclusive is set")
	}
	if c.CNO != nil {
		bad("CNO", c.CNO.name, "nil, because Exclusive is set")
	}
	if c.Poller != nil {
		bad("Poller", c.Poller.name, "nil, because Exclusive is set: a poller that lingers has no other CQs")
	}
}

// notExclusive refuses what an exclusive EVD cannot have.
func (d *EVD) notExclusive(op, what string) error {
	if !d.exclusive {
		return nil
	}
	return fmt.Errorf("%s: EVD %q: %w: %s", op, d.name, ErrExclusive, what)
}

// checkPolicy refuses a policy that an exclusive EVD cannot have.
func (d *EVD) checkPolicy(op string, p Policy) error {
	if d.exclusive && p > SingleInstance {
		return param.Wrong(ErrExclusive, op, "policy", p, "SingleInstance, Disable or Teardown of an exclusive EVD")
	}
	return nil
}

// keeps is TAKE, if runs of this EVD keep it through their upcalls.
func (d *EVD) keeps() word {
	if d.exclusive {
		return bTAKE
	}
	return 0
}

// inUpcall reports whether TAKE is that of a run of an exclusive EVD, who keeps it
// for as long as he likes: nobody waits for that.
func (d *EVD) inUpcall(s word) bool { return d.exclusive && s&bTAKE != 0 && s.run() > 0 }

// dequeueInside is [J3], Upcall.Dequeue of an exclusive EVD: TAKE is the run's, and
// so the caller's.
func (d *EVD) dequeueInside(dst []Event) (int, error) {
	if d.load()&bCLOSE != 0 {
		return 0, d.closedErr("engine: Dequeue")
	}
	if len(dst) == 0 {
		return 0, nil
	}
	n := d.take(dst)
	d.stats.dequeued.Add(uint64(n))
	if d.e.tracing&(TraceAPI|TraceCompletion) != 0 {
		d.traceTaken("evd_dequeue", dst[:n])
	}
	if n == 0 && d.pending() {
		return 0, ErrBusy
	}
	return n, nil
}

// linger is one stay of a poller in a run that has found nothing.
//
// Invariant: it holds slot and TAKE from the first to the last line, and changes
// neither. So the fields are those of the holder of TAKE, and all but the word, the
// flags and ctl are nobody else's meanwhile.
type linger struct {
	d      *EVD
	p      *poller
	s      word // the one in which nothing was asked
	budget int  // of idle turns; 0: for ever
	left   int  // of events until the CPU is yielded
	idle   int  // turns in a row that found nothing
	tally  tally
}

// linger is transition [J2] of a poller that may stay: it polls and calls the upcall
// until something is asked of the runner, in the word or in the poller's orders, or it
// has found nothing for as long as the mode allows. some says whether it delivered
// anything, on that the word has changed: then it may come back. Otherwise the loop
// takes, which looks at everything, and settles.
func (d *EVD) linger(r *runner, batch []Event) (some, on bool) {
	p := r.lingers
	if p.ctl.Load() != p.pass || Mode(p.pass&cMode) == ModeEvent {
		return false, false
	}
	s, ok := d.beginLinger()
	if !ok {
		return false, false
	}
	g := linger{d: d, p: p, s: s, left: int(d.budget)}
	if Mode(p.pass&cMode) == ModeAdaptive {
		g.budget = max(p.patience.turns, 1)
	}
	defer g.tally.flush(d, p.link)
	for d.load() == s { // [J2] a plain load, and before each poll
		n := d.takeOwn(&g.tally, p.link, batch)
		if n > 0 {
			if !some && p.link.failed.Load() == 0 {
				// [L3] He polls, also if he was on his way to sleep. (Only now: one who
				// moves nothing goes on to sleep. And one whose CQ has ended ends.)
				p.link.watch()
			}
			some = true
			g.idle = 0
			g.tally.upcall(n)
			d.upcall(r, batch[:n])
			if g.left -= n; g.left <= 0 {
				g.turn(r)
			}
		} else if !g.rest() {
			p.idled = g.idle
			return some, false
		}
	}
	return some, true
}

// beginLinger is the arm and the look: it returns the word in which nothing is asked of
// the runner but to poll, if it can be had.
func (d *EVD) beginLinger() (s word, ok bool) {
	s = d.load()
	if s.run() > s.lim() {
		return s, false
	}
	if n := s&^bMISS | bARM; n != s {
		// [J2] as [R5]: whoever clears MISS or sets ARM looks afterwards.
		if !d.word.CompareAndSwap(uint64(s), uint64(n)) {
			return s, false
		}
		if s&bARM == 0 && d.arm() != nil {
			d.clearARM() // [R8] the loop looks, and then leaves or arms again
			return s, false
		}
		s = n
	}
	// [J2] The look, after the word with MISS=0: what is published after it is
	// announced by a trigger, which changes the word. Pairs with [T]. Also of a flag
	// that seal raises before it triggers: after that no poller stays.
	f := d.flags.Load()
	if f&fSealed != 0 || d.ring.Committed(1) > 0 {
		return s, false
	}
	if sd := d.side.Load(); sd != nil && sd.n.Load() > 0 {
		return s, false // also what is behind the ring
	}
	if f&fKept != 0 {
		d.flags.And(^fKept) // as at [R3]: before the looks
	}
	return s, true
}

// turn ends a budget of events: counters are shown, others let run. (Orders are for
// when the CQ is empty, as in any run.)
func (g *linger) turn(r *runner) {
	g.left = int(g.d.budget)
	g.tally.flush(g.d, g.p.link)
	if r.yields() {
		atom.Spin()
	}
}

// rest is an idle turn, as in poller.watch. It answers whether to go on.
func (g *linger) rest() bool {
	g.idle++
	if !atom.Exploring && g.idle%yieldEvery != 0 {
		spin.Pause()
		return true
	}
	g.tally.flush(g.d, g.p.link)
	if g.p.ctl.Load() != g.p.pass || g.budget > 0 && g.idle >= g.budget {
		return false
	}
	g.d.beats.Store(g.d.beats.Load() + 1)
	g.p.giveWay(g.idle)
	return true
}

// takeOwn is take where the word says that nothing is but on the CQ: straight from
// there, unless completions give rise to events among them, whose order take knows.
func (d *EVD) takeOwn(t *tally, l *link, dst []Event) int {
	if d.merged {
		return d.take(dst)
	}
	wcs := d.wcs[:len(dst)]
	n := l.cq.Poll(wcs)
	t.polled += uint64(n)
	if l.fresh {
		l.noteLook(n)
	}
	for i := range wcs[:n] {
		d.eventFromWC(&dst[i], &wcs[i], l.index)
	}
	if n > 0 {
		d.giveBack(dst[:n])
	}
	return n
}

// upcall is deliver without the counters.
func (d *EVD) upcall(r *runner, evs []Event) {
	if d.e.tracing&(TraceEVD|TraceCompletion|traceRegions) != 0 {
		d.tracedCall(r, evs)
		return
	}
	d.call(r, evs)
}

// tally has what is to be counted, until it is shown: one add for many.
// owner: the holder of TAKE.
type tally struct {
	polled, delivered uint64
	sizes             [NumBatches]uint32
}

func (t *tally) upcall(n int) {
	t.delivered += uint64(n)
	t.sizes[bucket(n)]++
}

func (t *tally) flush(d *EVD, l *link) {
	if t.delivered > 0 {
		d.stats.delivered.Add(t.delivered)
		for i, k := range t.sizes {
			if k > 0 {
				d.stats.upcallsOf(i, uint64(k))
			}
		}
	}
	if t.polled > 0 {
		l.stats.polled.Add(t.polled)
	}
	*t = tally{}
}
