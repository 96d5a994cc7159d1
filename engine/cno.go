package engine

import (
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// CNO is a consumer notification object: many EVDs, which collect their events,
// and many waiters (NewWaiter), each of which is given one EVD that has some.
//
// It is exact. An EVD that has events is on the ready list, or a waiter has it; it
// is not forgotten because another became ready at the same time, nor because the
// one who had it left something behind. As many waiters are woken as EVDs become
// ready.
//
// An EVD on a CNO is one whose only run slot the CNO has: see attend. So the CNO
// is told once for each time that the EVD goes from empty to not empty; a post to
// an EVD that is listed costs what a post to an upcall that runs costs.
//
// Invariants, under mu:
//
//	an EVD is in the list, or has an owner, or neither; it holds its slot then, or
//	whoever will put it there does
//	a waiter sleeps only while the list is empty
//	a waiter that is taken off the sleepers is owed one token by whoever did that
//
// Concurrency: all methods from any goroutine. A mutex, as in runq: it is paid for
// by a readiness, beside a goroutine's wake-up, and never by an event. No code of the
// user's is called under it, and of the system's that of the eventfd.
// Ownership: the caller closes it, after its EVDs; Engine.Close does otherwise.
// Zero value: not usable; use Engine.NewCNO. Must not be copied.
// Source: DAT_CNO_HANDLE (uDAPL 2.0), which is one bit and the latest EVD.
type CNO struct {
	e    *Engine
	name string

	mu       atom.Mutex
	ready    readyList  // owner: mu
	sleepers waiterList // owner: mu
	evds     int        // owner: mu; attached, or about to be
	owned    int        // owner: mu; EVDs that waiters have
	fd       eventFD    // owner: mu
	closed   bool       // owner: mu
}

// CNOConfig configures a CNO. The zero value is a good default.
type CNOConfig struct {
	// Name appears in errors and traces. Generated if empty.
	Name string

	// Priority has the EVD of async errors handed out ahead of others, and those
	// with stream Connection or CR ahead of the rest. Of those that are passed over
	// one is handed out after every eight: none starves. Without it the order is
	// that in which they became ready.
	Priority bool
}

// CNOQuery is what a CNO is and does at a moment.
type CNOQuery struct {
	Name    string
	EVDs    int // that are on it
	Ready   int // of these: have events, and no waiter has them
	Owned   int // of these: a waiter has them
	Waiters int // that sleep
	Closed  bool
}

// NewCNO creates a CNO.
//
// Errors: ErrClosed.
// Source: dat_cno_create (uDAPL 2.0); instead of an agent there is FD.
func (e *Engine) NewCNO(cfg CNOConfig) (*CNO, error) {
	const op = "engine: NewCNO"
	if err := e.valid(op); err != nil {
		return nil, err
	}
	c := &CNO{e: e, name: cfg.Name, ready: readyList{priority: cfg.Priority}}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("%s: engine: %w", op, ErrClosed)
	}
	if c.name == "" {
		c.name = fmt.Sprintf("cno%d", e.nextCNO)
	}
	e.nextCNO++
	e.cnos[c] = true
	e.trace(TraceAPI, "cno_create", "cno", c.name)
	return c, nil
}

// Name returns CNOConfig.Name, or a generated one.
func (c *CNO) Name() string { return c.name }

