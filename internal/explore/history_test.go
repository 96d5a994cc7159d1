package explore_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// The designs that were argued over in 2005, when an event dispatcher (EVD)
// had a spinlock, a flag is_triggered, and a completion queue that notifies
// once for each arming. Neither order of "arm" and "upcall" is right, and
// neither is the flag: it is taken by a try-lock and has no memory, so a
// trigger that finds it set is forgotten.

type order int

const (
	armThenTrigger      order = iota // the original
	triggerThenArm                   // the patch
	triggerArmLookAgain              // the repair that the patch's author proposed
)

type modify int

const (
	enabled           modify = iota // from the start
	queueThenArm                    // enable refuses when the queue is not empty
	queueAndCQThenArm               // or the CQ: what both sides agreed on
	armThenLook                     // the same, after the arm
)

// evd2005 is such an EVD. The words are single memory cells.
type evd2005 struct {
	x     *explore.X
	order order
	flag  bool

	policy, triggered, ring, cq, inside word
	mu                                  lock
	single                              bool

	// The hardware's, which does all it does in one step.
	armed      bool
	interrupts int
}

// complete is the hardware: a completion, and an interrupt if armed.
func (e *evd2005) complete() {
	explore.Point(unsafe.Pointer(&e.cq), explore.OpAdd)
	e.cq.v++
	if e.armed {
		e.armed = false
		e.interrupts++
	}
	explore.Done(e.cq.v-1, e.cq.v, true)
}

func (e *evd2005) arm() {
	explore.Point(unsafe.Pointer(&e.armed), explore.OpStore)
	e.armed = true
}

func takeOne(w *word) bool {
	for n := w.load(); n > 0; n = w.load() {
		if w.cas(n, n-1) {
			return true
		}
	}
	return false
}

// trigger calls the upcall for all there is.
func (e *evd2005) trigger() {
	if e.policy.load() == 0 {
		return
	}
	if e.flag {
		e.mu.lock()
		busy := e.triggered.load() == 1
		if !busy {
			e.triggered.store(1)
		}
		e.mu.unlock()
		if busy {
			return
		}
	}
	for e.policy.load() == 1 && (takeOne(&e.ring) || takeOne(&e.cq)) {
		if n := e.inside.add(1); n > 1 && e.single {
			e.x.Failf("two upcalls at once")
		}
		e.inside.add(^uint64(0))
	}
	if e.flag {
		e.triggered.store(0)
	}
}

// notified handles one interrupt.
func (e *evd2005) notified() {
	explore.Block(func() bool { return e.interrupts > 0 })
	e.interrupts--
	arm := func() {
		if e.policy.load() == 1 {
			e.arm()
		}
	}
	switch e.order {
	case armThenTrigger:
		arm()
		e.trigger()
	case triggerThenArm:
		e.trigger()
		arm()
	case triggerArmLookAgain:
		e.trigger()
		arm()
		if e.ring.load() > 0 || e.cq.load() > 0 {
			e.trigger()
		}
	}
}

func (e *evd2005) enable(how modify) {
	pending := func() bool { return e.ring.load() > 0 || how != queueThenArm && e.cq.load() > 0 }
	if how == armThenLook {
		e.policy.store(1)
		e.arm()
		if pending() {
			e.policy.store(0) // refused
		}
		return
	}
	if !pending() {
		e.arm()
		e.policy.store(1)
	}
}

type history struct {
	name                          string
	order                         order
	flag, single                  bool
	modify                        modify
	notifiers, posts, completions int
	fails                         string
}

const lost = "lost: enabled, nobody runs"

var histories = []history{
	{"original order without a flag", armThenTrigger, false, false, enabled, 2, 0, 2, ""},
	{"original order without a flag, one upcall at a time", armThenTrigger, false, true, enabled, 2, 0, 2, "two upcalls at once"},
	{"original order, two notifiers", armThenTrigger, true, true, enabled, 2, 0, 2, lost},
	{"original order, a notifier and a poster", armThenTrigger, true, true, enabled, 1, 1, 2, lost},
	{"the patch", triggerThenArm, true, true, enabled, 1, 0, 2, lost},
	{"the repair, completions only", triggerArmLookAgain, true, true, enabled, 2, 0, 2, ""},
	{"the repair and a poster", triggerArmLookAgain, true, true, enabled, 1, 1, 2, lost},
	{"enable looks at the queue only", armThenTrigger, true, true, queueThenArm, 1, 0, 1, lost},
	{"enable looks at queue and CQ before it arms", armThenTrigger, true, true, queueAndCQThenArm, 1, 0, 1, lost},
	{"enable arms, then looks", armThenTrigger, true, true, armThenLook, 1, 0, 2, ""},
	{"enable arms, then looks, and a poster", armThenTrigger, true, true, armThenLook, 1, 1, 1, lost},
}

func (h history) body(x *explore.X) {
	e := &evd2005{x: x, order: h.order, flag: h.flag, single: h.single}
	if h.modify == enabled {
		e.policy.v, e.armed = 1, true
	} else {
		x.Go("consumer", func() { e.enable(h.modify) })
	}
	for range h.notifiers {
		x.Daemon("notifier", func() {
			for {
				e.notified()
			}
		})
	}
	for range h.posts {
		x.Go("poster", func() {
			e.ring.add(1)
			e.trigger()
		})
	}
	x.Go("hardware", func() {
		for range h.completions {
			e.complete()
		}
	})
	x.Check(func() {
		if e.policy.load() == 1 && e.ring.load()+e.cq.load() > 0 {
			x.Failf("%s, %d in the queue and %d on the CQ", lost, e.ring.load(), e.cq.load())
		}
	})
}

func TestHistory(t *testing.T) {
	for _, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			o := explore.Options{Preemptions: 3}
			if h.fails == "" {
				explore.Test(t, o, h.body)
				return
			}
			res := explore.MustFail(t, o, h.body)
			if !strings.HasPrefix(res.Failure.Reason, h.fails) {
				t.Fatalf("another failure: %v", res.Failure)
			}
		})
	}
}
