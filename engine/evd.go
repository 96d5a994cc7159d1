package engine

import (
	"context"
	"fmt"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/ring"
)

// EVD is an event dispatcher: a bounded FIFO of events from CQs and from
// software, and the upcall they are delivered to.
//
// Concurrency: all methods from any goroutine. Calls from inside the EVD's own
// upcall go through its Upcall handle.
// Progress: Post, Dequeue and ModifyUpcall(Disable, Same) are lock-free.
// Ownership: the CQs stay the caller's; the EVD is their only poller until it
// is closed.
// Zero value: not usable; use Engine.NewEVD. Must not be copied.
type EVD struct {
	// Read-mostly.
	id         uint32
	software   bool // streams has Software
	postInline bool
	batch      int
	budget     int
	streams    Stream
	name       string
	leftovers  func([]Event)
	ring       *ring.MPSC[Event]
	fn         UpcallFunc // Writer: ModifyUpcall, with LIM=0 and RUN=0 under admin. Readers: slot holders.
	links      []*link
	direct     []*link // those that feed the EVD itself; the others feed pumps
	pumps      []*pump
	own        *runner // owner: the slot holder that is an inline post

	admin  atom.Mutex // serialises raising LIM and replacing fn
	closer atom.Token // there while nobody is in Close; guards dead
	dead   bool

	_ pad.Line
	machine
	_ pad.Line

	// owner: the holder of TAKE
	wcs      []hwcq.WC
	turn     int  // the CQ to look at first
	ringLast bool // the last batch came from the ring

	_     pad.Line
	stats stats
}

// NewEVD creates an EVD and starts the pollers of its CQs.
//
// Completions that are already on a CQ are delivered (or, with Policy Disable,
// wait for Dequeue). CQs are armed only if the policy allows upcalls.
func (e *Engine) NewEVD(cfg EVDConfig) (*EVD, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	r, err := ring.New[Event](cfg.Capacity)
	if err != nil {
		return nil, fmt.Errorf("engine: NewEVD: Capacity: %w", err)
	}
	d := &EVD{
		software:   cfg.Streams&Software != 0,
		postInline: cfg.Dispatch == DispatchInline,
		batch:      cfg.Batch,
		budget:     cfg.Budget,
		streams:    cfg.Streams,
		name:       cfg.Name,
		leftovers:  cfg.Leftovers,
		ring:       r,
		fn:         cfg.Upcall,
		closer:     atom.NewToken(),
	}
	d.closer.Signal()
	d.machine = machine{e: e, self: d}
	if d.postInline {
		d.own = &runner{evs: make([]Event, cfg.Batch)}
	}
	turns := 0
	if cfg.Mode == ModeAdaptive && len(cfg.CQs) > 0 {
		turns = e.spinTurns()
	}
	for i, cq := range cfg.CQs {
		d.attach(cq, uint16(i), cfg, turns)
	}
	w := word(0)
	if len(d.direct) == 0 {
		w |= bARM // nothing to arm, ever
	} else {
		d.wcs = make([]hwcq.WC, cfg.Batch)
	}
	d.word.Store(uint64(w.policy(cfg.Policy.limit())))
	if err := e.add(d); err != nil {
		return nil, err
	}
	for _, l := range d.links {
		e.keep("poller", d.name, l.poll.serve, l.poll.done)
	}
	return d, nil
}

// attach ties a CQ to the EVD, directly or through a pump.
func (d *EVD) attach(cq hwcq.CQ, index uint16, cfg EVDConfig, turns int) {
	l := &link{cq: cq, index: index, solic: cfg.SolicitedOnly, owner: d}
	if cfg.Mode != ModeEvent {
		l.state.Store(lWATCH)
	}
	l.poll = &poller{link: l, mode: cfg.Mode, budget: turns, done: atom.NewToken(), st: &d.stats.poll, r: runner{stays: true}}
	d.links = append(d.links, l)
	if cfg.Dispatch != DispatchQueued {
		d.direct = append(d.direct, l)
		return
	}
	p := &pump{d: d, link: l, buf: make([]hwcq.WC, cfg.Batch)}
	p.machine = machine{e: d.e, self: p}
	p.word.Store(uint64(word(0).policy(1)))
	l.owner = p
	d.pumps = append(d.pumps, p)
}

