package engine

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
	"github.com/evdengine/evd/ring"
)

// Dispatch says on which goroutine upcalls run.
type Dispatch uint8

const (
	// DispatchAuto: events of CQs as DispatchInline, posted ones as
	// DispatchQueued.
	DispatchAuto Dispatch = iota
	// DispatchInline: whoever found the event runs the upcall. For a CQ that
	// is its poller: the fastest way, but an upcall that blocks keeps the CQ
	// from being drained. For Post it is the caller, on his stack and under
	// his locks.
	DispatchInline
	// DispatchQueued: workers of the engine run upcalls. The pollers only move
	// completions into the ring, so a slow upcall does not keep a CQ from
	// being drained until the ring is full.
	DispatchQueued
)

func (p Dispatch) String() string {
	switch p {
	case DispatchAuto:
		return "auto"
	case DispatchInline:
		return "inline"
	case DispatchQueued:
		return "queued"
	}
	return fmt.Sprintf("dispatch(%d)", int(p))
}

// Defaults and limits of EVDConfig.
const (
	DefaultCapacity = 1024
	DefaultBatch    = 16  // polls of 16 are what linux drivers/infiniband/core/cq.c uses (IB_POLL_BATCH)
	DefaultBudget   = 256 // as IB_POLL_BUDGET_IRQ there

	maxBatch  = 4096
	maxBudget = 1 << 20
	maxWeight = 1024
	maxCQs    = 1 << 16
)

