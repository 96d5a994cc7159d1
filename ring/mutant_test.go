//go:build explore

package ring

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// The mutants override methods of the real ring by versions with one mistake
// each. If the scenarios let one pass, they would let it pass in the ring.

// base is a ring whose pushes use the methods of the mutant around it.
type base struct {
	*MPSC[ev]
	q queue
}

func (b *base) Push(v *ev) Status { return b.PushN([]ev{*v}) }

func (b *base) TryPush(v *ev) bool { return b.Push(v) == OK }

func (b *base) PushN(vs []ev) Status {
	c, st := b.q.Reserve(len(vs))
	if st != OK {
		return st
	}
	for i := range vs {
		*b.q.Slot(c, i) = vs[i]
	}
	b.q.Commit(c)
	return OK
}

// faithful has no mistake: it shows that the frame of the mutants has none.
func faithful(r *MPSC[ev]) queue {
	b := &base{MPSC: r}
	b.q = b
	return b
}

// commitFirst publishes before it writes.
type commitFirst struct{ *MPSC[ev] }

func (m commitFirst) Push(v *ev) Status { return m.PushN([]ev{*v}) }

func (m commitFirst) PushN(vs []ev) Status {
	c, st := m.Reserve(len(vs))
	if st == OK {
		m.Commit(c)
		for i := range vs {
			*m.Slot(c, i) = vs[i]
		}
	}
	return st
}

// creditFirst gives the slot back before it reads it.
type creditFirst struct{ *MPSC[ev] }

func (m creditFirst) Pop(v *ev) State {
	if !m.published() {
		return m.none()
	}
	p := &m.slots[m.head&m.mask]
	m.head++
	m.credit()
	atom.PlainRead(unsafe.Pointer(p))
	*v = *p
	return Event
}

// creditAtReady gives the slots back when it hands them out.
type creditAtReady struct{ *MPSC[ev] }

func (m creditAtReady) Ready(n int) []ev {
	s := m.MPSC.Ready(n)
	m.freed.Store(m.lent)
	return s
}

// emptyInFlight takes a reserved slot for the end of the queue.
type emptyInFlight struct{ *MPSC[ev] }

func (m emptyInFlight) Look() State { return m.Pop(nil) }

func (m emptyInFlight) Pop(v *ev) State {
	switch {
	case !m.published():
		m.credit()
		return Empty
	case v == nil:
		return Event
	}
	return m.MPSC.Pop(v)
}

// inFlightIsEvent takes a reserved slot for an event: Ready hands out all
// that is reserved.
type inFlightIsEvent struct{ *MPSC[ev] }

func (m inFlightIsEvent) Ready(n int) []ev {
	m.runEnd = m.Accepted()
	return m.MPSC.Ready(n)
}

// secondLook looks at seq again when there was nothing.
type secondLook struct{ *MPSC[ev] }

func (m secondLook) Pop(v *ev) State {
	if !m.published() {
		return m.Look()
	}
	return m.MPSC.Pop(v)
}

// closeApart has the closed bit in a word of its own.
type closeApart struct {
	base
	closed atom.Bool
}

func (m *closeApart) Close() { m.closed.Store(true) }

func (m *closeApart) Reserve(n int) (Claim, Status) {
	if m.closed.Load() {
		return Claim{}, Closed
	}
	return m.MPSC.Reserve(n)
}

// ticket is a ring with another way to take slots.
type ticket struct {
	base
	take func(r *MPSC[ev], n uint64) (Claim, Status)
}

func (m *ticket) Reserve(n int) (Claim, Status) { return m.take(m.MPSC, uint64(n)) }

func withTicket(take func(r *MPSC[ev], n uint64) (Claim, Status)) func(*MPSC[ev]) queue {
	return func(r *MPSC[ev]) queue {
		m := &ticket{base{MPSC: r}, take}
		m.q = m
		return m
	}
}

// creditBeforeTicket loads in the wrong order.
func creditBeforeTicket(r *MPSC[ev], n uint64) (Claim, Status) {
	for {
		f := r.freed.Load()
		t := r.tail.Load()
		if t&closedBit != 0 {
			return Claim{}, Closed
		}
		if int64(t+n-f) > int64(r.size) {
			return Claim{}, Full
		}
		if r.tail.CompareAndSwap(t, t+n) {
			return Claim{t, n}, OK
		}
	}
}

// unsignedCredit does not expect the credit to have passed the ticket.
func unsignedCredit(r *MPSC[ev], n uint64) (Claim, Status) {
	for {
		t := r.tail.Load()
		if t&closedBit != 0 {
			return Claim{}, Closed
		}
		if t+n-r.freed.Load() > r.size {
			return Claim{}, Full
		}
		if r.tail.CompareAndSwap(t, t+n) {
			return Claim{t, n}, OK
		}
	}
}

// cachedCredit takes a credit once and tries again with it.
func cachedCredit(r *MPSC[ev], n uint64) (Claim, Status) {
	t := r.tail.Load()
	f := r.freed.Load()
	for t&closedBit == 0 {
		if int64(t+n-f) > int64(r.size) {
			return Claim{}, Full
		}
		if r.tail.CompareAndSwap(t, t+n) {
			return Claim{t, n}, OK
		}
		t = r.tail.Load()
	}
	return Claim{}, Closed
}

