package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/ring"
)

// Close ends the EVD: no upcall begins any more, Post and Dequeue return
// ErrClosed, upcalls that run are waited for, the pollers end, and events that
// were accepted and not delivered go to EVDConfig.Leftovers, oldest first.
// Completions that were not taken from a CQ stay there (of a hwcq.ThreadBound
// also those of the requests that were cancelled: Poll has them), and the CQ stays the
// caller's. Idempotent. Do not call it from the EVD's own upcall: it would
// wait for itself.
func (d *EVD) Close() error { return d.CloseContext(context.Background()) }

// CloseContext is Close with a limit on the wait for running upcalls. When ctx
// ends first its error is returned: the EVD is closed to everyone, and another
// Close continues the wait.
func (d *EVD) CloseContext(ctx context.Context) (err error) {
	const op = "engine: Close"
	if err := d.valid(op); err != nil {
		return err
	}
	if ctx == nil {
		return nilHandle(op, "ctx")
	}
	if d == d.e.async {
		return fmt.Errorf("%s: EVD %q: %w: Engine.Close closes it", op, d.name, ErrBusy)
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_free", "evd", d) }()
	}
	return d.close(ctx)
}

func (d *EVD) close(ctx context.Context) error {
	d.markClosed()
	d.ring.Close()
	d.leaveCNO()
	closer := d.needCloser()
	if err := acquire(ctx, *closer); err != nil {
		return fmt.Errorf("engine: Close: EVD %q: another Close: %w", d.name, err)
	}
	defer closer.Signal()
	if d.dead {
		return nil
	}
	d.leaveAll()
	for _, p := range d.pumps() {
		p.forbid()
		if err := d.e.waitQuiet(ctx, &p.machine, noRun); err != nil {
			return fmt.Errorf("engine: Close: EVD %q: pump: %w", d.name, err)
		}
	}
	if err := d.e.waitQuiet(ctx, &d.machine, noUse); err != nil {
		return fmt.Errorf("engine: Close: EVD %q: running upcall: %w", d.name, err)
	}
	for _, l := range d.links() {
		if l.poll != nil {
			l.poll.askStop()
		}
	}
	for _, l := range d.links() {
		if l.poll != nil {
			l.poll.wait()
			l.deafen()
		}
	}
	d.drain()
	d.dead = true
	d.e.mu.Lock()
	gone := d.Stats()
	d.e.gone.add(&gone)
	d.e.forget(d)
	for _, l := range d.links() {
		delete(d.e.cqs, l.cq) // a port is not in there
	}
	d.e.mu.Unlock()
	return nil
}

// needCloser returns the token that one who closes has; the first makes it.
func (d *EVD) needCloser() *atom.Token {
	if t := d.closer.Load(); t != nil {
		return t
	}
	t := atom.NewToken()
	t.Signal()
	d.closer.CompareAndSwap(nil, &t)
	return d.closer.Load()
}

// acquire takes a token, or gives up when ctx ends.
func acquire(ctx context.Context, t atom.Token) error {
	if t.TryWait() { // also when ctx has ended
		return nil
	}
	c := t.C()
	if c == nil { // in the explorer, where contexts have no time
		t.Wait()
		return nil
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// markClosed is transition [C]: it refuses every later TAKE and slot, and has
// the waiter go.
func (d *EVD) markClosed() {
	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return
		}
		if d.word.CompareAndSwap(uint64(s), uint64(s.policy(levelDisabled)&^bWAIT|bCLOSE)) { // [C] pairs with [W1], [W2]
			if s&bWAIT != 0 {
				d.signal()
			}
			return
		}
	}
}

// forbid is [D] for a pump or a shared CQ.
func (m *machine) forbid() {
	for {
		s := m.load()
		if m.word.CompareAndSwap(uint64(s), uint64(s.policy(levelDisabled))) {
			return
		}
	}
}