// EVDConfig configures an EVD.
type EVDConfig struct {
	// Name appears in errors and profiles. Generated if empty.
	Name string

	// Streams are the sources of events; every pair must merge (StreamsMerge).
	// 0 means DTO if there are CQs, and Software if there are none. With
	// Connection beside DTO or Bind, connection events have their place among
	// the completions (see Endpoint), and with DispatchQueued workers poll the
	// CQs themselves.
	Streams Stream

	// Capacity is how many events the ring holds at least, 1..ring.MaxCapacity;
	// 0 means DefaultCapacity. Rounded up to a power of two internally. Resize
	// changes it.
	Capacity int

	// Overflow says what becomes of a Post or PostCM that finds the ring full.
	Overflow Overflow

	// SpillLimit is how many events OverflowSpill lets the EVD hold beyond Capacity,
	// 1..2^29; 0 means Capacity. Its list takes memory when it is needed, and gives it
	// back.
	SpillLimit int

	// CQs feed the EVD, which becomes their only poller: a CQ that feeds
	// another EVD is refused with ErrBusy (another engine's is not noticed).
	// Close the EVD before its CQs. Needs stream DTO or Bind.
	//
	// A CQ that belongs to one OS thread (hwcq.ThreadBound) gets one: its poller is
	// locked to it, and inline upcalls run there. It is bound when NewEVD returns, and
	// for good: when the EVD is closed, what was outstanding has been cancelled, and
	// another EVD can do no more than refuse it.
	CQs []hwcq.CQ

	// Mode says how the CQs are waited for.
	Mode Mode

	// WaitMode says what Wait does while there are too few events: sleep, spin, or spin
	// and then sleep. An EVD that polls a CQ of one OS thread (hwcq.ThreadBound) sleeps,
	// whatever it says; so does a CNOWaiter.
	WaitMode WaitMode

	// Poller waits for the CQs, together with those of others. nil: each CQ has a
	// goroutine of its own. The CQs must be ones that can be waited for together
	// (hwcq.Notifier), and not belong to one OS thread. They stay with it: with several
	// Pollers give EVDs to them in turn, and those that are busiest to different ones.
	Poller *Poller

	// SolicitedOnly arms the CQs for solicited and failed completions only. A
	// poller that polls delivers all of them. Not every driver counts every
	// failure as solicited (rxe.CQ.Arm says what it does not). The watchdog
	// cannot tell a lost interrupt from a completion that rests, and keeps still.
	SolicitedOnly bool

	// CPU, if set, is where the CQs are polled: each poller locks its goroutine to an
	// OS thread of its own and has that run on this CPU alone, inline upcalls included
	// (sched_setaffinity(2)). It is so when NewEVD returns, and the thread gets its
	// CPUs back, or ends, when the EVD is closed. Pinning keeps a poller's cache warm
	// and a ModeSpin poller from being moved; it pays where the CPU is kept free for
	// it, and costs where it is not: the kernel may not move the thread away from a
	// busy CPU. A goroutine that is locked to its thread is switched to and from by
	// threads (some 10 us), so such a poller does not yield to other goroutines while
	// there is more than one P. Needs CQs, and Linux: elsewhere ErrNotSupported.
	CPU CPU

	// Policy is the initial upcall policy. The zero value is Disable.
	Policy Policy

	// Upcall is called with events. Required unless Policy is Disable.
	Upcall UpcallFunc

	// CNO, if set, has the EVD on it from the start, as ModifyCNO would. Policy must be
	// Disable then.
	CNO *CNO

	// Dispatch says where upcalls run.
	Dispatch Dispatch

	// Batch is the most events an upcall gets at once, 1..4096; 0 means
	// DefaultBatch.
	Batch int

	// Budget is the most events delivered in one go before the goroutine
	// serves others: a worker or an inline poster hands the rest on, a poller
	// yields its CPU. Batch..1048576; 0 means DefaultBudget, or Batch if that
	// is larger.
	Budget int

	// Weight makes a turn that many Budgets long, 1..1024; 0 means 1. So of EVDs that
	// have always something to deliver and share the workers each delivers in
	// proportion to Budget x Weight (weighted round robin).
	Weight int

	// Priority lets events of stream Connection that are given to PostCM go ahead of
	// completions and software events, in order among themselves. (What an Endpoint
	// makes has its place already: ahead, or on an EVD of both streams among the
	// completions, where it stays.) They do not pass the ring: Capacity of them may
	// wait, and then ErrFull and EVDOverflow, whatever Overflow is. Needs stream
	// Connection.
	Priority bool

	// Repanic lets an upcall's panic go on, up the stack of the goroutine that
	// runs it, after it has been dealt with as always: upcalls disabled, async
	// error raised, EVD.LastPanic set. Without it the panic ends there.
	Repanic bool

	// Exclusive gives the EVD to whoever runs its upcalls, for as long as he runs: a
	// poller that polls then delivers completions without one locked operation for
	// each, or for each batch. For an EVD of one CQ, whose upcall takes what comes.
	//
	// It needs exactly one CQ, DispatchAuto or DispatchInline (posts are queued in
	// either, never run by the poster), and Policy SingleInstance or Disable; there
	// is no CNO, and no Join. Posts, notices and connection events come as always.
	// A Dequeue from outside gets ErrBusy while upcalls are enabled and their poller
	// polls, and so do a Resize to less and, until the last upcall has ended, a Wait;
	// Upcall.Dequeue is as ever. A poller in ModeSpin counts as running (Query) for as
	// long as upcalls are enabled. Stats may be a Budget of events behind while the
	// poller has something to do, and 32 polls when it has not.
	Exclusive bool

	// Leftovers gets the events that were accepted and not delivered when the
	// EVD is closed, in batches, oldest first. The slice is valid during the
	// call, which is made from Close: do not close the EVD from it.
	Leftovers func([]Event)
}

func (c EVDConfig) withDefaults() EVDConfig {
	if c.Streams == 0 {
		c.Streams = Software
		if len(c.CQs) > 0 {
			c.Streams = DTO
		}
	}
	if c.Capacity == 0 {
		c.Capacity = DefaultCapacity
	}
	if c.Overflow == OverflowSpill && c.SpillLimit == 0 {
		c.SpillLimit = min(max(c.Capacity, 1), maxSpill)
	}
	if c.Batch == 0 {
		c.Batch = DefaultBatch
	}
	if c.Budget == 0 {
		c.Budget = max(DefaultBudget, c.Batch)
	}
	if c.Weight == 0 {
		c.Weight = 1
	}
	return c
}

