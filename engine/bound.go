package engine

import (
	"context"
	"fmt"
	"runtime"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// bond is what a poller has for a CQ that belongs to one OS thread
// (hwcq.ThreadBound): nil for every other CQ.
//
// Concurrency: serve makes err before it signals tied; who has created the poller
// reads it after that.
type bond struct {
	cq   hwcq.ThreadBound
	tied atom.Token
	err  error
	over bool // owner: serve; a life of the poller has ended: see serve
}

// newBond is the bond of a CQ; nil if it needs none.
func newBond(cq hwcq.CQ) *bond {
	tb, ok := cq.(hwcq.ThreadBound)
	if !ok || !tb.ThreadBound() {
		return nil
	}
	return &bond{cq: tb, tied: atom.NewToken()}
}

// serve is the poller's life.
//
// The goroutine of a CQ that belongs to a thread is locked to one for as long as it
// is bound, upcalls included. The thread is given back only when nothing is
// outstanding: requests die with the thread that made them.
func (p *poller) serve() {
	b := p.bond
	if b == nil {
		p.loop()
		return
	}
	runtime.LockOSThread()
	if err := b.cq.Bind(); err != nil {
		runtime.UnlockOSThread()
		if !b.over {
			b.err = err
			b.tied.Signal()
			return
		}
		// An upcall has ended the goroutine before this one, and its thread with it
		// (runtime.Goexit). What the CQ has is delivered; nothing more can come.
		p.link.owner.cqFailed(p.link, fmt.Errorf("%w: %w", hwcq.ErrRemoved, err), alarmProvider)
		p.start(srcWatch)
		return
	}
	if !b.over {
		b.tied.Signal()
	}
	defer func() {
		b.over = true
		if err := b.cq.Unbind(); err != nil {
			// Something is outstanding still. The thread stays locked, so that it
			// ends with the goroutine, and the kernel cancels what is left; the CQ's
			// Close says so.
			p.link.stats.waitErrs.Add(1)
			return
		}
		runtime.UnlockOSThread()
	}()
	p.loop()
}

// advance has a CQ that belongs to this thread go on while another goroutine takes from
// it, who cannot have it do so: a waiter, Dequeue, a worker. A poller that sleeps does it
// by sleeping.
func (p *poller) advance() {
	event, err := p.link.cq.Events().TryWait()
	if err != nil || !event { // what fails here fails in sleep, too, or has been closed
		return
	}
	p.link.stats.events.Add(1)
	p.link.fired(true)
	p.start(srcIntr)
}

// bound returns when the poller has bound its CQ, with the error if it could not.
func (p *poller) bound() error {
	if p.bond == nil {
		return nil
	}
	p.bond.tied.Wait()
	return p.bond.err
}

// bindCQs waits for the pollers of a new EVD. If one could not bind its CQ the EVD is
// closed again.
func (d *EVD) bindCQs(op string) error {
	for _, l := range d.links() {
		if l.poll == nil {
			continue // a port, of a shared CQ that was joined meanwhile
		}
		if err := l.poll.bound(); err != nil {
			_ = d.close(context.Background()) // waits for nobody else: no upcall has begun that could stay
			return fmt.Errorf("%s: CQs[%d]: %w", op, l.index, err)
		}
	}
	return nil
}