// Query returns a snapshot. Of a nil CNO it is the zero CNOQuery.
func (c *CNO) Query() CNOQuery {
	if c.valid("") != nil {
		return CNOQuery{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return CNOQuery{Name: c.name, EVDs: c.evds, Ready: c.ready.n, Owned: c.owned, Waiters: c.sleepers.n, Closed: c.closed}
}

// Close ends the CNO and closes its descriptor. It is refused with ErrBusy, and
// nothing changes, while EVDs are on it (detach or close them first) or a waiter
// sleeps. Idempotent.
// Source: dat_cno_free (uDAPL 2.0), DAT_INVALID_STATE_CNO_IN_USE.
func (c *CNO) Close() (err error) {
	const op = "engine: CNO.Close"
	if err := c.valid(op); err != nil {
		return err
	}
	if c.e.tracing&TraceAPI != 0 {
		defer func() { c.e.traceAPI(err, "cno_free", "cno", c.name) }()
	}
	c.mu.Lock()
	if n, s := c.evds, c.sleepers.n; n > 0 || s > 0 {
		c.mu.Unlock()
		return fmt.Errorf("%s: CNO %q: %w: %d EVDs are on it, %d waiters sleep", op, c.name, ErrBusy, n, s)
	}
	c.shut()
	c.mu.Unlock()
	c.e.mu.Lock() // never under c.mu: the watchdog takes them in this order
	delete(c.e.cnos, c)
	c.e.mu.Unlock()
	return nil
}

// shut closes the CNO, and has the waiters go. Under mu.
func (c *CNO) shut() {
	if c.closed {
		return
	}
	c.closed = true
	c.fd.close()
	for w := c.sleepers.pop(); w != nil; w = c.sleepers.pop() {
		w.asleep = false
		w.tok.Signal()
	}
}

// closeCNOs closes the CNOs; with idle only those without EVDs: the one that has the
// EVD of async errors is of use until upcalls are over.
func (e *Engine) closeCNOs(idle bool) {
	e.mu.Lock()
	cnos := slices.Collect(maps.Keys(e.cnos))
	if !idle {
		clear(e.cnos)
	}
	e.mu.Unlock()
	for _, c := range cnos {
		c.mu.Lock()
		if !idle || c.evds == 0 {
			c.shut()
		}
		c.mu.Unlock()
	}
}

// valid is the check of a handle.
func (c *CNO) valid(op string) error {
	if c == nil || c.e == nil {
		return nilHandle(op, "CNO")
	}
	return nil
}

// hold counts an EVD that is about to be on the CNO, so that it is not closed.
func (c *CNO) hold(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.closedErr(op)
	}
	c.evds++
	return nil
}

// letGo undoes hold.
func (c *CNO) letGo() {
	c.mu.Lock()
	c.evds--
	c.mu.Unlock()
}

// push puts d, whose slot the caller has, at the end of the list. Under mu.
func (c *CNO) push(d *EVD) {
	c.ready.push(d)
	if c.ready.n == 1 {
		c.fd.raise()
	}
}

// next takes the EVD that is due off the list for w; nil if there is none. Under mu.
func (c *CNO) next(w *CNOWaiter) *EVD {
	d := c.ready.pop()
	if d == nil {
		return nil
	}
	if c.ready.n == 0 {
		c.fd.lower()
	}
	c.give(d, w)
	return d
}

// give makes w the owner of d, whose slot the caller has. Under mu.
func (c *CNO) give(d *EVD, w *CNOWaiter) {
	atom.PlainWrite(unsafe.Pointer(&d.cnoSeat))
	d.owner, w.evd = w, d
	c.owned++
}

// takeBack ends the ownership of d: the caller has the slot. Under mu.
func (c *CNO) takeBack(d *EVD) {
	atom.PlainWrite(unsafe.Pointer(&d.cnoSeat))
	d.owner.evd, d.owner = nil, nil
	c.owned--
}

// drop is transition [K3]: d goes to another CNO, or to none, and leaves the list, or
// its owner, who finds out when he comes back to it. It answers whether the caller
// has the slot now; if not, who has it has yet to lock mu in enlist.
//
// The pointer changes under mu, in the same critical section, and last: before,
// nobody can have listed d elsewhere, so that what is seen of it here is this CNO's;
// and afterwards nobody lists it here.
func (c *CNO) drop(d *EVD, to *CNO) (slot bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evds--
	atom.PlainRead(unsafe.Pointer(&d.cnoSeat))
	switch {
	case d.listed:
		c.ready.remove(d)
		if c.ready.n == 0 {
			c.fd.lower()
		}
		slot = true
	case d.owner != nil:
		c.takeBack(d)
		slot = true
	}
	d.cno.Store(to) // [K3] release: the seat is free; pairs with [K2]
	return slot
}

func (c *CNO) closedErr(op string) error {
	return fmt.Errorf("%s: CNO %q: %w", op, c.name, ErrClosed)
}

func (c *CNO) foreignErr(op string) error {
	return fmt.Errorf("%s: CNO %q: %w", op, c.name, ErrForeign)
}
