package engine

import "github.com/evdengine/evd/internal/atom"

// source is who calls trigger, and thereby what it may do.
type source uint8

const (
	// srcPost: an event was published in the ring, or somebody asks for a
	// look. May claim, but the run is queued to a worker: the caller's stack
	// and locks are not the upcall's.
	srcPost source = iota
	// srcPostInline: like srcPost, but the caller runs the upcall (opt-in).
	srcPostInline
	// srcInside: published by this EVD's own upcall. With one instance it never
	// claims: the running upcall's loop picks it up, so that recursion depth is
	// 0. With many another one may, on a worker.
	srcInside
	// srcIntr: the one-shot event of an armed CQ. ARM falls, the caller runs.
	srcIntr
	// srcPort: the same from a port of a shared CQ. A worker runs: the caller
	// serves others too.
	srcPort
	// srcWatch: a polling poller saw the CQ non-empty. ARM stays: the poller's
	// watching is what ARM stands for. The caller runs.
	srcWatch
)

// intr says that ARM falls.
func (s source) intr() bool { return s == srcIntr || s == srcPort }

// inline says that a caller which gets a slot runs the upcall itself. Not with
// LIM > 1: an upcall would keep the poller from its CQ, or the one inline
// poster from the next, while other upcalls could begin. On a CNO there are no
// upcalls.
func (m *machine) inline(src source, s word) bool {
	return (src == srcPostInline || src == srcIntr || src == srcWatch) && s&(limMany|bCNO) == 0 && !m.queued
}

// trigger is transition [T]: it is called after the event is visible (ring
// slot committed, or CQE written), never before. It answers true when the
// caller now holds a slot and must run.
//
// On a CNO the caller, whoever he is and whatever he holds, does here what a run
// does there (attend), and false is the answer: it calls no user code, and a
// worker could be one that is blocked.
//
// A poster that finds MISS set, or a run already queued, costs one load.
func (m *machine) trigger(src source) (claimed bool) {
	for {
		s := word(m.word.Load())
		n := s
		if src.intr() {
			n &^= bARM
		}
		enqueue, wake, attend := false, false, false
		switch {
		case s&bWAIT != 0:
			if !m.self.enough() && !src.intr() {
				return false // the last one that the waiter wants for wakes him
			}
			n &^= bWAIT // no MISS: he leaves it himself
			wake = true
		case s.run() >= s.lim() || src == srcInside && s&limMany == 0:
			n |= bMISS
		case m.inline(src, s):
			n += runOne
			claimed = true
		case s&bCNO != 0:
			n += runOne // [K1] a stale QUED is no reason to wait for a worker
			attend = true
		case s&bQUED == 0:
			n |= bQUED
			enqueue = true
		}
		if n == s {
			return false
		}
		// [T] acquire-release: gives the published event to the slot's holder
		// (RUN), to the worker (QUED), to the runner that reads MISS, or to the
		// waiter; pairs with [R1]..[R6], [W] and [W2].
		if !m.word.CompareAndSwap(uint64(s), uint64(n)) {
			claimed = false
			continue
		}
		if enqueue {
			m.e.rq.push(m)
		}
		if wake {
			m.self.signal()
		}
		if attend {
			m.self.attend()
		}
		return claimed
	}
}

// startQueued is transition [W]: a worker turns a queued run into a slot, or
// into MISS when the policy has changed meanwhile. It answers whether the
// caller now holds a slot.
func (m *machine) startQueued() bool {
	for {
		s := word(m.word.Load())
		n := s &^ bQUED
		ok := s.run() < s.lim()
		if ok {
			n += runOne
		} else {
			n |= bMISS
		}
		if m.word.CompareAndSwap(uint64(s), uint64(n)) { // [W] pairs with [T]
			return ok
		}
	}
}

// machine is what an EVD and a pump have in common: a state word with
// transitions [T], [W] and the leaving ones, a place in the run queue, and
// sleepers that wait for quiet.
type machine struct {
	word atom.Uint64
	e    *Engine
	self runnable
	next *machine     // owner: run queue, while QUED
	pops atom.Counter // Writer: run queue; how often a worker took it from there

	queued bool  // nobody but a worker runs it
	class  uint8 // of the run queue
}

// runnable is the body of a machine.
type runnable interface {
	// runSlot runs with a slot held and gives it back. It answers whether it
	// moved an event.
	runSlot(r *runner) bool
	// arm arms every CQ that the machine polls and that is not armed yet.
	arm() error
	// retryArms has the pollers try again, after ARM fell because arm failed.
	retryArms()
	// available reports whether a run would find something.
	available() bool
	// attend is runSlot for a slot that is a CNO's.
	attend()
	// enough is false if a waiter need not be woken yet, and signal wakes him.
	enough() bool
	signal()
}

// cas changes the word from s to n, applying the QUIET rule when the change
// lowers RUN or clears TAKE.
func (m *machine) cas(s, n word) bool {
	n, wake := n.quiet()
	if !m.word.CompareAndSwap(uint64(s), uint64(n)) {
		return false
	}
	if wake {
		m.e.wakeQuiet()
	}
	return true
}

// requeue puts a machine whose QUED was set into the run queue.
func (m *machine) requeue() { m.e.rq.push(m) }

func (m *machine) load() word { return word(m.word.Load()) }
