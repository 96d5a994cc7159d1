package explore

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// maxThreads is the most threads of one execution.
const maxThreads = 32

// mode says what the hooks do.
type mode uint8

const (
	modeOff   mode = iota // body, checks, conditions, stopping: operations are not tracked
	modeRun               // a thread runs
	modeQuiet             // a thread looks at its condition: edges, but no scheduling
)

// X is one execution of a scenario.
//
// It is only valid during that execution, and only in the body, the threads
// and the checks.
type X struct {
	// Invariant: in modeRun and modeQuiet, running is the thread whose
	// coroutine is executing; all others are suspended in yield or not begun.
	mode    mode
	running *Thread
	next    *Thread // whom the scheduler resumes; nil ends the execution

	opt      Options
	bound    int // preemptions allowed
	preempts int // preemptions done
	cut      bool
	steps    int
	offSteps int
	hash     uint32 // of all operations so far
	version  uint64 // writes so far
	past     past   // of the body
	noted    past   // of the last Note

	round        uint32 // of turns given to spinners, see rescue
	idleRounds   int
	roundVersion uint64

	threads  []*Thread // of this execution
	spare    []*Thread // for reuse
	workers  []*worker // idle coroutines
	options  [maxThreads]*Thread
	locs     locTable
	checks   []func()
	failure  *Failure
	stopping bool
	inCheck  bool

	strategy strategy
	dfs      *dfs  // the strategy, if it is that one
	seen     *seen // nil: every way to a state is followed
	dpor     *dpor // the strategy, if it is that one
	split    bool  // every look and every begin of a thread is a turn of its own, for dpor
	tr       *tracer

	redundant bool // everything that could follow has been seen
}

// checkAbort unwinds a body or a Check that failed.
type checkAbort struct{}

// Go adds a thread that must end. It may be called in the body and by running
// threads. What the caller did happens before everything fn does.
func (x *X) Go(name string, fn func()) *Thread { return x.start(name, fn, false) }

// Daemon adds a thread that may be blocked or spinning for ever when all
// others are done; it is stopped then, by running its deferred functions.
func (x *X) Daemon(name string, fn func()) *Thread { return x.start(name, fn, true) }

// Check adds a function that runs when all threads have ended and all daemons
// are blocked or spin without progress. Its operations are not interleaved.
func (x *X) Check(fn func()) { x.checks = append(x.checks, fn) }

// Label names an address in traces.
func (x *X) Label(addr unsafe.Pointer, name string) {
	if x.tr != nil {
		x.tr.label(addr, name)
	}
}

// Choose returns a number from 0 to n-1; all of them are explored. It is the
// way to put faults and other data choices into a scenario.
func (x *X) Choose(n int) int {
	if n < 1 || n > 255 {
		x.fail(fmt.Sprintf("bad Choose(%d): allowed are 1 to 255", n))
	}
	if n == 1 || x.stopping {
		return 0
	}
	if x.mode == modeQuiet || x.mode == modeOff && x.running != nil {
		x.fail("Choose was called in a condition")
	}
	if x.mode == modeRun {
		x.flush(x.running)
		x.strategy.progress()
	}
	i := x.strategy.choose(x, n)
	p := &x.past
	if x.mode == modeRun {
		p = &x.running.past
	}
	*p = p.then(uint64(opChoose), uint64(i))
	x.hash = (x.hash ^ uint32(i+1)<<8 ^ uint32(opChoose)) * hashPrime
	if x.mode == modeRun {
		if x.tr != nil {
			x.tr.text(x.running, opChoose, fmt.Sprintf("%d of %d", i, n))
		}
	}
	return i
}

// Failf fails this execution and ends it.
func (x *X) Failf(format string, args ...any) {
	x.fail(fmt.Sprintf(format, args...))
}

// fail records the first failure and leaves the caller for good.
func (x *X) fail(reason string) {
	if x.stopping {
		runtime.Goexit()
	}
	x.setFailure(reason)
	if x.mode == modeOff || x.running == nil {
		panic(checkAbort{})
	}
	x.running.leave(x)
}

func (x *X) setFailure(reason string) {
	if x.failure == nil {
		x.failure = &Failure{Name: x.opt.Name, Reason: reason}
	}
}

// run does one execution of body.
func (x *X) run(body func(*X)) {
	x.reset()
	defer x.stop()
	cur.Store(x)
	if x.guard("the scenario body", func() { body(x) }) {
		x.guard("the explorer", x.schedule)
		if x.dpor != nil {
			x.dpor.close(x) // the last turn
		}
		if x.redundant {
			return
		}
		if x.failure == nil {
			x.judge()
		}
		x.running = nil
		x.inCheck = true
		for i := 0; i < len(x.checks) && x.failure == nil; i++ {
			x.offSteps = 0
			x.guard("a Check", x.checks[i])
		}
	}
}

func (x *X) reset() {
	x.mode, x.running, x.next = modeOff, nil, nil
	x.preempts, x.cut, x.steps, x.offSteps, x.hash, x.version = 0, false, 0, 0, 0, 0
	x.past, x.noted = 0, 0
	x.round, x.idleRounds, x.roundVersion = 1, 0, 0
	x.failure, x.stopping, x.inCheck, x.redundant = nil, false, false, false
	clear(x.checks)
	x.checks = x.checks[:0]
	x.locs.reset()
}

// guard runs a function of the scenario on the explorer's own goroutine.
func (x *X) guard(what string, fn func()) (ok bool) {
	defer func() {
		if ok {
			return
		}
		switch r := recover(); r.(type) {
		case nil: // Goexit, for instance t.FailNow: goes on
		case checkAbort:
		default:
			x.setFailure(fmt.Sprintf("panic in %s: %v\n%s", what, r, debug.Stack()))
		}
	}()
	fn()
	return true
}

// schedule resumes threads until the execution is over.
func (x *X) schedule() {
	x.next = x.decide(nil, false)
	for x.next != nil {
		t := x.next
		x.next, x.running = nil, t
		x.mode = modeRun
		t.resume(x)
		x.mode = modeOff
	}
}

// judge decides whether an execution without anybody runnable ended well.
func (x *X) judge() {
	var stuck, spin []*Thread
	for _, t := range x.threads {
		switch {
		case t.daemon || t.state == finished:
		case t.state == blocked:
			stuck = append(stuck, t)
		default:
			spin = append(spin, t)
		}
	}
	if len(stuck)+len(spin) == 0 {
		return
	}
	kind := "deadlock"
	if len(spin) > 0 {
		kind = "livelock"
	}
	s := kind + ": nothing can happen any more, but"
	for i, t := range append(stuck, spin...) {
		if i > 0 {
			s += ","
		}
		s += " " + t.status()
	}
	x.setFailure(s)
}

// stop ends the threads that are left over, and the execution.
func (x *X) stop() {
	if x.tr != nil {
		x.tr.end()
	}
	x.mode, x.stopping = modeOff, true
	for _, t := range x.threads {
		if t.w != nil {
			x.offSteps = 0
			x.running = t
			t.w.kill()
			t.w = nil
		}
		t.fn, t.cond = nil, nil
	}
	x.running = nil
	x.spare = append(x.spare, x.threads...)
	x.threads = x.threads[:0]
	cur.Store(nil)
}

// off counts operations that are not tracked, so that a Check or a deferred
// function that loops does not hang.
func (x *X) off() {
	x.offSteps++
	if x.offSteps <= x.opt.MaxSteps {
		return
	}
	if x.stopping {
		runtime.Goexit()
	}
	x.fail(fmt.Sprintf("livelock: more than %d operations in the body or a Check", x.opt.MaxSteps))
}
