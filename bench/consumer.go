package bench

import (
	"sync/atomic"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// consumer is the far edge of a run: everything that comes out of the EVD
// passes it, on the way to the workload, and is counted and checked.
//
// Concurrency: one goroutine at a time, in the order in which the EVD hands
// out events. The engine promises exactly that (SingleInstance, Close after
// the last upcall), so the fields are plain, and the race detector checks the
// promise.
type consumer struct {
	*Checker
	unordered bool // PolicyMany: order is not promised
	tags      upcallTags
	upcalls   uint64 // upcalls that gave events
	delivered uint64 // events given to upcalls
	dequeued  uint64 // events dequeued
	leftover  uint64 // events left over by Close

	// Events of an endpoint, which no producer accepted: not in the counts above.
	notices     map[engine.EventNumber]uint64 // nil: there is no endpoint
	noticed     uint64                        // given to upcalls
	noticesLeft uint64                        // left over by Close
	dto         uint64                        // of all these: completions

	flushing atomic.Bool // requests are being flushed: failures are expected
	flushed  uint64      // completions with StatusWRFlushErr while flushing
	failed   uint64      // other completions that are not successful
	failure  engine.Event
	injected uint64 // of these: as the fault script has it. Set when all has come

	// seen is how many events have come and been dealt with. Writer: the
	// consumer, when it is through with a batch. Readers: whoever waits for
	// the end, or watches for a stall.
	seen atomic.Uint64
}

// origin is how events came out.
type origin uint8

const (
	byUpcall  origin = iota // given to an upcall
	byDequeue               // dequeued
)

// take notes events that came out.
func (c *consumer) take(how origin, evs []engine.Event) {
	if how == byUpcall {
		c.upcall(evs)
	} else {
		c.dequeue(evs)
	}
}

// upcall notes what an upcall was given.
func (c *consumer) upcall(evs []engine.Event) {
	c.tags.see(evs)
	c.upcalls++
	n := c.see(evs)
	c.delivered += uint64(len(evs)) - n
	c.noticed += n
}

func (c *consumer) dequeue(evs []engine.Event) {
	c.dequeued += uint64(len(evs))
	c.see(evs)
}

func (c *consumer) left(evs []engine.Event) {
	n := c.see(evs)
	c.leftover += uint64(len(evs)) - n
	c.noticesLeft += n
}

// done publishes that all that was noted has been dealt with.
func (c *consumer) done() { c.seen.Store(c.delivered + c.dequeued + c.leftover) }

// see looks at each event, and returns how many were an endpoint's.
func (c *consumer) see(evs []engine.Event) (notices uint64) {
	for i := range evs {
		ev := &evs[i]
		if ev.Stream == engine.Connection && c.notices != nil {
			c.notices[ev.Number]++
			notices++
			continue
		}
		c.See(ev.WRID)
		if ev.Stream == engine.DTO {
			c.dto++
		}
		if ev.Status != hwcq.StatusSuccess {
			c.fail(ev)
		}
	}
	return notices
}

func (c *consumer) fail(ev *engine.Event) {
	// What breaks a connection, by itself, flushes the rest.
	if ev.Status == hwcq.StatusWRFlushErr && (c.notices != nil || c.flushing.Load()) {
		c.flushed++
		return
	}
	if c.failed++; c.failed == 1 {
		c.failure = *ev
	}
}
