package explore

import (
	"fmt"
	"runtime"
	"unsafe"
)

// readMark remembers that a location was read when it had a certain version.
type readMark struct {
	l   *loc
	ver uint64
}

// maxReads is how many reads a thread remembers between two Spins.
const maxReads = 64

// step begins an operation of the running thread.
func (x *X) step(t *Thread) {
	x.flush(t)
	x.steps++
	if x.steps > x.opt.MaxSteps {
		x.fail(fmt.Sprintf("livelock: more than %d steps", x.opt.MaxSteps))
	}
}

// announce notes the operation that t does next.
func (x *X) announce(t *Thread, addr unsafe.Pointer, kind Kind) {
	t.l, t.kind, t.plan = x.locs.get(addr), kind, planOp
}

// point is Point in an execution.
func (x *X) point(addr unsafe.Pointer, kind Kind) bool {
	t := x.running
	if x.mode != modeRun {
		if x.mode == modeOff {
			x.off()
			return false
		}
		x.announce(t, addr, kind)
		t.pending = true
		return true
	}
	x.step(t)
	x.announce(t, addr, kind)
	if t.fresh && !x.split {
		t.fresh = false
	} else if next := x.decide(t, true); next != t {
		t.switchTo(next, x)
		t.fresh = false
	}
	t.pending = true
	x.hashOp(t, kind, t.l)
	if x.tr != nil {
		x.tr.op(t)
	}
	return true
}

// decide picks who runs next. t is the thread that is asking, if it could go
// on; nil is returned when nobody can run.
func (x *X) decide(t *Thread, runnable bool) *Thread {
	if x.seen != nil && x.been(t) {
		x.redundant = true
		return nil
	}
	n := 0
	if runnable {
		if x.preempts == x.bound {
			x.cut = x.cut || len(x.threads) > 1
			return t
		}
		x.options[0] = t
		n = 1
	}
	for _, u := range x.threads {
		if u != t && x.enabled(u) {
			x.options[n] = u
			n++
		}
	}
	var u *Thread
	if n == 0 {
		u = x.rescue()
	} else {
		u = x.pick(n, false)
	}
	if u == nil {
		return nil
	}
	if u == t && runnable {
		return t
	}
	if runnable {
		x.preempts++
	}
	return u
}

// pick asks the strategy for one of the first n options; nil ends the
// execution.
func (x *X) pick(n int, provisional bool) *Thread {
	i := x.strategy.next(x, n, provisional)
	if i < 0 {
		return nil
	}
	return x.options[i]
}

// enabled tells whether a thread other than the running one can run.
func (x *X) enabled(t *Thread) bool {
	switch t.state {
	case ready:
		return true
	case blocked:
		return x.holds(t)
	case spinning:
		return t.parkedAt != x.others(t)
	case timed:
		return t.timeouts < x.opt.Timeouts || x.holds(t)
	}
	return false
}

// others is the number of writes of other threads, plus one.
func (x *X) others(t *Thread) uint64 { return x.version - t.writes + 1 }

// holds looks at a thread's condition without scheduling or edges.
func (x *X) holds(t *Thread) bool {
	m := x.mode
	x.mode = modeOff
	ok := t.cond()
	x.mode = m
	return ok
}

// rescue gives a turn to a spinning or timed thread when nobody else can run:
// a round of one turn each. When Options.SpinRounds pass and nothing happens,
// the execution is over.
//
// The order within a round matters only if something happens in it, so its
// decisions count only from then on (see strategy.progress).
func (x *X) rescue() *Thread {
	if x.version != x.roundVersion {
		x.roundVersion = x.version
		x.idleRounds = 0
		x.round++
	}
	for {
		n, waiting, clock := 0, false, false
		for _, t := range x.threads {
			if t.state != spinning && t.state != timed {
				continue
			}
			waiting = true
			// Time goes on for a thread that must end; if it never does,
			// MaxSteps says so.
			clock = clock || t.state == timed && !t.daemon
			if t.round != x.round {
				x.options[n] = t
				n++
			}
		}
		if n > 0 {
			t := x.pick(n, true)
			if t != nil {
				t.round = x.round
			}
			return t
		}
		x.idleRounds++
		if !waiting || x.idleRounds >= x.opt.SpinRounds && !clock {
			return nil
		}
		x.round++
		x.strategy.idle()
	}
}

// outside is Block in the body, a Check or a thread that is being stopped.
func (x *X) outside(cond func() bool) {
	x.off()
	if !cond() {
		x.fail("blocked for ever: threads do not run during the body or a Check")
	}
}

// block is Block in an execution. addr is what cond is about, nil: anything.
func (x *X) block(cond func() bool, kind Kind, addr unsafe.Pointer) {
	if x.mode != modeRun {
		x.outside(cond)
		return
	}
	t := x.running
	x.step(t)
	t.cond = cond
	if x.split {
		x.await(t, kind, addr)
		return
	}
	if x.holds(t) {
		// It could go on: like any other operation.
		if !t.fresh {
			t.state = blocked
			if next := x.decide(t, true); next != t {
				t.switchTo(next, x)
			}
		}
	} else {
		x.strategy.progress()
		t.state = blocked
		if x.tr != nil {
			x.tr.text(t, kind, "waits")
		}
		t.switchTo(x.decide(t, false), x)
	}
	t.state, t.fresh = ready, false
	x.hashOp(t, kind, nil)
	x.look(t)
	if x.tr != nil {
		x.tr.text(t, kind, "goes on")
	}
}

