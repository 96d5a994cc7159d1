package engine

import "time"

// Query is what an EVD is and does at a moment. Its fields are read one after
// the other: beside others that change them they need not fit together.
type Query struct {
	ID       uint32
	Name     string
	Streams  Stream
	Capacity int
	Policy   Policy // Disable after Teardown; Many is reported as ManyLimit
	Running  int    // upcalls that run or may begin; 0 on a CNO
	CNO      string // name of the CNO that the EVD is on, empty if on none
	Ready    bool   // it is on the CNO's ready list, one of its waiters has it, or somebody is looking
	Pending  int    // events that wait, at least: a CQ that has any counts as one
	Waitable bool   // SetUnwaitable was not called
	Waiting  bool   // somebody is in Wait
	Armed    bool   // a completion would be noticed: the CQs are armed or watched
	Closed   bool
	Modes    []Mode // of each CQ of its own, as last set; nil without

	WaitMode   WaitMode      // as configured; WaitPark where waiters cannot spin
	WaitBudget time.Duration // WaitAdaptive: how long a waiter spins now before it sleeps

	Stats Stats
}

// Query returns a snapshot. For any goroutine; it takes part in nothing and
// holds up nobody. Of a nil EVD it is the zero Query.
func (d *EVD) Query() Query {
	if d.valid("") != nil {
		return Query{}
	}
	var modes []Mode
	for _, l := range d.links()[:d.ownCQs()] {
		modes = append(modes, l.mode())
	}
	s := d.load()
	on, slots := d.cno.Load(), int(s.run())
	name, running := "", slots
	if on != nil {
		name = on.name
	}
	if s&bCNO != 0 {
		running = 0
	}
	return Query{
		ID: d.id, Name: d.name, Streams: d.streams, Capacity: d.ring.Cap(),
		Policy:   policyOf(s.level()),
		Running:  running,
		CNO:      name,
		Ready:    s&bCNO != 0 && slots > 0,
		Pending:  d.backlog(),
		Waitable: d.flags.Load()&fUnwaitable == 0,
		Waiting:  s&bOWN != 0,
		Armed:    s&bARM != 0,
		Closed:   s&bCLOSE != 0,
		Modes:    modes,

		WaitMode:   d.waitMode(),
		WaitBudget: d.waitBudget(),

		Stats: d.Stats(),
	}
}

// left is backlog for the holder of TAKE, in which events in flight need not count.
func (d *EVD) left() int {
	if d.ring.Committed(1) == 0 {
		return d.beside(0) // the ticket is not looked at: its line is the posters'
	}
	return d.backlog()
}

// backlog is how many events are pending, at least: CQs do not tell.
func (d *EVD) backlog() int { return d.beside(d.ring.Held()) }

// beside is backlog with n in the ring.
func (d *EVD) beside(n int) int {
	if sd := d.side.Load(); sd != nil {
		n += int(sd.n.Load())
	}
	for _, l := range d.links() {
		if l.cq.Pending() {
			n++
		}
	}
	return n
}