// offByOne takes one slot more than there are.
func offByOne(r *MPSC[ev], n uint64) (Claim, Status) {
	t := r.tail.Load()
	if t&closedBit != 0 {
		return Claim{}, Closed
	}
	if int64(t+n-r.freed.Load()) > int64(r.size)+1 || !r.tail.CompareAndSwap(t, t+n) {
		return Claim{}, Full
	}
	return Claim{t, n}, OK
}

// oneTry calls a lost race Full.
func oneTry(r *MPSC[ev], n uint64) (Claim, Status) {
	t := r.tail.Load()
	if t&closedBit != 0 {
		return Claim{}, Closed
	}
	if int64(t+n-r.freed.Load()) > int64(r.size) || !r.tail.CompareAndSwap(t, t+n) {
		return Claim{}, Full
	}
	return Claim{t, n}, OK
}

// plainTicket stores the ticket instead of exchanging it.
func plainTicket(r *MPSC[ev], n uint64) (Claim, Status) {
	t := r.tail.Load()
	if t&closedBit != 0 {
		return Claim{}, Closed
	}
	if int64(t+n-r.freed.Load()) > int64(r.size) {
		return Claim{}, Full
	}
	r.tail.Store(t + n)
	return Claim{t, n}, OK
}

// forgetsClosed clears the closed bit with its ticket.
func forgetsClosed(r *MPSC[ev], n uint64) (Claim, Status) {
	t := r.tail.Load()
	if t&closedBit != 0 {
		return Claim{}, Closed
	}
	for {
		if int64(t+n-r.freed.Load()) > int64(r.size) {
			return Claim{}, Full
		}
		if r.tail.CompareAndSwap(t, t+n) {
			return Claim{t, n}, OK
		}
		t = r.tail.Load() &^ closedBit
		if r.tail.CompareAndSwap(t|closedBit, t+n) {
			return Claim{t, n}, OK
		}
	}
}

// idleTicketFirst loads in the wrong order.
type idleTicketFirst struct{ *MPSC[ev] }

func (m idleTicketFirst) Idle() bool {
	t := m.tail.Load() &^ closedBit
	return m.freed.Load() == t
}

// idleCommitted calls a ring idle when nothing is committed.
type idleCommitted struct{ *MPSC[ev] }

func (m idleCommitted) Idle() bool {
	f := m.freed.Load()
	return m.seq[f&m.mask].Load() <= f
}

var mutants = []struct {
	name   string
	mutate func(*MPSC[ev]) queue
	in     string // the scenario that finds it
	want   string // in the reason
}{
	{"commit before write", func(r *MPSC[ev]) queue { return commitFirst{r} }, "singles/capacity=2", "data race on slot"},
	{"commit before write, batch", func(r *MPSC[ev]) queue { return commitFirst{r} }, "batches/capacity=3", "data race on slot"},
	{"credit before read", func(r *MPSC[ev]) queue { return creditFirst{r} }, "full/capacity=1", "data race on slot"},
	{"credit at Ready", func(r *MPSC[ev]) queue { return creditAtReady{r} }, "runs/capacity=2", "data race on slot"},
	{"in flight is Empty", func(r *MPSC[ev]) queue { return emptyInFlight{r} }, "held/capacity=4", "Empty, but at least"},
	{"in flight is Empty, closed", func(r *MPSC[ev]) queue { return emptyInFlight{r} }, "closing/capacity=4", "Empty, but at least"},
	{"in flight is Event", func(r *MPSC[ev]) queue { return inFlightIsEvent{r} }, "runs/capacity=4", "data race on slot"},
	{"second look", func(r *MPSC[ev]) queue { return secondLook{r} }, "held/capacity=4", "Event, but no event was moved"},
	{"closed bit apart", func(r *MPSC[ev]) queue {
		m := &closeApart{base: base{MPSC: r}}
		m.q = m
		return m
	}, "closing/capacity=4", "Empty after Close with"},
	{"closed bit forgotten", withTicket(forgetsClosed), "closing/capacity=4", "after Close returned"},
	{"credit before ticket", withTicket(creditBeforeTicket), "room/capacity=2", "Full, but there was room"},
	{"unsigned credit", withTicket(unsignedCredit), "room/capacity=2", "Full, but there was room"},
	{"cached credit", withTicket(cachedCredit), "room/capacity=2", "Full, but there was room"},
	{"a lost race is Full", withTicket(oneTry), "room/capacity=3", "Full, but there was room"},
	{"one slot too many", withTicket(offByOne), "full/capacity=2", "accepted 1 on top of at least 2 in 2 slots"},
	{"ticket by a store", withTicket(plainTicket), "full/capacity=2", "data race on slot"},
	{"idle: ticket before credit", func(r *MPSC[ev]) queue { return idleTicketFirst{r} }, "idling/capacity=2", "Idle, but at least 1 events"},
	{"idle: committed only", func(r *MPSC[ev]) queue { return idleCommitted{r} }, "held/capacity=4", "Idle, but at least 1 events"},
}

func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			for _, s := range scenarios {
				if s.name != m.in {
					continue
				}
				res := explore.MustFail(t, explore.Options{Preemptions: s.bound}, s.body(m.mutate))
				if !strings.Contains(res.Failure.Reason, m.want) {
					t.Fatalf("%v\nwant a failure with: %s", res.Failure, m.want)
				}
				return
			}
			t.Fatalf("no scenario %s", m.in)
		})
	}
}

func TestMutantFrame(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			explore.Test(t, explore.Options{Preemptions: min(s.bound, 2)}, s.body(faithful))
		})
	}
}
