package engine

import (
	"context"
	"fmt"
	"runtime"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// bond is what a poller has that stays on one OS thread: because its CQ belongs to
// one (hwcq.ThreadBound), or because the thread is pinned to a CPU. nil: any
// thread will do.
//
// Concurrency: serve makes err before it signals tied; who has created the poller
// reads it after that.
type bond struct {
	cq   hwcq.ThreadBound // nil: the CQ is no thread's
	cpu  CPU
	tied atom.Token
	err  error
	over bool // owner: serve; a life of the poller has ended: see serve
}

// newBond is the bond of a poller; nil if it needs none.
func newBond(cq hwcq.CQ, cpu CPU) *bond {
	tb, ok := cq.(hwcq.ThreadBound)
	if !ok || !tb.ThreadBound() {
		tb = nil
	}
	if tb == nil && cpu == AnyCPU {
		return nil
	}
	return &bond{cq: tb, cpu: cpu, tied: atom.NewToken()}
}

// owned says that the CQ belongs to the poller's thread: nobody else sees what has
// completed before the poller has brought it in.
func (p *poller) owned() bool { return p.bond != nil && p.bond.cq != nil }

// serve is the poller's life.
//
// The goroutine of a poller with a bond is locked to a thread, upcalls included. The
// thread is given back only when nothing is outstanding: requests die with the thread
// that made them.
func (p *poller) serve() {
	b := p.bond
	if b == nil {
		p.loop()
		return
	}
	free, err := b.tie()
	switch {
	case err != nil && !b.over:
		b.err = err
		b.tied.Signal()
		return
	case err != nil && b.cq == nil:
		// An upcall has ended the goroutine before this one (runtime.Goexit), and the
		// CPU has been taken from the process: the kernel would have moved a thread
		// that stayed, too.
		p.loop()
		return
	case err != nil:
		// An upcall has ended the goroutine before this one, and its thread with it
		// (runtime.Goexit). What the CQ has is delivered; nothing more can come.
		p.link.owner.cqFailed(p.link, fmt.Errorf("%w: %w", hwcq.ErrRemoved, err), alarmProvider)
		p.start(srcWatch)
		return
	case !b.over:
		b.tied.Signal()
	}
	defer func() {
		b.over = true
		if free() != nil {
			// Something is outstanding still. The thread stays locked, so that it
			// ends with the goroutine, and the kernel cancels what is left; the CQ's
			// Close says so.
			p.link.stats.waitErrs.Add(1)
		}
	}()
	p.loop()
}

// tie locks the calling goroutine to its thread, pins that, if there is a CPU, and
// binds the CQ to it, if it is one that must be. free undoes all three, or after an
// error of Unbind nothing. After an error of tie nothing has changed.
func (b *bond) tie() (free func() error, err error) {
	runtime.LockOSThread()
	restore := func() {}
	if b.cpu != AnyCPU {
		if restore, err = pin(b.cpu.number()); err != nil {
			runtime.UnlockOSThread()
			return nil, fmt.Errorf("%v: %w", b.cpu, err)
		}
	}
	if b.cq != nil {
		if err := b.cq.Bind(); err != nil {
			restore()
			runtime.UnlockOSThread()
			return nil, err
		}
	}
	return func() error {
		if b.cq != nil {
			if err := b.cq.Unbind(); err != nil {
				return err
			}
		}
		restore()
		runtime.UnlockOSThread()
		return nil
	}, nil
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

// bound returns when the poller is on its thread, with the error if it could not be.
func (p *poller) bound() error {
	if p.bond == nil {
		return nil
	}
	p.bond.tied.Wait()
	return p.bond.err
}

// bindCQs waits for the pollers of a new EVD. If one could not bind its CQ, or be
// pinned, the EVD is closed again.
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
