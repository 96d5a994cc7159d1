//go:build explore

package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// ev is the event of the scenarios: number n of producer by.
type ev struct{ by, n int }

// queue is what the scenarios use: an *MPSC[ev] or a mutant of it.
type queue interface {
	Reserve(n int) (Claim, Status)
	ReserveUpTo(n int) (Claim, Status)
	Slot(c Claim, i int) *ev
	Commit(c Claim)
	Push(v *ev) Status
	PushN(vs []ev) Status
	TryPush(v *ev) bool
	Look() State
	Pop(v *ev) State
	TryPop(v *ev) bool
	PopN(dst []ev) int
	Ready(limit int) []ev
	Advance(n int)
	Idle() bool
	Close()
	Accepted() uint64
	Cap() int
}

// series is the history of a number.
type series []int

func (s *series) add(d int) { *s = append(*s, (*s)[len(*s)-1]+d) }
func (s *series) mark() int { return len(*s) - 1 }
func (s series) least(from int) int {
	v := s[from]
	for _, w := range s[from:] {
		v = min(v, w)
	}
	return v
}

func (s series) most(from int) int {
	v := s[from]
	for _, w := range s[from:] {
		v = max(v, w)
	}
	return v
}

// span is when a push was called and when it returned.
type span struct{ call, ret int }

// ledger uses a queue and judges every answer by what any linearizable
// bounded queue could have answered: it keeps the most and the fewest events
// that can be in the queue at each moment. Its fields are plain because the
// explorer runs one thread at a time and its hooks do not see them.
type ledger struct {
	x    *explore.X
	q    queue
	cap  int
	size int
	late bool // an event counts from its commit on, not from its reserve

	high series // counted from the call of a push to the return of the pop
	low  series // counted from the return of a push to the call of the pop
	busy series // pushes between call and return, claims between reserve and commit

	closing, closed bool // Close was called; has returned, or somebody was told
	now             int
	spans           map[ev]span
	popped          []ev
}

// newLedger makes a ledger whose queue is drained and judged at the end.
func newLedger(x *explore.X, capacity int, mutate func(*MPSC[ev]) queue) *ledger {
	r, err := New[ev](capacity)
	if err != nil {
		x.Failf("%v", err)
	}
	x.Label(unsafe.Pointer(&r.tail), "tail")
	x.Label(unsafe.Pointer(&r.freed), "freed")
	x.Label(unsafe.Pointer(&r.head), "head")
	for i := range r.seq {
		x.Label(unsafe.Pointer(&r.seq[i]), "seq["+string(rune('0'+i))+"]")
		x.Label(unsafe.Pointer(&r.slots[i]), "slot["+string(rune('0'+i))+"]")
	}
	var q queue = r
	if mutate != nil {
		q = mutate(r)
	}
	return ledgerOf(x, q, capacity, int(r.size))
}

// ledgerOf makes a ledger of a queue that never is Full with fewer than capacity
// events in it, and never holds more than size.
func ledgerOf(x *explore.X, q queue, capacity, size int) *ledger {
	l := &ledger{
		x: x, q: q, cap: capacity, size: size,
		high: series{0}, low: series{0}, busy: series{0},
		spans: map[ev]span{},
	}
	x.Check(l.finish)
	return l
}

// finish drains what the threads left and compares with what was accepted.
func (l *ledger) finish() {
	for {
		st := l.pop()
		if st == Empty {
			break
		}
		if st == InFlight {
			l.x.Failf("in flight after all producers ended")
		}
	}
	if a := l.q.Accepted(); a != uint64(len(l.popped)) || len(l.spans) != len(l.popped) {
		l.x.Failf("accepted %d (%d by their answers), drained %d", a, len(l.spans), len(l.popped))
	}
	if !l.q.Idle() {
		l.x.Failf("not idle after the drain")
	}
	seen := map[ev]bool{}
	for i, v := range l.popped {
		s, ok := l.spans[v]
		if !ok || seen[v] {
			l.x.Failf("event %v was popped, but not pushed (or popped twice); all: %v", v, l.popped)
		}
		seen[v] = true
		for _, w := range l.popped[i+1:] {
			if l.spans[w].ret < s.call {
				l.x.Failf("%v was popped before %v, whose push returned before the other was called", v, w)
			}
		}
	}
}

func (l *ledger) tick() int { l.now++; return l.now }

// call is a push or reserve under way.
type call struct {
	n, need       int // asked for, and enough
	at, high, low int
	closed        bool
}

func (l *ledger) begin(n int) call {
	c := call{n: n, need: n, at: l.tick(), closed: l.closed, low: l.low.mark()}
	l.high.add(n)
	l.busy.add(1)
	c.high = l.high.mark()
	return c
}

// judge checks the answer to a push or reserve.
func (l *ledger) judge(c call, st Status) {
	switch st {
	case OK:
		if c.closed {
			l.x.Failf("accepted %d after Close returned, or a push was told", c.n)
		}
		if least := l.low.least(c.low); least+c.n > l.size {
			l.x.Failf("accepted %d on top of at least %d in %d slots", c.n, least, l.size)
		}
		if !l.late {
			l.low.add(c.n)
		}
		return
	case Full:
		if most := l.high.most(c.high) - c.n + c.need; most <= l.cap {
			l.x.Failf("Full, but there was room all the time: at most %d of %d were taken, own ones included", most, l.cap)
		}
	case Closed:
		if !l.closing {
			l.x.Failf("Closed, but Close was not called")
		}
		l.closed = true // for every later push too
	}
	l.high.add(-c.n)
	l.busy.add(-1)
}

func (l *ledger) accept(c call, vs []ev) {
	at := l.tick()
	if l.late {
		l.low.add(len(vs))
	}
	for _, v := range vs {
		l.spans[v] = span{c.at, at}
	}
}

