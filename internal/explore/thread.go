package explore

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"unsafe"
)

type state uint8

const (
	ready    state = iota // can run
	blocked               // until cond
	spinning              // until somebody else wrote
	timed                 // until cond, or timing out
	finished
)

// plan is what is known of a thread's next turn.
type plan uint8

const (
	planLocal plan = iota // it begins: nothing that others see
	planOp                // l and kind
	planAny               // it looks at something
)

// Thread is one thread of an execution.
type Thread struct {
	// Invariant: w is nil before the first turn and after the end.
	w      *worker
	fn     func()
	name   string
	id     int
	daemon bool
	state  state
	cond   func() bool

	// fresh: it was just scheduled and has done nothing yet, so its next
	// operation needs no decision.
	fresh bool

	// The operation announced by Point; pending until its outcome is known.
	plan    plan
	l       *loc
	kind    Kind
	pending bool
	where   string // source line and trace line of the last one, only while tracing

	vc     vclock
	past   past
	writes uint64 // own share of X.version

	reads    []readMark // since the last Spin
	allRead  bool       // more than reads holds
	parkedAt uint64     // others' writes when it began to spin, plus one; zero: may run
	spunAt   uint64     // writes at its last Spin
	timeouts int
	round    uint32 // last round of rescue it had a turn in
}

// start makes a thread.
func (x *X) start(name string, fn func(), daemon bool) *Thread {
	if x.stopping {
		return nil
	}
	if x.inCheck || x.mode == modeQuiet {
		x.fail("a thread was started in a Check or a condition")
	}
	if len(x.threads) == maxThreads {
		x.fail(fmt.Sprintf("more than %d threads", maxThreads))
	}
	var t *Thread
	if n := len(x.spare); n > 0 {
		t, x.spare = x.spare[n-1], x.spare[:n-1]
	} else {
		t = new(Thread)
	}
	*t = Thread{fn: fn, name: name, id: len(x.threads), daemon: daemon, fresh: true, reads: t.reads[:0]}
	x.threads = append(x.threads, t)
	if x.dpor != nil {
		x.dpor.born(t)
	}
	if x.mode == modeRun {
		p := x.running
		x.flush(p)
		p.fresh = false // from here on it matters who goes first
		t.vc = p.vc
		p.past = p.past.then(uint64(opStart), 0)
		t.past = p.past.then(uint64(opStart), 1)
		p.vc[p.id]++
		x.strategy.progress()
	} else {
		x.past = x.past.then(uint64(opStart), 0)
		t.past = x.past.then(uint64(opStart), 1)
	}
	t.vc[t.id] = 1
	return t
}

// Join waits until the thread has ended; what it did happens before the
// return. To be called by other threads.
func (t *Thread) Join() {
	x := cur.Load()
	if x == nil || t == nil {
		return
	}
	x.block(func() bool { return t.state == finished }, opJoin, unsafe.Pointer(t))
	if x.mode == modeRun {
		x.running.vc.join(&t.vc, len(x.threads))
		x.running.past = x.running.past.then(uint64(opJoin), uint64(t.past))
	}
}

// Name returns the thread's name.
func (t *Thread) Name() string { return t.name }

// status is the thread in a message.
func (t *Thread) status() string {
	s := "runnable"
	switch t.state {
	case blocked:
		s = "blocked"
	case spinning:
		s = "spinning"
	case timed:
		s = "in a timed wait"
	case finished:
		s = "done"
	}
	s = t.name + " is " + s
	if t.state != finished {
		s += t.where
	}
	return s
}

// worker is a coroutine that runs threads, one after the other.
type worker struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	x     *X
	t     *Thread
}

func newWorker(x *X) *worker {
	w := &worker{x: x}
	w.next, w.stop = iter.Pull(w.loop)
	return w
}

// growStack makes the stack of a new coroutine big enough for most scenarios
// while there is nothing on it to copy.
//
//go:noinline
func growStack(i int) byte {
	var room [6 << 10]byte
	return room[i&7]
}

func (w *worker) loop(yield func(struct{}) bool) {
	w.yield = yield
	growStack(0)
	for {
		w.t.main(w.x)
		w.t.w, w.t = nil, nil
		w.x.workers = append(w.x.workers, w)
		if !yield(struct{}{}) {
			return
		}
	}
}

// kill unwinds a suspended thread. It does so by Goexit, because recover
// cannot swallow that. The coroutine passes a Goexit on to whoever stops it;
// that is a goroutine made for the purpose.
func (w *worker) kill() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.stop()
	}()
	<-done
}

// resume gives the thread a turn, until it switches, ends or fails.
func (t *Thread) resume(x *X) {
	if t.w == nil {
		if n := len(x.workers); n > 0 {
			t.w, x.workers = x.workers[n-1], x.workers[:n-1]
		} else {
			t.w = newWorker(x)
		}
		t.w.t = t
	}
	t.w.next()
}

// main is the thread from its start to its end.
func (t *Thread) main(x *X) {
	ok := false
	defer func() {
		if ok || x.stopping {
			_ = recover()
			return
		}
		if r := recover(); r != nil {
			x.setFailure(fmt.Sprintf("panic in %s: %v\n%s", t.name, r, debug.Stack()))
			x.next = nil
		}
		// Otherwise the thread called Goexit, most likely by t.FailNow: the
		// coroutine passes it on to the goroutine of the test.
	}()
	if x.tr != nil {
		x.tr.text(t, opStart, "")
	}
	t.fn()
	x.flush(t)
	if x.dpor != nil {
		x.dpor.used(x.locs.get(unsafe.Pointer(t)), true)
	}
	t.state = finished
	t.past = t.past.then(uint64(opEnd), 0)
	x.strategy.progress()
	if x.tr != nil {
		x.tr.text(t, opEnd, "")
	}
	x.next = x.decide(nil, false)
	ok = true
}

// switchTo suspends t until the explorer gives it another turn.
func (t *Thread) switchTo(next *Thread, x *X) {
	x.next = next
	if !t.w.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// leave suspends t for good and ends the execution.
func (t *Thread) leave(x *X) {
	t.switchTo(nil, x)
	panic("explore: a failed thread was resumed")
}
