package engine

import (
	"fmt"
	"maps"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// Credits are places reserved for the completions of one queue pair, so that these
// can never outrun the CQ, the port or the ring that they pass. (The idea is that of
// ib_cq_pool_get in linux drivers/infiniband/core/cq.c, which hands out a CQ only
// with as many entries as the caller may have outstanding.)
//
// Acquire one for each work request before it is submitted, unsignalled ones too: an
// error completes them all. The engine gives it back when the completion is taken,
// by an upcall, Dequeue or Wait. One for a request that was not submitted after all,
// or that a later completion has shown to be done without one of its own, is given
// back with Release.
//
// Concurrency: all methods from any goroutine, also from upcalls. Acquire, Release
// and Free are lock-free; Acquire and Release do not allocate when they succeed, nor
// does Acquire when there is no credit.
// Zero value: not usable; use EVD.Join or EVD.Reserve. Must not be copied.
//
// Invariant: 0 <= free <= limit. Where a credit is missing its request is
// outstanding, or its completion is on the CQ, in the port, pump, ring or stash.
type Credits struct {
	d     *EVD
	s     *SharedCQ // nil: a CQ of the EVD's own
	port  *port     // on s
	qp    uint32
	cq    uint16
	limit uint32
	state atom.Uint32 // free, or cGone. Writers: everybody
}

// cGone ends a Credits: it stands for no number.
const cGone = 1 << 31

// CreditsConfig says what EVD.Reserve is to reserve.
type CreditsConfig struct {
	CQ    int    // index in EVDConfig.CQs
	QPNum uint32 // the number that the queue pair's completions carry
	N     int    // places, at least 1: the most work requests outstanding
}

// places are what an EVD has reserved and joined.
type places struct {
	mu   atom.Mutex // taken before any SharedCQ.mu
	left bool       // owner: mu; the EVD is closed

	// credits is replaced, never changed, by who holds mu. Readers: who takes.
	credits atom.Pointer[creditTable]
}

// creditTable has the credits of an EVD. It is nil where there are none.
type creditTable map[creditKey]*Credits

type creditKey struct {
	cq uint16
	qp uint32
}

// Reserve reserves places for the completions of a queue pair on one of the EVD's
// own CQs. (On a shared one Join does.)
//
// Errors: ErrCredits when the CQ has not so many left, or, with DispatchQueued, the
// EVD's ring (what passes the ring may not exceed Capacity in all); ErrBusy when the
// queue pair has credits there already; ErrInvalid; ErrClosed. Nothing is reserved
// then.
func (d *EVD) Reserve(cfg CreditsConfig) (*Credits, error) {
	const op = "engine: Reserve"
	if err := d.valid(op); err != nil {
		return nil, err
	}
	if err := d.checkCQ(op, "CQ", cfg.CQ); err != nil {
		return nil, err
	}
	if cfg.N < 1 {
		return nil, param.Invalid(op, "N", cfg.N, "at least 1")
	}
	l := d.links()[cfg.CQ]
	c := &Credits{d: d, qp: cfg.QPNum, cq: l.index}
	d.resizing.Lock() // taken before places.mu: the ring does not become smaller meanwhile
	defer d.resizing.Unlock()
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	if err := d.mayReserve(op, c, l, cfg.N); err != nil {
		return nil, err
	}
	d.enter(c, cfg.N)
	d.e.trace(TraceAPI, "credits_reserve", "evd", d, "cq", cfg.CQ, "qp", cfg.QPNum, "credits", cfg.N)
	return c, nil
}

// mayReserve holds places.mu.
func (d *EVD) mayReserve(op string, c *Credits, l *link, n int) error {
	if d.places.left {
		return d.closedErr(op)
	}
	table := d.creditsNow()
	if table[creditKey{c.cq, c.qp}] != nil {
		return fmt.Errorf("%s: QPNum = %d: %w: EVD %q has credits for it on CQ %d", op, c.qp, ErrBusy, d.name, c.cq)
	}
	onCQ := 0
	for _, x := range table {
		if x.cq == c.cq { // that of a port is another number
			onCQ += int(x.limit)
		}
	}
	if n > l.depth-onCQ {
		return param.Wrong(ErrCredits, op, "N", n, fmt.Sprintf("at most %d: CQ %d holds %d, and %d are reserved", l.depth-onCQ, c.cq, l.depth, onCQ))
	}
	if used := d.ringReserved(); l.owner != sink(d) && n > d.ring.Cap()-used {
		return param.Wrong(ErrCredits, op, "N", n, fmt.Sprintf("at most %d: EVD %q holds %d, and %d are reserved", d.ring.Cap()-used, d.name, d.ring.Cap(), used))
	}
	return nil
}

// reserved returns how many places of the ring are reserved: the EVD's capacity
// must not fall below that.
func (d *EVD) reserved() int {
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	return d.ringReserved()
}

// ringReserved holds places.mu.
func (d *EVD) ringReserved() (n int) {
	pumped := map[uint16]bool{}
	for _, p := range d.pumps() {
		pumped[p.link.index] = true
	}
	for _, c := range d.creditsNow() {
		if pumped[c.cq] {
			n += int(c.limit)
		}
	}
	return n
}

func (d *EVD) creditsNow() creditTable {
	if t := d.places.credits.Load(); t != nil {
		return *t
	}
	return nil
}

// enter puts c, of n places, into the EVD's table. Under places.mu.
func (d *EVD) enter(c *Credits, n int) {
	c.limit = uint32(n)
	c.state.Store(c.limit)
	t := maps.Clone(d.creditsNow())
	if t == nil {
		t = creditTable{}
	}
	t[creditKey{c.cq, c.qp}] = c
	d.places.credits.Store(&t)
}

// giveBack returns the credits of events that have just been taken. A completion
// that is left from an earlier queue pair of the same number, where that can be told
// (EndpointConfig.Tagged), has none.
func (t *creditTable) giveBack(d *EVD, evs []Event) {
	for i := range evs {
		ev := &evs[i]
		if ev.Stream&(DTO|Bind) == 0 {
			continue
		}
		c := (*t)[creditKey{ev.CQ, ev.QPNum}]
		if c == nil {
			continue
		}
		if ep := d.endpoint(ev.QPNum); ep != nil && ep.tagged && uint32(ev.WRID>>32) != ep.gen {
			continue
		}
		_ = c.give(1) // one too many is refused: somebody has submitted without
	}
}

// give returns n places, and answers false if so many are not out.
//
// [H9] release: the place in CQ, port or ring has been freed before; pairs with
// Acquire.
func (c *Credits) give(n uint32) bool {
	for {
		s := c.state.Load()
		if s == cGone || n > c.limit-s {
			return false
		}
		if c.state.CompareAndSwap(s, s+n) {
			return true
		}
	}
}

// Acquire takes n credits, all or none.
//
// Errors: ErrNoCredit when fewer are free; ErrInvalid for n outside 1..Limit;
// ErrClosed after Close, that of the EVD too.
func (c *Credits) Acquire(n int) error {
	const op = "engine: Acquire"
	if err := c.valid(op); err != nil {
		return err
	}
	if n < 1 || n > int(c.limit) {
		return c.wrong(op, n)
	}
	for {
		s := c.state.Load()
		if s == cGone {
			return c.closedErr(op)
		}
		if uint32(n) > s {
			return ErrNoCredit
		}
		if c.state.CompareAndSwap(s, s-uint32(n)) { // [H9] acquire: what was freed
			return nil
		}
	}
}

// Release gives n credits back for which no completion is to come.
//
// Errors: ErrInvalid for more than are out; ErrClosed.
func (c *Credits) Release(n int) error {
	const op = "engine: Release"
	if err := c.valid(op); err != nil {
		return err
	}
	if n < 1 || n > int(c.limit) {
		return c.wrong(op, n)
	}
	if c.give(uint32(n)) {
		return nil
	}
	s := c.state.Load()
	if s == cGone {
		return c.closedErr(op)
	}
	return param.Invalid(op, "n", n, fmt.Sprintf("at most %d, those that are out", c.limit-s))
}

// Free returns how many credits are free now, 0 after Close.
func (c *Credits) Free() int {
	if c.valid("") != nil {
		return 0
	}
	if s := c.state.Load(); s != cGone {
		return int(s)
	}
	return 0
}

// Limit returns how many there are in all.
func (c *Credits) Limit() int {
	if c.valid("") != nil {
		return 0
	}
	return int(c.limit)
}

// Close returns all places and, on a shared CQ, the queue pair's number: its
// completions are not routed to the EVD any more. Destroy the queue pair first, and
// take its completions, or they are Unrouted, or go to whoever joins with the number
// next. What is in the port already is delivered. Idempotent. The EVD's Close does it
// for all.
func (c *Credits) Close() error {
	if err := c.valid("engine: Credits.Close"); err != nil {
		return err
	}
	d := c.d
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	if c.state.Load() == cGone {
		return nil
	}
	over := c.s != nil && c.s.leave(c)
	d.expel(c)
	if over {
		d.trigger(srcPost) // what waited for more to come does not any more
	}
	d.wakeWaiter() // there may be nothing left to wait for
	d.e.trace(TraceAPI, "credits_free", "evd", d, "cq", c.cq, "qp", c.qp)
	return nil
}

// expel takes c off the EVD's table, and the ports off that are of no use. Under
// places.mu.
func (d *EVD) expel(c *Credits) {
	c.state.Store(cGone)
	t := maps.Clone(d.creditsNow())
	delete(t, creditKey{c.cq, c.qp})
	if len(t) == 0 {
		d.places.credits.Store(nil)
	} else {
		d.places.credits.Store(&t)
	}
	d.dropPorts()
}

// leaveAll ends everything that the EVD has reserved and joined, for good.
func (d *EVD) leaveAll() {
	d.places.mu.Lock()
	defer d.places.mu.Unlock()
	d.places.left = true
	all := d.creditsNow()
	d.places.credits.Store(nil)
	for _, c := range all {
		c.state.Store(cGone)
		if c.s != nil {
			c.s.leave(c)
		}
	}
}

func (c *Credits) valid(op string) error {
	if c == nil || c.d == nil {
		return nilHandle(op, "credits")
	}
	return nil
}

func (c *Credits) wrong(op string, n int) error {
	return param.Invalid(op, "n", n, fmt.Sprintf("1..%d, the limit", c.limit))
}

func (c *Credits) closedErr(op string) error {
	return fmt.Errorf("%s: credits of queue pair %d on EVD %q: %w", op, c.qp, c.d.name, ErrClosed)
}
