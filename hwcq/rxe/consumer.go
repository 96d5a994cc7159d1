//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync/atomic"

	"github.com/evdengine/evd/internal/pad"
)

// consumer is the user's side of a completion ring.
//
// Invariants: next is masked and equals ring.cons between polls; every slot
// from next to the producer index holds a completion that no poll returned;
// once stat is not consumerOpen no poll returns anything.
//
// The ring may hold anything: the kernel may have a bug, and a stray write of
// this process reaches it as well. A producer index outside the ring, and a
// consumer index that is not the one stored last, end the queue
// (consumerCorrupt). Any producer index inside the ring is possible, the whole
// ring may have filled since the last look, so a wrong one of these is not
// seen: stale slots are handed out as completions then.
//
// Concurrency: CQ.Poll from one goroutine at a time; everything else from any.
// Progress: wait-free.
type consumer struct {
	ring ring          // read-only
	_    pad.Line      // read-mostly block ends
	next uint32        // owner: the polling goroutine
	_    pad.Line      // poller block ends
	stat atomic.Uint32 // Writers: Close, Poll (corrupt). Readers: all.
}

// Values of consumer.stat.
const (
	consumerOpen = iota
	consumerClosed
	consumerCorrupt
)

// pending reports whether Poll would return something. The shared consumer
// index stands in for next, which belongs to the poller.
func (c *consumer) pending() bool {
	// Acquire, as in Poll; then the index that the last poll published.
	prod, cons := c.ring.prod.Load(), c.ring.cons.Load()
	if max(prod, cons) > c.ring.mask {
		c.spoil()
	}
	return prod != cons && c.stat.Load() == consumerOpen
}

// spoil ends the queue, unless it is closed, where the pages are blank.
func (c *consumer) spoil() { c.stat.CompareAndSwap(consumerOpen, consumerCorrupt) }