// drain hands what is left to the leftovers callback. CLOSE keeps every other
// consumer away; producers that had reserved before the ring was closed are
// waited for.
func (d *EVD) drain() {
	buf := make([]Event, d.batch)
	hand := func(n int) {
		if n > 0 {
			d.stats.leftover.Add(uint64(n))
			if d.leftovers != nil {
				d.leftovers(buf[:n])
			}
		}
	}
	if sd := d.side.Load(); sd != nil {
		for {
			n := sd.popList(d, &sd.now, buf, len(buf))
			if n == 0 {
				n = sd.takeUrgent(d, buf)
			}
			if n == 0 {
				n = sd.takeStash(buf)
			}
			if n == 0 {
				n = sd.popList(d, &sd.late, buf, len(buf))
			}
			if n == 0 {
				break
			}
			hand(n)
		}
	}
	d.noteHigh(d.ring.Held() + d.spilled()) // nobody has taken these, so nobody has noted them
	for {
		n := d.ring.PopN(buf)
		hand(n)
		if n > 0 {
			continue
		}
		if d.ring.Look() == ring.Empty {
			break
		}
		atom.Spin() // in flight
	}
	for d.spilled() > 0 {
		sd := d.side.Load()
		sd.mu.Lock()
		n := d.popSpilled(sd, buf)
		sd.mu.Unlock()
		hand(n)
	}
	for _, p := range d.pumps() {
		for len(p.stash) > 0 {
			n := min(len(buf), len(p.stash))
			for i := range n {
				d.eventFromWC(&buf[i], &p.stash[i], p.link.index)
			}
			p.stash = p.stash[n:]
			p.link.stats.drained.Add(uint64(n))
			hand(n)
		}
	}
	d.drainPorts(buf, hand)
}

// Close closes every EVD (see EVD.Close) and CNO and ends the engine's goroutines. It
// waits for upcalls that run; do not call it from one. Idempotent.
func (e *Engine) Close() error { return e.CloseContext(context.Background()) }

// CloseContext is Close with a limit on the wait for running upcalls. When ctx
// ends first its error is returned: every EVD is closed to everyone, and
// another Close continues the wait.
func (e *Engine) CloseContext(ctx context.Context) (err error) {
	const op = "engine: Close"
	if err := e.valid(op); err != nil {
		return err
	}
	if ctx == nil {
		return nilHandle(op, "ctx")
	}
	e.mu.Lock()
	e.closed = true
	anyCNO := len(e.cnos) > 0
	e.mu.Unlock()
	evds := e.list()
	for _, d := range evds {
		d.markClosed() // none waits for another's upcalls before it is closed
	}
	if anyCNO {
		for _, d := range evds {
			d.leaveCNO() // and no waiter of a CNO sleeps while upcalls are waited for
		}
		e.closeCNOs(true)
	}
	var errs []error
	for _, d := range evds {
		errs = append(errs, d.CloseContext(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err // what runs needs workers, and has errors to tell
	}
	e.mu.Lock()
	shared := slices.Clone(e.shared)
	e.mu.Unlock()
	for _, s := range shared {
		if err := s.close(ctx); err != nil {
			return err
		}
	}
	if err := e.closePollers(); err != nil {
		return err
	}
	if err := e.async.close(ctx); err != nil {
		return err
	}
	e.closeCNOs(false)
	e.dog.end()
	e.rq.close()
	e.workMu.Lock()
	defer e.workMu.Unlock()
	for _, done := range e.wait {
		done.Wait()
		done.Signal() // for another Close
	}
	return nil
}

// forget takes d off the list, under mu. The last takes its place: the list has
// no order.
func (e *Engine) forget(d *EVD) {
	last := len(e.evds) - 1
	e.evds[d.slot] = e.evds[last]
	e.evds[d.slot].slot = d.slot
	e.evds[last] = nil
	e.evds = e.evds[:last]
	if d.fed < 0 {
		return
	}
	last = len(e.fed) - 1
	e.fed[d.fed] = e.fed[last]
	e.fed[d.fed].fed = d.fed
	e.fed[last] = nil
	e.fed = e.fed[:last]
}

// list returns the EVDs, the async EVD excepted, by age.
func (e *Engine) list() []*EVD {
	e.mu.Lock()
	defer e.mu.Unlock()
	evds := slices.DeleteFunc(slices.Clone(e.evds), func(d *EVD) bool { return d == e.async })
	slices.SortFunc(evds, func(a, b *EVD) int { return cmp.Compare(a.id, b.id) })
	return evds
}
