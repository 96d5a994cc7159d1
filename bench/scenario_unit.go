package bench

import (
	"errors"
	"reflect"
	"slices"
	"sync"

	"github.com/evdengine/evd/engine"
)

// unit is one dispatcher of a run, with the consumer of what comes out of it: an EVD, or
// what stands in for one (Config.Engine).
type unit struct {
	s   *session
	con *consumer
	ids []int // of the producers whose events come out here

	// Of a workload that runs scenarios: what becomes of events, however they came out.
	// nil: the workload has an upcall of its own, and nothing else.
	sink func(how origin, evs []engine.Event)

	evd  *engine.EVD // nil: there is a substitute
	base *substitute

	// lock is held around sink where several goroutines may be in it. nil: there is
	// one at a time.
	lock *sync.Mutex
	work int // turns of the handler's work for each event

	notified chan struct{}  // PolicyNotify: the dequeuer's turn
	buf      []engine.Event // of whoever dequeues
	closed   bool           // owner: Run
}

// newUnit is one more dispatcher. Only before the EVDs are made.
func (s *session) newUnit() *unit {
	u := &unit{s: s, con: &consumer{}}
	s.units = append(s.units, u)
	return u
}

// book opens the book of a producer whose events come out of this unit.
func (u *unit) book(name string, software bool) *Producer {
	p := &Producer{ID: len(u.s.books)}
	u.s.books = append(u.s.books, book{p, name, software})
	u.ids = append(u.ids, p.ID)
	return p
}

// open makes the EVD, or what stands in for it.
func (u *unit) open(ec engine.EVDConfig) (err error) {
	s := u.s
	u.con.Checker = NewChecker(len(s.books))
	if s.scn.policy.kind == PolicySingle && !s.scn.other {
		u.con.tags = upcallTags{ctx: s.ctx, phase: &s.phase, name: ec.Name}
	}
	u.con.unordered = s.scn.policy.kind == PolicyMany
	if ec.Streams&engine.Connection != 0 {
		u.con.notices = map[engine.EventNumber]uint64{}
	}
	ec.Leftovers = u.left
	if u.sink != nil && !s.scn.plain() {
		u.work = s.scn.turns
		if s.scn.shared() {
			u.lock = new(sync.Mutex)
		}
		u.buf = make([]engine.Event, s.cfg.Batch)
		ec.Policy = s.scn.policy.engine()
		ec.Upcall = u.policyUpcall(ec.Upcall)
	}
	if s.scn.other && u.sink != nil {
		u.base, err = newSubstitute(u, ec)
		return err
	}
	if u.evd, err = s.eng.NewEVD(ec); err != nil {
		return err
	}
	if u.notified != nil {
		s.goWork("dequeuer", u.dequeuer)
	}
	return nil
}

// deliver hands events to the workload, and has the handler work on them.
func (u *unit) deliver(how origin, evs []engine.Event) {
	if u.lock == nil {
		u.sink(how, evs)
	} else {
		u.lock.Lock()
		u.sink(how, evs)
		u.lock.Unlock()
	}
	if u.work > 0 {
		_ = spinTurns(len(evs) * u.work)
	}
}

// exclusively runs fn while nobody is in sink. Only where there is a lock.
func (u *unit) exclusively(fn func()) {
	u.lock.Lock()
	defer u.lock.Unlock()
	fn()
}

// left takes what Close left over.
func (u *unit) left(evs []engine.Event) {
	if u.lock != nil {
		u.lock.Lock()
		defer u.lock.Unlock()
	}
	u.con.left(evs)
}

// post is EVD.Post. It takes a pointer, to what the caller keeps, lest it allocates.
func (u *unit) post(ev *engine.Event) error {
	if u.evd != nil {
		return u.evd.Post(*ev)
	}
	return u.base.post(ev)
}

// close is idempotent.
func (u *unit) close() error {
	switch {
	case u.evd != nil && !u.closed:
		u.closed = true
		return u.evd.Close()
	case u.base != nil:
		u.base.close()
	}
	return nil
}

func (u *unit) stats() engine.Stats {
	if u.evd != nil {
		return u.evd.Stats()
	}
	return u.base.stats()
}

// seen is how many events have come out and been dealt with, of all units.
func (s *session) seen() (n uint64) {
	for _, u := range s.units {
		n += u.con.seen.Load()
	}
	return n
}

// openUnits makes the dispatchers that the workload has asked for.
func (s *session) openUnits(first engine.EVDConfig) error {
	for i, ec := range append([]engine.EVDConfig{first}, s.also...) {
		if err := s.units[i].open(ec); err != nil {
			return err
		}
	}
	s.evd = s.units[0].evd
	return nil
}

// closeUnits closes them: no event comes out any more.
func (s *session) closeUnits() error {
	var errs []error
	for _, u := range s.units {
		errs = append(errs, u.close())
	}
	return errors.Join(errs...)
}

// engineStats are the counters of all units, added up.
func (s *session) engineStats() engine.Stats {
	sum := s.units[0].stats()
	for _, u := range s.units[1:] {
		high := sum.HighWater
		st := u.stats()
		addUp(reflect.ValueOf(&sum).Elem(), reflect.ValueOf(st))
		sum.HighWater = max(high, st.HighWater)
	}
	return sum
}

// addUp adds every number of b to that of a.
func addUp(a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Uint64:
		a.SetUint(a.Uint() + b.Uint())
	case reflect.Struct:
		for i := range a.NumField() {
			addUp(a.Field(i), b.Field(i))
		}
	case reflect.Array:
		for i := range a.Len() {
			addUp(a.Index(i), b.Index(i))
		}
	}
}

// balances draws up the conservation of all units.
func (s *session) balances() Conservation {
	if len(s.units) == 1 {
		u := s.units[0]
		return balance(s.books, u.con, u.stats())
	}
	sum := Conservation{Producers: []ProducerBalance{}, Violations: []string{}}
	for i, u := range s.units {
		var books []book
		for _, id := range u.ids {
			books = append(books, s.books[id])
		}
		sum.add(balance(books, u.con, u.stats()), i+1)
		for id := range s.books {
			if n := u.con.from[id].Seen; n > 0 && !slices.Contains(u.ids, id) {
				sum.violate("EVD %d: %d events of %s, which feeds another", i+1, n, s.books[id].name)
			}
		}
	}
	return sum
}

// add adds the balance of EVD number n.
func (c *Conservation) add(o Conservation, n int) {
	c.Attempted += o.Attempted
	c.Accepted += o.Accepted
	c.Rejected += o.Rejected
	c.Delivered += o.Delivered
	c.Dequeued += o.Dequeued
	c.LeftOver += o.LeftOver
	c.Flushed += o.Flushed
	c.Lost += o.Lost
	c.Producers = append(c.Producers, o.Producers...)
	for _, v := range o.Violations {
		c.violate("EVD %d: %s", n, v)
	}
}