// await is block for searches that want every look at the condition to be a
// turn of its own.
func (x *X) await(t *Thread, kind Kind, addr unsafe.Pointer) {
	t.plan = planAny
	if addr != nil {
		x.announce(t, addr, OpWait)
	}
	plan, l := t.plan, t.l
	t.state = ready
	x.turn(t, x.decide(t, true))
	for !x.tryLook(t, l, plan) {
		x.strategy.progress()
		t.state, t.plan, t.l, t.kind = blocked, plan, l, OpWait
		x.turn(t, x.decide(nil, false))
	}
	t.state, t.fresh = ready, false
	x.hashOp(t, kind, nil)
}

// tryLook looks at t's condition and says to dpor what that depends on.
func (x *X) tryLook(t *Thread, l *loc, plan plan) bool {
	if x.dpor != nil {
		if plan == planAny {
			x.dpor.wild = true
		} else {
			x.dpor.used(l, false)
		}
	}
	ok := x.look(t)
	if x.tr != nil {
		text := "waits"
		if ok {
			text = "goes on"
		}
		x.tr.text(t, opBlock, text)
	}
	return ok
}

// turn gives the turn to next, if that is not t itself.
func (x *X) turn(t, next *Thread) {
	if next != t {
		t.switchTo(next, x)
	}
}

// look evaluates the condition in the name of the thread, for its edges.
func (x *X) look(t *Thread) bool {
	x.mode = modeQuiet
	ok := t.cond()
	x.flush(t)
	x.mode = modeRun
	return ok
}

// blockTimeout is BlockTimeout in an execution.
func (x *X) blockTimeout(cond func() bool) bool {
	if x.mode != modeRun {
		x.off()
		return cond()
	}
	t := x.running
	x.step(t)
	t.cond = cond
	t.plan = planAny
	if x.split && t.timeouts >= x.opt.Timeouts {
		// It cannot time out now: a look, then rest.
		t.state = ready
		x.turn(t, x.decide(t, true))
		if x.tryLook(t, nil, planAny) {
			x.hashOp(t, opTimed, nil)
			return true
		}
	}
	t.state = timed
	if x.holds(t) {
		if !t.fresh || x.split {
			if next := x.decide(t, true); next != t {
				t.switchTo(next, x)
			}
		}
	} else {
		if x.tr != nil {
			x.tr.text(t, opTimed, "waits")
		}
		x.hand(t)
	}
	t.state, t.fresh = ready, false
	x.hashOp(t, opTimed, nil)
	if x.dpor != nil {
		x.dpor.wild = true
	}
	if x.look(t) {
		if x.tr != nil {
			x.tr.text(t, opTimed, "ok")
		}
		return true
	}
	t.past = t.past.then(uint64(opTimed), 1)
	t.timeouts++
	if x.tr != nil {
		x.tr.text(t, opTimed, "timed out")
	}
	return false
}

// hand gives the turn away at a place where t need not go on but may be among
// those who can.
func (x *X) hand(t *Thread) {
	if next := x.decide(nil, false); next != t {
		t.switchTo(next, x)
	}
}

// spin is Spin in an execution.
func (x *X) spin() {
	if x.mode != modeRun {
		if x.stopping {
			runtime.Goexit()
		}
		x.off()
		return
	}
	t := x.running
	x.step(t)
	if x.tr != nil {
		x.tr.text(t, opSpin, "")
	}
	x.hashOp(t, opSpin, nil)
	t.parkedAt = x.others(t)
	if t.writes != t.spunAt && t.stale() {
		t.parkedAt = 0
	}
	t.reads, t.allRead, t.spunAt = t.reads[:0], false, t.writes
	t.state, t.plan = spinning, planAny
	x.hand(t)
	if x.dpor != nil {
		x.dpor.wild = true
	}
	t.state, t.fresh = ready, true
}

// stale tells whether something the thread read since its last Spin has been
// changed by another thread: another turn of its loop could then go another
// way at once.
//
// It matters only for turns that write. A turn that only reads might as well
// not have happened: there is another execution in which the thread stands
// before that turn, free to begin it at any time.
func (t *Thread) stale() bool {
	if t.allRead {
		return true
	}
	for _, r := range t.reads {
		if r.l.writer != t.id && r.l.ver != r.ver || r.l.writer == t.id && r.l.prev > r.ver {
			return true
		}
	}
	return false
}

// addRead remembers a read for stale.
func (t *Thread) addRead(l *loc) {
	if len(t.reads) < maxReads {
		t.reads = append(t.reads, readMark{l, l.ver})
	} else {
		t.allRead = true
	}
}
