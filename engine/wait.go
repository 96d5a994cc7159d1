package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// A waiter holds TAKE from its first look to the end, asleep too, so that what
// it has counted is still there when it takes it. It sleeps by the same order
// as everybody:
//
//	announce  [W2] WAIT=1, MISS=0, ARM=1, and arm
//	look      closed? unwaitable? enough? woken? time?
//	sleep     [W3] on a token, of which there is exactly one for each WAIT
//	          that another cleared
//
// All who wake publish their reason first (the event, a flag, CLOSE), then take
// WAIT off the word, and then put the token in.

// Bits of EVD.flags. What the first two say is looked at by a waiter after [W2].
const (
	fUnwaitable uint32 = 1 << iota
	fWoken
	fSealed // Shutdown has begun: no posts
	// [E6] has left something pending, which a direct hand-off must not go
	// ahead of. Writers: enableNew sets it before it raises LIM, a runner clears
	// it before it looks. Readers: inline posters, after the word; posters who
	// find the ring full; the watchdog.
	fKept
	// The list behind the ring is not empty. Writers: under side.mu, [O1] with the
	// first event, [O2] with the last. Readers: posters and pumps, who keep away from
	// the ring then; the holder of TAKE.
	fSpilled
	// Connection events wait that go ahead of others. Writers: under side.mu, [O5]
	// with the first, takeUrgent with the last. Readers: inline posters; the holder of
	// TAKE.
	fUrgent

	// The rest of the word counts how often it was made unwaitable, so that a
	// waiter hears of it also when it was made waitable again meanwhile.
	fSetOne
)

// waiting is one Wait.
type waiting struct {
	ctx       context.Context
	op        string
	threshold int
	until     time.Time // zero: none; then what is there will do
	timer     *time.Timer
	sets      uint32 // SetUnwaitable's count when it began
	cause     error  // of the verdict deaf
}

// verdict is what a waiter's look found.
type verdict uint8

const (
	goOn verdict = iota
	reached
	timedOut // of until
	closed
	unwaitable
	woken
	deaf
	ctxOver
	numVerdicts
)

// wait is Wait and WaitBatch. more is how many events are left, at least.
func (d *EVD) wait(w waiting, dst []Event) (n, more int, err error) {
	if err := d.checkWait(&w, dst); err != nil {
		return 0, 0, err
	}
	if err := d.beginWait(&w); err != nil {
		return 0, 0, err
	}
	// [Z0] Again, after [W1]: from now on the EVD does not shrink, and before it
	// may have. Pairs with [Z8].
	if err := d.checkThreshold(&w); err != nil {
		d.release(true)
		return 0, 0, err
	}
	v := goOn
	for v == goOn {
		if v = d.sleepUntil(&w); v == reached || v == timedOut {
			n = d.takeUpTo(dst)
		}
		if v == reached && n == 0 {
			// A CQ that had promised a completion did not have it: of a
			// hwcq.ThreadBound, its owner is about to bring it in.
			v = goOn
			atom.Spin()
		}
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	if n > 0 {
		d.stats.dequeued.Add(uint64(n))
		d.stats.waits.Add(1)
	}
	d.stats.ended(v)
	more = d.left()
	d.release(true) // [W4] as [R4]
	if d.e.tracing&(TraceAPI|TraceCompletion) != 0 {
		d.traceTaken("evd_wait", dst[:n])
	}
	return n, more, d.waitErr(w, v)
}

// sleepUntil sleeps until there is something to say.
func (d *EVD) sleepUntil(w *waiting) verdict {
	v := d.lookWait(w)
	if v == goOn {
		v = d.spinWait(w)
	}
	for v == goOn {
		if !d.announce() {
			return closed
		}
		if v = d.lookWait(w); v != goOn {
			d.retract()
			break
		}
		d.stats.parked()
		d.sleepWait(w)
		v = d.lookWait(w)
	}
	d.spinner.learn(v)
	return v
}

// takeUpTo takes until dst is full or nothing is left.
func (d *EVD) takeUpTo(dst []Event) (n int) {
	for n < len(dst) {
		k := d.take(dst[n:])
		if k == 0 {
			break
		}
		n += k
	}
	return n
}

func (d *EVD) checkWait(w *waiting, dst []Event) error {
	if err := d.valid(w.op); err != nil {
		return err
	}
	if w.ctx == nil {
		return nilHandle(w.op, "ctx")
	}
	if err := d.checkThreshold(w); err != nil {
		return err
	}
	if len(dst) == 0 {
		return param.Invalid(w.op, "dst", "of length 0", "of length 1 at least")
	}
	return nil
}

func (d *EVD) checkThreshold(w *waiting) error {
	if c := d.ring.Cap() + int(d.spillMax); w.threshold < 1 || w.threshold > c {
		return param.Wrong(ErrThreshold, w.op, "threshold", w.threshold, fmt.Sprintf("1..%d, what the EVD holds", c))
	}
	return nil
}

// beginWait is transition [W1].
func (d *EVD) beginWait(w *waiting) error {
	op := w.op
	for {
		s := d.load()
		f := d.flags.Load()
		switch {
		case s&bCLOSE != 0:
			return d.closedErr(op)
		case f&fUnwaitable != 0:
			return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrUnwaitable)
		case s&bCNO != 0:
			return d.onCNOErr(op)
		case s.lim() > 0:
			return fmt.Errorf("%s: EVD %q: %w: disable them first", op, d.name, ErrEnabled)
		case s&bOWN != 0:
			return d.waiterErr(op)
		case d.inUpcall(s):
			return fmt.Errorf("%s: EVD %q: %w: its upcall runs and has it to itself: tear it down first", op, d.name, ErrBusy)
		case s&bTAKE != 0:
			atom.Spin() // a Dequeue, or a runner that leaves: a moment
		case d.word.CompareAndSwap(uint64(s), uint64(s|bTAKE|bOWN)): // [W1] as [R3]
			if d.tok == (atom.Token{}) {
				d.tok = atom.NewToken()
			}
			w.sets = f / fSetOne
			return nil
		}
	}
}

