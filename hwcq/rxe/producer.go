//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"
	"sync"

	"github.com/evdengine/evd/hwcq"
)

// producer is the user's side of a work queue, send or receive.
//
// Invariants: next is masked and equals ring.prod outside the lock; slots
// from ring.cons to next belong to the kernel; seen is the last ring.cons that
// was believed; the mapping is there while closed is false.
//
// The ring may hold anything, see consumer. ring.cons can only move from seen
// towards next, and ring.prod only be what was stored: else the queue is
// spoiled, and every post is refused with ErrCorrupt. A wrong ring.cons
// between the two is believed, and requests may be overwritten that the kernel
// has not read.
//
// Concurrency: from any goroutine; mu serialises.
type producer struct {
	mu      sync.Mutex
	ring    ring
	next    uint32
	seen    uint32
	maxSGE  int
	closed  bool
	spoiled bool

	// Of a send queue, set before its first use; see checkSend.
	transport Transport
	pd        *PD
	windows   *usage // memory windows bound on the QP
	maxMsg    uint32 // UD: bytes of a packet
}

// Errors of the hot path, made once.
var (
	errSendClosed  = fmt.Errorf("rxe: post send: %w", hwcq.ErrClosed)
	errSendFull    = fmt.Errorf("rxe: post send: %w", hwcq.ErrFull)
	errSendCorrupt = fmt.Errorf("rxe: post send: %w", ErrCorrupt)
	errRecvClosed  = fmt.Errorf("rxe: post receive: %w", hwcq.ErrClosed)
	errRecvFull    = fmt.Errorf("rxe: post receive: %w", hwcq.ErrFull)
	errRecvCorrupt = fmt.Errorf("rxe: post receive: %w", ErrCorrupt)
)

// look reads the kernel's index, once for a batch, and reports whether the
// queue is sound.
func (p *producer) look() bool {
	// Acquire: the kernel is done reading the slots before its consumer
	// index; pairs with the store-release in queue_advance_consumer.
	cons, mask := p.ring.cons.Load(), p.ring.mask
	if cons > mask || (cons-p.seen)&mask > (p.next-p.seen)&mask || p.ring.prod.Load() != p.next {
		p.spoiled = true
	}
	if p.spoiled {
		return false
	}
	p.seen = cons
	return true
}

// full reports whether the queue had no free slot at the last look. One stays
// free always.
func (p *producer) full() bool { return (p.next+1)&p.ring.mask == p.seen }

// advance takes the slot just written into account, without publishing it.
func (p *producer) advance() { p.next = (p.next + 1) & p.ring.mask }

// publish hands the written slots to the kernel.
func (p *producer) publish() {
	// Release: the slots are complete; pairs with the kernel's load-acquire
	// in queue_get_producer.
	p.ring.prod.Store(p.next)
}

// shut makes later posts fail; when it returns none is in progress.
func (p *producer) shut() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
}

// postSends writes as many requests as there is room for and publishes them.
// Called with mu held.
func (p *producer) postSends(wrs []SendWR, inline int) (int, error) {
	if !p.look() {
		return 0, errSendCorrupt
	}
	for i := range wrs {
		if p.full() {
			p.publish()
			return i, errSendFull
		}
		length, err := p.checkSend(&wrs[i], inline)
		if err != nil {
			p.publish()
			return i, err
		}
		p.ring.writeSend(p.next, &wrs[i], length, p.transport == UD)
		p.advance()
	}
	p.publish()
	return len(wrs), nil
}

// postRecvs does the same for receives.
func (p *producer) postRecvs(wrs []RecvWR) (int, error) {
	if !p.look() {
		return 0, errRecvCorrupt
	}
	for i := range wrs {
		if p.full() {
			p.publish()
			return i, errRecvFull
		}
		length, err := checkSGL("rxe: post receive", wrs[i].SGL, p.maxSGE)
		if err != nil {
			p.publish()
			return i, err
		}
		p.ring.writeRecv(p.next, &wrs[i], length)
		p.advance()
	}
	p.publish()
	return len(wrs), nil
}
