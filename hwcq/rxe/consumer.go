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
// once state is not consumerOpen no poll returns anything.
//
// Concurrency: CQ.Poll from one goroutine at a time; everything else from any.
// Progress: wait-free.
type consumer struct {
	ring  ring          // mask: owner: the polling goroutine; the rest read-only
	swaps atomic.Uint32 // odd: the ring is being replaced. Writer: Resize. Readers: all.
	_     pad.Line      // read-mostly block ends
	next  uint32        // owner: the polling goroutine
	_     pad.Line      // poller block ends
	stat  atomic.Uint32 // Writers: Close, Poll and Resize (corrupt). Readers: all.
}

// Values of consumer.stat.
const (
	consumerOpen = iota
	consumerClosed
	consumerCorrupt
)

// pending reports whether Poll would return something. The shared consumer
// index stands in for next, which belongs to the poller. While the ring is
// being replaced, and its indices with it, it says yes.
func (c *consumer) pending() bool {
	n := c.swaps.Load()
	// Acquire, as in Poll; then the index that the last poll published.
	has := c.ring.prod.Load() != c.ring.cons.Load()
	// Sequentially consistent after the loads above: had they seen two rings,
	// swaps had moved. Pairs with CQ.replace.
	if n&1 != 0 || c.swaps.Load() != n {
		has = true
	}
	return has && c.stat.Load() == consumerOpen
}
