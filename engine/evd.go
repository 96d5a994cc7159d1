package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
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
	// Cold: hardly read, and hardly ever written. It lies between one EVD's fields
	// and the next one's, so it is pad.Size bytes at least.
	name      string
	leftovers func([]Event)
	admin     atom.Mutex               // serialises raising LIM and replacing fn
	closer    atom.Pointer[atom.Token] // there while nobody is in Close; guards dead. Writer: the first who closes
	resizing  atom.Mutex               // serialises Resize
	cno       atom.Pointer[CNO]        // Writers: ModifyCNO and Close, under admin. Readers: who enlists, Close
	*cnoSeat                           // Writer: who attaches, once, before cno
	spinner   *spinner                 // nil: waiters sleep at once
	eps       atom.Pointer[endpoints]  // Writer: setEndpoint under Engine.mu. Readers: who decodes a completion
	alarms    atom.Pointer[alarms]     // Writers: alarm, once. Readers: alarm
	last      atom.Pointer[Panic]      // Writers: who contains a panic
	_         [32]byte

	// Read-mostly, on one line: all that a post by way of the ring needs before its event
	// is published. It does not wait for the word's line then, which a waiter writes. (An
	// EVD of more than 512 bytes would not begin at a line: the allocator puts a header
	// before it.)
	src        atom.Pointer[sources] // Writers: newEVD, setPorts. Readers: everybody
	ring       ring.Chain[Event]
	own        *own  // owner: the slot holder that is an inline post, who makes it
	spillMax   int32 // 0: posts that find the ring full are refused
	id         uint32
	streams    Stream
	software   bool // streams has Software
	postInline bool
	bind       bool // streams has Bind
	merged     bool // streams has Connection and those of a CQ
	repanic    bool
	traced     bool        // Post is traced
	quick      bool        // Post may be a direct hand-off, and is not traced
	dead       bool        // guarded by closer
	prio       bool        // connection events of PostCM go ahead
	exclusive  bool        // one CQ, and who runs keeps TAKE; see exclusive.go
	flags      atom.Uint32 // bits and a count, see wait.go. Writers: everybody, seldom

	// Read-mostly. Whoever reads them goes on to the word.
	fn     UpcallFunc // Writer: ModifyUpcall, with LIM=0 and RUN=0 under admin. Readers: slot holders.
	batch  int32
	budget int32 // of a turn: Budget times Weight

	machine
	side atom.Pointer[side] // Writers: needSide, once. Readers: everybody
	tok  atom.Token         // Writer: the first waiter, before its first [W2]; then what wakes waiters

	// Cold again, and then the rare counters: between the word and what the holder of
	// TAKE writes there are pad.Size bytes at least.
	places    places       // what is reserved and joined
	dog       evdDog       // owner: the watchdog
	slot, fed int32        // owner: Engine.mu; places in Engine.evds and Engine.fed, -1: not there
	target    atom.Int32   // Writer: the waiter, before [W2]. Readers: triggers. What he waits for
	beats     atom.Counter // Writer: who lingers, now and then: it is alive
	stats     stats

	// owner: the holder of TAKE
	wcs      []hwcq.WC
	turn     int32 // the CQ to look at first
	ringLast bool  // the last batch came from the ring
	busy     bool  // the last look of a runner after an upcall found something
}

// NewEVD creates an EVD and starts the pollers of its CQs.
//
// Completions that are already on a CQ are delivered (or, with Policy Disable,
// wait for Dequeue). CQs are armed only if the policy allows upcalls (those of
// DispatchQueued always: there the pump is the CQ's consumer, not the upcall).
func (e *Engine) NewEVD(cfg EVDConfig) (*EVD, error) {
	if err := e.valid("engine: NewEVD"); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if g := cfg.Poller; g != nil && g.e != e {
		return nil, g.foreignErr("engine: NewEVD")
	}
	if c := cfg.CNO; c != nil {
		if c.e != e {
			return nil, c.foreignErr("engine: NewEVD")
		}
		if err := c.hold("engine: NewEVD"); err != nil {
			return nil, err
		}
	}
	d, err := e.newEVD(cfg)
	if err != nil {
		if cfg.CNO != nil {
			cfg.CNO.letGo()
		}
		return nil, err
	}
	if err := d.begin(cfg.Poller); err != nil {
		return nil, err
	}
	if err := d.bindCQs("engine: NewEVD"); err != nil {
		return nil, err
	}
	return d, nil
}