func (l *ledger) push(v ev) Status {
	c := l.begin(1)
	st := l.q.Push(&v)
	l.judge(c, st)
	if st == OK {
		l.busy.add(-1)
		l.accept(c, []ev{v})
	}
	return st
}

// tryPush is one TryPush. false says nothing.
func (l *ledger) tryPush(v ev) bool {
	c := l.begin(1)
	ok := l.q.TryPush(&v)
	if !ok {
		l.high.add(-1)
		l.busy.add(-1)
		return false
	}
	l.judge(c, OK)
	l.busy.add(-1)
	l.accept(c, []ev{v})
	return true
}

func (l *ledger) pushN(vs ...ev) Status {
	c := l.begin(len(vs))
	st := l.q.PushN(vs)
	l.judge(c, st)
	if st == OK {
		l.busy.add(-1)
		l.accept(c, vs)
	}
	return st
}

// pushWait pushes until there is room; false when closed.
func (l *ledger) pushWait(v ev) bool {
	for {
		switch l.push(v) {
		case OK:
			return true
		case Closed:
			return false
		case Full:
			atom.Spin()
		}
	}
}

// inPlace reserves, calls between, writes and commits.
func (l *ledger) inPlace(between func(), vs ...ev) Status {
	c := l.begin(len(vs))
	claim, st := l.q.Reserve(len(vs))
	l.judge(c, st)
	if st != OK {
		return st
	}
	between()
	l.commit(c, claim, vs)
	return OK
}

func (l *ledger) commit(c call, claim Claim, vs []ev) {
	for i, v := range vs {
		*l.q.Slot(claim, i) = v
	}
	l.q.Commit(claim)
	l.busy.add(-1)
	l.accept(c, vs)
}

// upTo is as much of the events as fits, in place.
func (l *ledger) upTo(vs ...ev) int {
	c := l.begin(len(vs))
	c.need = 1
	claim, st := l.q.ReserveUpTo(len(vs))
	if st != OK {
		l.judge(c, st)
		return 0
	}
	n := claim.Len()
	if most := l.high.most(c.high); n < 1 || n > len(vs) || n < len(vs) && most <= l.cap {
		l.x.Failf("%d of %d, with at most %d of %d taken, own ones included", n, len(vs), most, l.cap)
	}
	l.high.add(n - len(vs))
	c.n = n
	l.judge(c, st)
	l.commit(c, claim, vs[:n])
	return n
}

// judgeNone checks the answers Empty and InFlight of a look that began at
// the marks low and busy and counts itself as own in low.
func (l *ledger) judgeNone(st State, low, busy, own int) {
	if least := l.low.least(low) + own; st == Empty && least > 0 {
		l.x.Failf("Empty, but at least %d events were in the ring all the time", least)
	}
	if st == InFlight && (l.late || l.busy.most(busy) == 0) {
		l.x.Failf("InFlight, but no producer was under way")
	}
}

func (l *ledger) look() State {
	low, busy, high := l.low.mark(), l.busy.mark(), l.high.mark()
	st := l.q.Look()
	l.judgeNone(st, low, busy, 0)
	if st == Event && l.high.most(high) == 0 {
		l.x.Failf("Event, but the ring was empty all the time")
	}
	return st
}

func (l *ledger) pop() State {
	l.low.add(-1)
	low, busy := l.low.mark(), l.busy.mark()
	v := ev{-1, -1}
	st := l.q.Pop(&v)
	if st == Event {
		if v.by < 0 {
			l.x.Failf("Event, but no event was moved")
		}
		l.take(v)
		return st
	}
	l.judgeNone(st, low, busy, 1)
	l.low.add(1)
	return st
}

// tryPop is one TryPop. false says nothing.
func (l *ledger) tryPop() bool {
	l.low.add(-1)
	v := ev{-1, -1}
	if !l.q.TryPop(&v) {
		l.low.add(1)
		return false
	}
	if v.by < 0 {
		l.x.Failf("TryPop said yes, but no event was moved")
	}
	l.take(v)
	return true
}

func (l *ledger) take(v ev) {
	l.high.add(-1)
	l.popped = append(l.popped, v)
}

// popWait pops until n events in all were consumed, also those before it.
func (l *ledger) popWait(n int) {
	for len(l.popped) < n {
		if l.pop() != Event {
			atom.Spin()
		}
	}
}

// popN is one PopN.
func (l *ledger) popN(n int) int {
	l.low.add(-n)
	low, busy := l.low.mark(), l.busy.mark()
	dst := make([]ev, n)
	got := l.q.PopN(dst)
	if got == 0 && l.busy.most(busy) == 0 && l.low.least(low)+n > 0 {
		l.x.Failf("PopN took nothing, but a committed event was in the ring all the time")
	}
	for _, v := range dst[:got] {
		l.take(v)
	}
	l.low.add(n - got)
	return got
}

// ready reads up to n events in place and gives the slots of the first
// advance of them back.
func (l *ledger) ready(n, advance int) int {
	l.low.add(-n)
	s := l.q.Ready(n)
	vs := make([]ev, 0, n)
	for i := range s {
		atom.PlainRead(unsafe.Pointer(&s[i]))
		vs = append(vs, s[i])
	}
	vs = vs[:min(advance, len(vs))]
	l.q.Advance(len(vs))
	for _, v := range vs {
		l.take(v)
	}
	l.low.add(n - len(vs))
	return len(vs)
}

func (l *ledger) idle() {
	low := l.low.mark()
	if l.q.Idle() {
		if least := l.low.least(low); least > 0 {
			l.x.Failf("Idle, but at least %d events were in the ring all the time", least)
		}
	}
}

func (l *ledger) close() {
	l.closing = true
	l.q.Close()
	l.closed = true
}
