//go:build linux && (amd64 || arm64)

package uring

import (
	"github.com/evdengine/evd/internal/atom"
)

// notifier decides when an event is due and when its waiter may sleep.
//
// An arm remembers the tail of the completion queue: an event takes the arm only if a
// completion came after it, so that a signal of an earlier arm cannot use up a later
// one.
//
// Portable: the kernel signals the ring's eventfd for every completion unless the word
// cqFlags says that it is disabled, and clearing that word does not look back. So an arm
// is armed, then the cleared word, then a look; and who takes an arm disables first and
// takes it second: the other way round, an arm between the two would be disabled. The
// waiter sleeps in the eventfd, and the kernel's signal is the event.
//
// Owner: the kernel makes completions visible in the owner's calls only, so the owner
// finds out by the tail alone; the eventfd is what it sleeps in, be it for task work of
// the kernel, for requests of others or for a Wake, and is enabled only then.
//
// Invariants: a completion that becomes visible after an arm, or task work queued after
// it, finds the eventfd enabled or the waiter awake. parked is not 0 while the owner is
// in the eventfd, and once it is 1 the owner looks at everything before it sleeps.
//
// Concurrency: arm, wake and nudge from any goroutine; wait, tryWait, ownerWait and
// ownerTry from one at a time, which the caller sees to.
type notifier struct {
	owned   bool
	cqFlags *atom.Uint32 // kernel's word: cqEventFDDisabled. Writers: arm, the waiter.
	cqTail  *atom.Uint32 // kernel's word
	bell    bell

	armed   atom.Uint64 // 0, or armedBit | the tail at the arm. Writers: arm, the waiter.
	owed    atom.Uint32 // 1: an earlier arm's event is due. Writers: arm, the owner.
	woken   atom.Uint32 // 1: a Wake is owed. Writers: wake, the waiter.
	parked  atom.Uint32 // see below. Writers: the owner, nudge.
	closing atom.Uint32 // 1: the owner is to leave. Writers: close; the owner, when it has.

	heard bool // owner: the waiter; the Wake that is owed was in the bell
}

// bell is what a waiter sleeps in: the eventfd.
type bell interface {
	// wait sleeps until the count is not 0, takes it and returns it.
	wait() (uint64, error)
	// try takes the count if it is not 0.
	try() (uint64, error)
	// ring adds wakeCount.
	ring() error
}

// crew does the work of a ring that only its owner can do.
type crew interface {
	// fetch hands unfetched requests to the kernel and has it show what it holds
	// back, if there is any of that, or always.
	fetchFor(always bool) error
	// busy tells whether there is more for fetchFor to do than it did at once.
	busy() bool
}

const (
	armedBit  = 1 << 32
	wakeCount = 1 << 32 // what a Wake adds to the eventfd; the kernel adds 1

	awake  = 0 // values of parked: the owner looks by itself before it sleeps
	asleep = 1 // it is in the eventfd, or about to look once more
	rung   = 2 // the eventfd was rung since
)

// arm asks for an event. The caller looks at the ring afterwards.
func (n *notifier) arm() {
	tail := n.cqTail.Load()
	// [U1] armed first: a signal that comes as soon as the word is clear must find it. Also
	// before the caller's look: either that finds a completion or the owner, which has
	// it shown before it looks at armed, finds the arm. Pairs with ownerEvent.
	old := n.armed.Swap(armedBit | uint64(tail))
	if n.owned {
		if old != 0 && uint32(old) != tail {
			n.owed.Store(1)
		}
		return
	}
	// [U2] A full barrier before the caller's look, [U3]: either that finds a completion or the
	// kernel, which shows it before it reads the word, finds the word clear. Pairs with
	// io_eventfd_signal.
	n.cqFlags.Store(0)
}

// wake makes the waiter return.
func (n *notifier) wake() {
	// [U0] Before the look at parked; pairs with [U7], the owner's store of parked before
	// its look at woken.
	if n.woken.Swap(1) != 0 {
		return
	}
	if n.owned {
		n.nudge()
	} else if n.bell.ring() != nil {
		n.woken.Store(0) // let the next one try
	}
}

