//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync/atomic"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/pad"
)

// consumer is the user's side of a completion ring.
//
// Invariants: next is masked and equals ring.cons between polls; every slot
// from next to the producer index holds a completion that no poll returned;
// once state is not consumerOpen no poll returns anything.
//
// Concurrency: poll from one goroutine at a time; everything else from any.
// Progress: wait-free.
type consumer struct {
	ring ring          // read-only
	_    pad.Line      // read-mostly block ends
	next uint32        // owner: the polling goroutine
	seen uint32        // owner: the polling goroutine; producer index of this poll
	_    pad.Line      // poller block ends
	stat atomic.Uint32 // Writers: close, poll (corrupt). Readers: all.
}

// Values of consumer.stat.
const (
	consumerOpen = iota
	consumerClosed
	consumerCorrupt
)

// poll moves completions into dst. It does not allocate. It is just small
// enough for the compiler to inline it, which makes an empty poll three times
// cheaper; hence seen, where a parameter would be over the limit.
func (c *consumer) poll(dst []hwcq.WC) int {
	// Acquire: makes the slots before prod visible; pairs with the kernel's
	// store-release in rxe_cq_post. The only load of the index in a poll.
	if c.seen = c.ring.prod.Load(); c.seen != c.next {
		return c.take(dst)
	}
	return 0
}

func (c *consumer) take(dst []hwcq.WC) int {
	prod := c.seen
	if prod > c.ring.mask {
		c.stat.CompareAndSwap(consumerOpen, consumerCorrupt)
		return 0
	}
	n := min(int((prod-c.next)&c.ring.mask), len(dst))
	if n == 0 {
		return 0
	}
	c.ring.copyWCs(dst[:n], c.next)
	c.next = (c.next + uint32(n)) & c.ring.mask
	// Release: hands the n slots back after they were copied; pairs with the
	// kernel's load-acquire in queue_full. Once per batch, not per slot.
	c.ring.cons.Store(c.next)
	// Sequentially consistent after the store above, hence after the copy:
	// if close replaced the ring under the copy, stat was set before that and
	// is seen here. Pairs with CQ.destroy.
	if c.stat.Load() != consumerOpen {
		return 0
	}
	return n
}

// pending reports whether poll would return something. The shared consumer
// index stands in for next, which belongs to the poller.
func (c *consumer) pending() bool {
	// Acquire, as in poll; then the index that the last poll published.
	return c.ring.prod.Load() != c.ring.cons.Load() && c.stat.Load() == consumerOpen
}
