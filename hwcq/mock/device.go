package mock

import (
	"runtime"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// device is the private state of a QP's goroutine.
//
// Invariant: cons <= seen on the 32-bit circle; due[i&mask] is set for
// cons <= i < seen and does not fall.
type device struct {
	seen    uint32          // requests that have begun their service
	cons    uint32          // requests completed
	due     []time.Duration // when each request in service is completed
	last    time.Duration   // the last due given out
	service *sampler
	buf     []hwcq.WC // the batch being built
}

func (d *device) init(cfg QPConfig, slots uint32, seed, stream uint64) {
	d.buf = make([]hwcq.WC, cfg.Batch)
	if cfg.Service.Kind != DistNone {
		d.due = make([]time.Duration, slots)
		d.service = newSampler(cfg.Service, seed, stream)
	}
}

// busyTurns is how many batches in a row the device completes before it
// offers the processor to others: submitter, device and poller may share two.
const busyTurns = 64

// run is the device's goroutine.
func (q *QP) run() {
	defer q.ended()
	defer q.sub.close(&q.prod)
	for idle, busy := 0, 0; !q.stop.Load(); {
		left, did := q.step()
		switch {
		case did:
			idle = 0
			if busy++; busy%busyTurns == 0 {
				runtime.Gosched()
			}
		case left > 0:
			idle = 0
			q.waitDue(left)
		case idle < q.cfg.IdleSpins:
			idle++
			q.look()
		default:
			idle = 0
			q.park()
		}
	}
}

// step completes up to a batch of requests whose time has come and tells
// whether there were any. If not, left is the time to the next, 0 without
// one.
func (q *QP) step() (left time.Duration, did bool) {
	d := &q.dev
	if d.service == nil {
		q.fetch()
		return 0, q.finish(d.seen-d.cons) > 0
	}
	now := q.now()
	q.begin(now)
	n := uint32(0)
	for d.cons+n != d.seen && int(n) < len(d.buf) && d.due[(d.cons+n)&q.mask] <= now {
		n++
	}
	if q.finish(n) > 0 {
		return 0, true
	}
	if d.cons == d.seen {
		return 0, false
	}
	return d.due[d.cons&q.mask] - now, false
}

// fetch makes everything submitted known to the device.
func (q *QP) fetch() {
	// Acquire: makes the requests below prod readable. Pairs with publish.
	q.dev.seen = q.prod.Load()
}

// begin starts the service of what was submitted since the last look.
func (q *QP) begin(now time.Duration) {
	d := &q.dev
	i := d.seen
	for q.fetch(); i != d.seen; i++ {
		start := now
		if !q.cfg.Pipelined {
			start = max(now, d.last) // after the one before
		}
		d.last = max(start+d.service.next(), d.last) // and never overtake it
		d.due[i&q.mask] = d.last
	}
}

// finish completes the n oldest requests, at most a batch of them, and
// returns how many it did.
func (q *QP) finish(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	d := &q.dev
	n = min(n, uint32(len(d.buf)))
	if atom.Exploring {
		q.touch(d.cons, int(n), false)
	}
	solicited := false
	for i := range n {
		wr := &q.sq[(d.cons+i)&q.mask]
		d.buf[i] = wr.complete(q.cfg.QPNum)
		solicited = solicited || wr.Solicited
		if q.cfg.Fill != nil {
			q.cfg.Fill(&d.buf[i])
		}
	}
	// Before the completions: who sees one may submit again at once, and
	// must find the slot free.
	d.cons += n
	q.cons.Store(d.cons) // Release: gives the slots back. Pairs with reserve.
	q.putAll(q.cq, d.buf[:n], solicited, q.cfg.Overrun, &q.stalls)
	return n
}

// look is one turn of looking for work without any.
func (q *QP) look() {
	for range spinTurns {
		if q.prod.Load() != q.dev.seen {
			return
		}
	}
	runtime.Gosched()
}

// waitDue is one turn of waiting for the next request to be due. A pipelined
// device has to begin new requests meanwhile, so it is woken for them.
func (q *QP) waitDue(left time.Duration) {
	if q.cfg.Pipelined && left > spinHorizon {
		// Full fence: parked first, then the look for work; a submitter
		// publishes first, then looks at parked. One of them sees the other.
		q.parked.Store(1)
		if q.prod.Load() == q.dev.seen {
			q.pause(left)
		}
		q.parked.Store(0)
		return
	}
	q.pause(left)
}

// park sleeps until there is work or the QP is stopped. It may return without
// either: a token can be left over from a wake-up that was not needed.
func (q *QP) park() {
	q.parked.Store(1) // full fence, as in waitDue
	if q.prod.Load() == q.dev.seen {
		q.tok.Wait() // also returns when askStop put the token in before
	}
	q.parked.Store(0)
}