// nudge has a sleeping owner look. What there is to see was stored before.
func (n *notifier) nudge() {
	// [U8] After what there is to see; pairs with [U7].
	if n.parked.Load() == asleep && n.parked.CompareAndSwap(asleep, rung) {
		_ = n.bell.ring() // fails only when closed
	}
}

// wait is EventSource.Wait of a portable ring.
func (n *notifier) wait() (event bool, err error) {
	for {
		if n.heard {
			// [U0] Only now may a Wake ring again. One that came since is answered by
			// this return.
			n.heard = false
			n.woken.Store(0)
			return false, nil
		}
		count, err := n.bell.wait()
		if err != nil {
			return false, err
		}
		if n.signalled(count) {
			return true, nil
		}
	}
}

// tryWait is EventSource.TryWait of a portable ring.
func (n *notifier) tryWait() (event bool, err error) {
	count, err := n.bell.try()
	return err == nil && n.signalled(count), err
}

// signalled tells whether what was in the bell is an event.
func (n *notifier) signalled(count uint64) (event bool) {
	if count >= wakeCount {
		n.heard = true
	}
	if uint32(count) == 0 {
		return false
	}
	for {
		a := n.armed.Load()
		event = event || a != 0
		if a != 0 && uint32(a) == n.cqTail.Load() {
			return true // of an earlier arm: this one stays
		}
		n.cqFlags.Store(cqEventFDDisabled) // [U4] before the arm is taken; pairs with [U1], [U2]
		if n.armed.CompareAndSwap(a, 0) {
			return event
		}
		// [U5] An arm came between, and is disabled. A completion that was not signalled
		// since is found by the look at the tail.
		n.cqFlags.Store(0)
	}
}

// ownerWait is EventSource.Wait of an owner's ring, on the owner's thread. leave says
// that the ring is closing.
func (n *notifier) ownerWait(c crew) (event, leave bool, err error) {
	// At first without the eventfd: what the kernel signals while it is served by this
	// very call would only be read later, for nothing.
	if err := c.fetchFor(false); err != nil {
		return false, false, err
	}
	if event, leave, out := n.ownerLook(); out {
		return event, leave, nil
	}
	n.cqFlags.Store(0) // [U6] before the call; pairs with the kernel's queueing of task work
	for {
		// [U7] Before everything that is looked at below; pairs with [U8].
		n.parked.Store(asleep)
		// After the word was cleared, and always: task work queued before that has
		// signalled nothing.
		if err = c.fetchFor(true); err != nil {
			break
		}
		out := false
		if event, leave, out = n.ownerLook(); out {
			break
		}
		if !c.busy() {
			if _, err = n.bell.wait(); err != nil {
				break
			}
		}
	}
	n.parked.Store(awake)
	n.cqFlags.Store(cqEventFDDisabled)
	return event, leave, err
}

// ownerTry is EventSource.TryWait of an owner's ring, on the owner's thread.
func (n *notifier) ownerTry(c crew) (event bool, err error) {
	if err := c.fetchFor(false); err != nil {
		return false, err
	}
	return n.ownerEvent(), nil
}

// ownerLook tells whether the owner's wait is over.
func (n *notifier) ownerLook() (event, leave, out bool) {
	switch {
	case n.closing.Load() != 0:
		return false, true, true
	case n.ownerEvent():
		return true, false, true
	case n.woken.Load() != 0:
		n.woken.Store(0) // a Wake that came since is answered by this return
		return false, false, true
	}
	return false, false, false
}

// ownerEvent takes an event that is due.
func (n *notifier) ownerEvent() bool {
	if n.owed.Load() != 0 {
		n.owed.Store(0)
		return true
	}
	a := n.armed.Load()
	if a == 0 || uint32(a) == n.cqTail.Load() {
		return false
	}
	n.armed.CompareAndSwap(a, 0) // [U9] pairs with [U1]: an arm that came since stays
	return true
}
