package explore

import (
	"sync/atomic"
	"unsafe"
)

// cur is the running execution. It is written by the explorer only, between
// executions, and read by every hook.
var cur atomic.Pointer[X]

// Active tells whether an execution is running.
func Active() bool { return cur.Load() != nil }

// Point is the scheduling point before an operation on the object at addr:
// when it returns, it is the caller's turn, and the caller does the
// operation. It returns false when no thread of an execution is calling (no
// execution, scenario body, Check): the operation is then not tracked. When
// it returned true, the caller should report the outcome with [Done]; if it
// does not, the operation counts as one that succeeded and wrote.
func Point(addr unsafe.Pointer, kind Kind) bool {
	x := cur.Load()
	if x == nil {
		return false
	}
	return x.point(addr, kind)
}

// Done reports the outcome of the operation announced by the last Point of
// this thread: the value before and after, and whether it succeeded (false
// only for a failed compare-and-swap and its like).
func Done(before, after uint64, ok bool) {
	if x := cur.Load(); x != nil && x.mode != modeOff {
		x.settle(x.running, before, after, ok)
	}
}

// Sync declares an operation that needs no scheduling point of its own, for
// instance the taking of a lock right after [Block] returned: it gives
// happens-before edges, wakes spinners and shows in traces.
func Sync(addr unsafe.Pointer, kind Kind, before, after uint64) {
	if x := cur.Load(); x != nil && x.mode == modeRun {
		t := x.running
		x.flush(t)
		x.announce(t, addr, kind)
		t.pending = true
		x.hashOp(t, kind, t.l)
		if x.tr != nil {
			x.tr.op(t)
		}
		x.settle(t, before, after, true)
	}
}

// Block suspends the thread until cond is true. It returns with cond true,
// and nothing happens between the last look at cond and the return. cond
// must have no side effects; it is evaluated without scheduling points.
// Outside of a thread, Block fails the execution if cond is not true.
func Block(cond func() bool) {
	if x := cur.Load(); x != nil {
		x.block(cond, opBlock, nil)
	}
}

// BlockOn is Block for a condition that is only about the object at addr:
// whoever changes it says so by Point or Sync with that address. That spares
// [DPOR] the assumption that any write could make it true.
func BlockOn(addr unsafe.Pointer, cond func() bool) {
	if x := cur.Load(); x != nil {
		x.block(cond, opBlock, addr)
	}
}

// BlockTimeout is Block for a wait with a timeout: it returns true with cond
// true, or false when the wait timed out. Time is a decision of the explorer:
// see Options.Timeouts.
func BlockTimeout(cond func() bool) bool {
	if x := cur.Load(); x != nil {
		return x.blockTimeout(cond)
	}
	return cond()
}

// Spin is called in every turn of a loop that waits for another thread. The
// caller runs again after another thread wrote something, or when only
// spinners are left.
func Spin() {
	if x := cur.Load(); x != nil {
		x.spin()
	}
}

// Read declares a plain read of the memory at p to the race check.
func Read(p unsafe.Pointer) {
	if x := cur.Load(); x != nil && x.mode == modeRun {
		x.plainRead(p)
	}
}

// Write declares a plain write of the memory at p to the race check.
func Write(p unsafe.Pointer) {
	if x := cur.Load(); x != nil && x.mode == modeRun {
		x.plainWrite(p)
	}
}

// Go starts fn as a daemon of the running execution, for code that would
// start a goroutine of its own. It returns false when there is no execution.
func Go(name string, fn func()) bool {
	x := cur.Load()
	if x == nil {
		return false
	}
	x.Daemon(name, fn)
	return true
}