// announce is transition [W2]. The caller looks afterwards. false: closed.
func (d *EVD) announce() bool {
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return false
		}
		// [W2] I3, I4, I6; publishes target and tok, pairs with [T] and [C].
		if !d.word.CompareAndSwap(uint64(s), uint64(s&^bMISS|bWAIT|bARM)) {
			continue
		}
		if s&bARM == 0 && d.arm() != nil {
			d.clearARM() // the poller tries again, and wakes us to try as well
		}
		return true
	}
}

// retract takes WAIT back, or the token of the one who was faster.
func (d *EVD) retract() {
	if !d.clearWAIT() {
		d.tok.Wait()
	}
}

// clearWAIT answers whether the caller cleared it.
func (d *EVD) clearWAIT() bool {
	for {
		s := d.load()
		if s&bWAIT == 0 {
			return false
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s&^bWAIT)) {
			return true
		}
	}
}

// sleepWait sleeps until somebody has cleared WAIT, the context ends or the
// time is over. WAIT is 0 and there is no token when it returns.
func (d *EVD) sleepWait(w *waiting) {
	c := d.tok.C()
	if c == nil { // the explorer's
		d.tok.Wait()
		return
	}
	var timeout <-chan time.Time
	if !w.until.IsZero() {
		if w.timer == nil {
			w.timer = time.NewTimer(time.Until(w.until))
		}
		timeout = w.timer.C
	}
	if d.e.tracing&traceRegions != 0 {
		defer startRegion("evd.wait", d.name).End()
	}
	select {
	case <-c: // [W3]
		return
	case <-w.ctx.Done():
	case <-timeout:
		w.timer.Reset(0) // for the next select: it is over for good
	}
	d.retract()
}

// lookWait is the waiter's look.
func (d *EVD) lookWait(w *waiting) verdict {
	f := d.flags.Load()
	want := w.threshold
	if f&fSealed != 0 {
		want = 1 // Shutdown: there may be no more than what is there
	}
	w.cause = d.deaf() // before the count: what came before the end is seen by it
	switch {
	case d.load()&bCLOSE != 0:
		return closed
	case f&fUnwaitable != 0 || f/fSetOne != w.sets:
		return unwaitable
	case d.count(want):
		return reached
	case f&fWoken != 0:
		d.flags.And(^fWoken)
		return woken
	case w.cause != nil:
		return deaf
	case w.ctx.Err() != nil:
		return ctxOver
	case !w.until.IsZero() && !time.Now().Before(w.until):
		return timedOut
	}
	return goOn
}

// count reports whether as many events are pending as want. A CQ does not say
// how many completions it has, so where that matters they are copied; they are
// taken before those that are still on a CQ.
func (d *EVD) count(want int) bool {
	if d.target.Load() != int32(want) { // nobody else writes it, and its line is the posters'
		d.target.Store(int32(want)) // before [W2]: pairs with enough
	}
	for {
		if d.countNow(want) {
			return true
		}
		if !d.gather(want) {
			return false
		}
	}
}

func (d *EVD) countNow(want int) bool {
	n := d.ring.Committed(want)
	sd := d.side.Load()
	if sd != nil {
		n += sd.reach(d)
	}
	for _, l := range d.direct() {
		if n >= want {
			break
		}
		if want == 1 {
			if l.cq.Pending() {
				n = 1
			}
			continue
		}
		for n < want {
			sd := d.needSide()
			before := len(sd.stash) - sd.head // the difference, because copying may move both
			sd.copyFrom(d, l, want-n)
			k := len(sd.stash) - sd.head - before
			if k <= 0 {
				break
			}
			n += k
		}
	}
	return n >= want
}

// enough reports whether the waiter may have what he waits for. It counts what
// is in flight too, so the last one to publish sees enough.
//
// Waiter: target, WAIT, then the count. Poster: the event, then WAIT, then this
// count. Whichever count is the later one has everything.
func (d *EVD) enough() bool {
	if len(d.direct()) > 0 || d.load()&bSTALL != 0 {
		return true // who can tell
	}
	n := d.ring.Held()
	if sd := d.side.Load(); sd != nil {
		n += int(sd.n.Load())
	}
	return n >= int(d.target.Load())
}

// signal puts the token in for the waiter whose WAIT the caller has cleared.
func (d *EVD) signal() { d.tok.Signal() }

// wakeWaiter has the waiter look again, if there is one.
func (d *EVD) wakeWaiter() {
	if d.clearWAIT() {
		d.signal()
	}
}

func (d *EVD) waiterErr(op string) error {
	return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrWaiter)
}

func (d *EVD) waitErr(w waiting, v verdict) error {
	switch v {
	case closed:
		return d.closedErr(w.op)
	case unwaitable:
		return fmt.Errorf("%s: EVD %q: %w", w.op, d.name, ErrUnwaitable)
	case woken:
		return ErrWoken
	case deaf:
		return fmt.Errorf("%s: EVD %q: no event can come any more: %w", w.op, d.name, w.cause)
	case ctxOver:
		return w.ctx.Err()
	}
	return nil
}