func (e *Engine) newEVD(cfg EVDConfig) (*EVD, error) {
	cfg = cfg.withDefaults()
	d := &EVD{
		software:   cfg.Streams&Software != 0,
		postInline: cfg.Dispatch == DispatchInline && !cfg.Exclusive,
		bind:       cfg.Streams&Bind != 0,
		merged:     cfg.Streams&Connection != 0 && cfg.Streams&(DTO|Bind) != 0,
		repanic:    cfg.Repanic,
		prio:       cfg.Priority,
		exclusive:  cfg.Exclusive,
		traced:     e.tracing&(TraceAPI|TraceEVD|TraceCompletion|traceRegions) != 0,
		batch:      int32(cfg.Batch),
		budget:     int32(cfg.Budget * cfg.Weight),
		spillMax:   int32(cfg.SpillLimit),
		streams:    cfg.Streams,
		name:       cfg.Name,
		leftovers:  cfg.Leftovers,
		fn:         cfg.Upcall,
	}
	d.quick = d.mayHandOff() && !d.traced
	if err := d.ring.Init(cfg.Capacity); err != nil {
		return nil, fmt.Errorf("engine: NewEVD: Capacity: %w", err)
	}
	d.machine = machine{e: e, self: d, queued: cfg.Dispatch == DispatchQueued, class: classOf(e.cfg.Priority, cfg.Streams)}
	src := noSources
	if len(cfg.CQs) > 0 {
		src = &sources{}
	}
	for i, cq := range cfg.CQs {
		d.attach(src, cq, uint16(i), cfg)
	}
	d.src.Store(src)
	w := word(0)
	if len(src.direct) == 0 {
		w |= bARM // nothing to arm; who joins a shared CQ arms his port
	} else if cfg.Poller == nil { // of very many some may never be used: see EVD.poll
		d.wcs = make([]hwcq.WC, cfg.Batch)
	}
	d.spinner = d.newSpinner(cfg.WaitMode)
	l := e.level(cfg.Policy)
	e.needWorkers(int(l.lim()))
	d.word.Store(uint64(w.policy(l)))
	if err := e.add(d); err != nil {
		return nil, err
	}
	e.trace(TraceAPI, "evd_create", "evd", d, "min_qlen", cfg.Capacity, "upcall_policy", cfg.Policy, "flags", cfg.Streams, "cqs", len(cfg.CQs))
	if cfg.CNO != nil {
		d.join(cfg.CNO) // refused only if the engine has been closed meanwhile, and the EVD with it
	}
	return d, nil
}

// begin starts the pollers of the EVD's CQs, or gives them to g. After an error the EVD is
// closed.
func (d *EVD) begin(g *Poller) error {
	e := d.e
	var errs []error
	for _, l := range d.links() {
		if l.poll == nil {
			continue // a port: a waiter of the CNO had it join
		}
		l.listen(ear{d, l})
		if g != nil {
			if err := g.admit(l.poll); err != nil {
				errs = append(errs, fmt.Errorf("engine: NewEVD: CQs[%d]: %w", l.index, err))
				l.poll.refused()
			}
			continue
		}
		if e.tracing&traceRegions != 0 {
			l.poll.r.labelled("poller", d.name)
		}
		e.keep("poller", d.name, l.poll.serve, l.poll.done)
	}
	if len(errs) > 0 {
		_ = d.close(context.Background()) // no upcall has begun that could stay
	}
	return errors.Join(errs...)
}

// attach ties a CQ to the EVD, directly or through a pump. (Not through one
// where connection events have their place among the completions: a ring full
// of other events would come between.)
func (d *EVD) attach(src *sources, cq hwcq.CQ, index uint16, cfg EVDConfig) {
	l := d.e.newLink(cq, d, cfg.Mode, cfg.SolicitedOnly, cfg.CPU, cfg.Poller)
	l.index = index
	if cfg.Poller == nil {
		l.poll.r.stays = true
	}
	if cfg.Exclusive {
		l.poll.r.lingers = l.poll
	}
	src.links = append(src.links, l)
	// Whoever enables arms and looks, so the poller need not begin with it.
	l.poll.started = cfg.Policy == Disable
	if cfg.Dispatch != DispatchQueued || d.merged {
		src.direct = append(src.direct, l)
		return
	}
	l.poll.started = false // its pump runs from the start
	p := &pump{d: d, link: l, buf: make([]hwcq.WC, cfg.Batch)}
	p.machine = machine{e: d.e, self: p, class: d.class}
	p.word.Store(uint64(word(0).policy(1 << limShift)))
	l.owner = p
	src.pumps = append(src.pumps, p)
}

// add registers an EVD and numbers it.
func (e *Engine) add(d *EVD) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("engine: NewEVD: engine: %w", ErrClosed)
	}
	for _, l := range d.links() {
		if o := e.cqs[l.cq]; o != "" {
			return fmt.Errorf("engine: NewEVD: CQs[%d]: %w: it feeds %s", l.index, ErrBusy, o)
		}
	}
	d.id = e.nextID // 0 is the async EVD
	e.nextID++
	if d.name == "" {
		d.name = fmt.Sprintf("evd%d", d.id)
	}
	for _, l := range d.links() {
		e.cqs[l.cq] = fmt.Sprintf("EVD %q", d.name)
	}
	d.slot = int32(len(e.evds))
	e.evds = append(e.evds, d)
	d.fed = -1
	if len(d.links()) > 0 {
		d.fed = int32(len(e.fed))
		e.fed = append(e.fed, d)
	}
	return nil
}

// ID returns the number that events carry in their EVD field. It is never
// reused in an engine.
func (d *EVD) ID() uint32 { return d.id }

// Name returns EVDConfig.Name, or a generated one.
func (d *EVD) Name() string { return d.name }

// Capacity returns how many events the EVD's ring holds at least: what it was
// created with, or the last Resize has made of it.
func (d *EVD) Capacity() int { return d.ring.Cap() }

// valid is the check of a handle.
func (d *EVD) valid(op string) error {
	if d == nil || d.e == nil {
		return nilHandle(op, "EVD")
	}
	return nil
}

// label names the EVD in errors and traces.
func (d *EVD) label() string {
	if d == nil {
		return "nil"
	}
	return d.name
}

func (d *EVD) closedErr(op string) error {
	return fmt.Errorf("%s: EVD %q: %w", op, d.name, ErrClosed)
}