// add registers an EVD and numbers it.
func (e *Engine) add(d *EVD) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("engine: NewEVD: engine: %w", ErrClosed)
	}
	for _, l := range d.links {
		if o := e.cqs[l.cq]; o != nil {
			return fmt.Errorf("engine: NewEVD: CQs[%d]: %w: it feeds EVD %q", l.index, ErrBusy, o.name)
		}
	}
	for _, l := range d.links {
		e.cqs[l.cq] = d
	}
	e.nextID++
	d.id = e.nextID
	if d.name == "" {
		d.name = fmt.Sprintf("evd%d", d.id)
	}
	e.evds[d.id] = d
	return nil
}

// ID returns the number that events carry in their EVD field. It is never
// reused in an engine.
func (d *EVD) ID() uint32 { return d.id }

// Name returns EVDConfig.Name, or a generated one.
func (d *EVD) Name() string { return d.name }

// Capacity returns how many events the EVD's ring holds at least.
func (d *EVD) Capacity() int { return d.ring.Cap() }

func (d *EVD) closedErr(op string) error {
	return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrClosed)
}

// Close ends the EVD: no upcall begins any more, Post and Dequeue return
// ErrClosed, upcalls that run are waited for, the pollers end, and events that
// were accepted and not delivered go to EVDConfig.Leftovers, oldest first.
// Completions that were not taken from a CQ stay there, and the CQ stays the
// caller's. Idempotent. Do not call it from the EVD's own upcall: it would
// wait for itself.
func (d *EVD) Close() error { return d.CloseContext(context.Background()) }

// CloseContext is Close with a limit on the wait for running upcalls. When ctx
// ends first its error is returned: the EVD is closed to everyone, and another
// Close continues the wait.
func (d *EVD) CloseContext(ctx context.Context) error {
	d.markClosed()
	d.ring.Close()
	if err := acquire(ctx, d.closer); err != nil {
		return fmt.Errorf("engine: Close: EVD %q: another Close: %w", d.name, err)
	}
	defer d.closer.Signal()
	if d.dead {
		return nil
	}
	for _, p := range d.pumps {
		p.disable()
		if err := d.e.waitQuiet(ctx, &p.machine, false); err != nil {
			return fmt.Errorf("engine: Close: EVD %q: pump: %w", d.name, err)
		}
	}
	if err := d.e.waitQuiet(ctx, &d.machine, true); err != nil {
		return fmt.Errorf("engine: Close: EVD %q: running upcall: %w", d.name, err)
	}
	for _, l := range d.links {
		l.poll.askStop()
	}
	for _, l := range d.links {
		l.poll.wait()
	}
	d.drain()
	d.dead = true
	d.e.mu.Lock()
	delete(d.e.evds, d.id)
	for _, l := range d.links {
		delete(d.e.cqs, l.cq)
	}
	d.e.mu.Unlock()
	return nil
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

// markClosed is transition [C].
func (d *EVD) markClosed() {
	for {
		s := d.load()
		if s&bCLOSE != 0 || d.word.CompareAndSwap(uint64(s), uint64(s.policy(0)|bCLOSE)) { // [C] refuses every later TAKE and slot
			return
		}
	}
}

// disable is [D] for a pump.
func (p *pump) disable() {
	for {
		s := p.load()
		if p.word.CompareAndSwap(uint64(s), uint64(s.policy(0))) {
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
	for _, p := range d.pumps {
		for len(p.stash) > 0 {
			n := min(len(buf), len(p.stash))
			for i := range n {
				eventFromWC(&buf[i], &p.stash[i], d.id, p.link.index)
			}
			p.stash = p.stash[n:]
			d.stats.polled.Add(uint64(n))
			hand(n)
		}
	}
}