// Validate returns all that is wrong with the configuration.
func (c EVDConfig) Validate() error {
	const op = "engine: NewEVD"
	d := c.withDefaults()
	var errs []error
	bad := func(name string, value any, allowed string) {
		errs = append(errs, param.Invalid(op, name, value, allowed))
	}
	if err := checkStreams(op, d.Streams); err != nil {
		errs = append(errs, err)
	}
	if d.Capacity < 1 || d.Capacity > ring.MaxCapacity {
		bad("Capacity", c.Capacity, fmt.Sprintf("0 (%d) or 1..%d", DefaultCapacity, ring.MaxCapacity))
	}
	errs = append(errs, d.checkOverflow(op, c.SpillLimit)...)
	if len(c.CQs) > maxCQs {
		bad("CQs", len(c.CQs), fmt.Sprintf("at most %d", maxCQs))
	}
	for i, cq := range c.CQs {
		if cq == nil {
			bad(fmt.Sprintf("CQs[%d]", i), "nil", "a CQ")
			continue
		}
		if t := reflect.TypeOf(cq); !t.Comparable() {
			bad(fmt.Sprintf("CQs[%d]", i), t, "of a comparable type, such as a pointer")
			return errors.Join(errs...)
		}
		for j := range i {
			if c.CQs[j] == cq {
				bad(fmt.Sprintf("CQs[%d]", i), fmt.Sprintf("CQs[%d]", j), "another CQ than the ones before it")
			}
		}
	}
	if len(c.CQs) > 0 && d.Streams&(DTO|Bind) == 0 {
		bad("Streams", c.Streams, "one that includes DTO or Bind, because CQs are given")
	}
	if d.Mode > ModeSpin {
		bad("Mode", c.Mode, "ModeAdaptive, ModeEvent or ModeSpin")
	}
	if c.CPU != AnyCPU && len(c.CQs) == 0 {
		bad("CPU", c.CPU, "AnyCPU, because there are no CQs to poll")
	} else if c.CPU != AnyCPU && c.Poller != nil {
		bad("CPU", c.CPU, "AnyCPU, because Poller is set: PollerConfig.CPU says where it runs")
	} else if err := c.CPU.check(op, "CPU"); err != nil {
		errs = append(errs, err)
	}
	if c.WaitMode > WaitSpin {
		bad("WaitMode", c.WaitMode, "WaitPark, WaitAdaptive or WaitSpin")
	}
	if err := c.Policy.check(op); err != nil {
		errs = append(errs, err)
	} else if c.Policy == Teardown {
		bad("Policy", c.Policy, "one to begin with: nothing is there to be torn down")
	} else if c.Policy != Disable && c.Upcall == nil {
		bad("Upcall", "nil", fmt.Sprintf("a function, because Policy is %v", c.Policy))
	}
	if c.CNO != nil && c.CNO.e == nil {
		errs = append(errs, nilHandle(op, "CNO"))
	} else if c.CNO != nil && c.Policy != Disable {
		bad("Policy", c.Policy, "Disable, because a CNO is given")
	}
	if d.Dispatch > DispatchQueued {
		bad("Dispatch", c.Dispatch, "DispatchAuto, DispatchInline or DispatchQueued")
	}
	if c.Priority && d.Streams&Connection == 0 {
		bad("Priority", true, "false, because Streams has no Connection")
	}
	c.checkExclusive(bad)
	if d.Weight < 1 || d.Weight > maxWeight {
		bad("Weight", c.Weight, fmt.Sprintf("0 (1) or 1..%d", maxWeight))
	}
	if d.Batch < 1 || d.Batch > maxBatch {
		bad("Batch", c.Batch, fmt.Sprintf("0 (%d) or 1..%d", DefaultBatch, maxBatch))
	} else if d.Budget < d.Batch || d.Budget > maxBudget {
		bad("Budget", c.Budget, fmt.Sprintf("0 (%d) or Batch..%d, and Batch is %d", DefaultBudget, maxBudget, d.Batch))
	}
	return errors.Join(errs...)
}
