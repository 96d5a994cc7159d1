package ring

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// Histories of a ring, judged by a sequential ring: porcupine looks for an
// order of the operations that agrees with when each was called and returned,
// in which a ring used by one goroutine alone would have given every answer.
//
// A push is two steps in that order, reserve and commit, both between its call
// and its return; that is what makes "in flight" an answer and not an excuse.

// linear is what the histories are of: a ring, or a wrong one.
type linear interface {
	Reserve(n int) (Claim, Status)
	ReserveUpTo(n int) (Claim, Status)
	Slot(c Claim, i int) *byte
	Commit(c Claim)
	Push(v *byte) Status
	PushN(vs []byte) Status
	TryPush(v *byte) bool
	Look() State
	Pop(v *byte) State
	TryPop(v *byte) bool
	PopN(dst []byte) int
	Idle() bool
	Close()
	Accepted() uint64
}

type linOp uint8

const (
	opReserve linOp = iota
	opUpTo
	opCommit
	opPop
	opPopN
	opLook
	opIdle
	opAccepted
	opClose
	opResize
)

var linNames = [...]string{"reserve", "reserve up to", "commit", "pop", "popN", "look", "idle", "accepted", "close", "resize"}

// linStep is an operation with its answer.
type linStep struct {
	op     linOp
	n      int    // asked for; for opAccepted the answer
	status Status // to producers
	state  State  // to the consumer
	idle   bool
	vals   string // reserved, committed or popped; a value is a byte below 128
}

func (s linStep) String() string {
	switch s.op {
	case opReserve, opUpTo, opResize:
		return fmt.Sprintf("%s %d -> %s %v", linNames[s.op], s.n, [...]string{"OK", "Full", "Closed"}[s.status], []byte(s.vals))
	case opPop, opLook:
		return fmt.Sprintf("%s -> %s %v", linNames[s.op], [...]string{"Empty", "Event", "InFlight"}[s.state], []byte(s.vals))
	case opIdle:
		return fmt.Sprintf("idle -> %v", s.idle)
	}
	return fmt.Sprintf("%s %d %v", linNames[s.op], s.n, []byte(s.vals))
}

// linState is the sequential ring. It is compared with ==.
type linState struct {
	q        string // the events, oldest first; committed ones have linCommitted set
	closed   bool
	accepted int
	capacity int
}

const linCommitted = 0x80

func (s linState) state() State {
	switch {
	case s.q == "":
		return Empty
	case s.q[0]&linCommitted != 0:
		return Event
	}
	return InFlight
}

// ready is the committed events before the first that is not, as values.
func (s linState) ready() string {
	n := 0
	for n < len(s.q) && s.q[n]&linCommitted != 0 {
		n++
	}
	b := []byte(s.q[:n])
	for i := range b {
		b[i] &^= linCommitted
	}
	return string(b)
}

// linModel is a ring of a capacity and a number of slots. Between the two it
// takes the ring's word for whether there is room: credit may come late. (For a
// chain the number of slots is that of all rings that there may be.)
func linModel(capacity, slots int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return linState{capacity: capacity} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(linState), input.(linStep)
			ok := s.step(op, slots)
			return ok, s
		},
		DescribeOperation: func(input, _ any) string { return input.(linStep).String() },
	}
}

// step does op and answers whether its answer is right.
func (s *linState) step(op linStep, slots int) bool {
	switch op.op {
	case opReserve, opUpTo:
		return s.reserve(op, slots)
	case opCommit:
		i := strings.Index(s.q, op.vals)
		if i < 0 {
			return false // not reserved yet
		}
		b := []byte(s.q)
		for k := range len(op.vals) {
			b[i+k] |= linCommitted
		}
		s.q = string(b)
		return true
	case opPop:
		if op.state != s.state() {
			return false
		}
		return op.state != Event || s.pop(op.vals)
	case opPopN:
		// It need not take all there is: it gives its slots back at its end,
		// and what was committed since its look may stay behind.
		if op.vals == "" {
			return op.n == 0 || s.state() != Event
		}
		return len(op.vals) <= op.n && s.pop(op.vals)
	case opLook:
		return op.state == s.state()
	case opIdle:
		return !op.idle || s.q == "" // false says nothing
	case opAccepted:
		return op.n == s.accepted
	case opClose:
		s.closed = true
		return true
	case opResize:
		return s.resize(op)
	}
	return false
}

// resize: of rings whose number of slots is their capacity, so that what is
// held is what has not been popped.
func (s *linState) resize(op linStep) bool {
	fits := op.n >= s.capacity || len(s.q) <= op.n
	switch {
	case s.closed || op.status == Closed:
		return s.closed && op.status == Closed
	case fits != (op.status == OK):
		return false
	case fits:
		s.capacity = op.n
	}
	return true
}

func (s *linState) pop(vals string) bool {
	if !strings.HasPrefix(s.ready(), vals) {
		return false
	}
	s.q = s.q[len(vals):]
	return true
}

func (s *linState) reserve(op linStep, slots int) bool {
	n, need := op.n, op.n
	if op.op == opUpTo {
		n, need = len(op.vals), 1
	}
	switch {
	case s.closed || op.status == Closed:
		return s.closed && op.status == Closed
	case op.status == Full:
		return need < 1 || need > s.capacity || len(s.q)+need > s.capacity
	case len(op.vals) != n || len(s.q)+n > slots:
		return false
	case op.op == opReserve && n > s.capacity:
		return false // never fits
	case n < op.n && len(s.q)+n < s.capacity:
		return false // there was room for more
	}
	s.q += op.vals
	s.accepted += n
	return true
}

// client records the operations of one goroutine or thread.
type client struct {
	id   int
	r    linear
	tick func() int64 // rises with every call, for all clients together
	next byte         // the next value, distinct from those of other clients
	ops  []porcupine.Operation
	// between is called before each call, and in the middle of in-place pushes.
	between func()
}

// do records what f did, as steps that all lie between its call and its return.
func (c *client) do(f func() []linStep) {
	c.between()
	call := c.tick()
	steps := f()
	ret := c.tick()
	for _, s := range steps {
		c.ops = append(c.ops, porcupine.Operation{ClientId: c.id, Input: s, Call: call, Return: ret})
	}
}

// values are the next n values.
func (c *client) values(n int) []byte {
	vs := make([]byte, n)
	for i := range vs {
		vs[i] = c.next + byte(i)
	}
	return vs
}

// pushed are the steps of a push of vs.
func (c *client) pushed(vs []byte, st Status) []linStep {
	steps := []linStep{{op: opReserve, n: len(vs), status: st}}
	if st == OK {
		c.next += byte(len(vs))
		steps[0].vals = string(vs)
		steps = append(steps, linStep{op: opCommit, vals: string(vs)})
	}
	return steps
}

func (c *client) push() (st Status) {
	c.do(func() []linStep {
		vs := c.values(1)
		st = c.r.Push(&vs[0])
		return c.pushed(vs, st)
	})
	return st
}

// tryPush records a push that was accepted: another answer says nothing.
func (c *client) tryPush() (ok bool) {
	c.do(func() []linStep {
		vs := c.values(1)
		if ok = c.r.TryPush(&vs[0]); !ok {
			return nil
		}
		return c.pushed(vs, OK)
	})
	return ok
}

func (c *client) pushN(n int) (st Status) {
	c.do(func() []linStep {
		vs := c.values(n)
		st = c.r.PushN(vs)
		return c.pushed(vs, st)
	})
	return st
}

// inPlace reserves n, or up to n, and commits, as two calls.
func (c *client) inPlace(op linOp, n int) {
	var claim Claim
	var st Status
	var vs []byte
	c.do(func() []linStep {
		if op == opUpTo {
			claim, st = c.r.ReserveUpTo(n)
		} else {
			claim, st = c.r.Reserve(n)
		}
		vs = c.values(claim.Len())
		return []linStep{{op: op, n: n, status: st, vals: string(vs)}}
	})
	if st != OK {
		return
	}
	c.next += byte(len(vs))
	c.do(func() []linStep {
		for i, v := range vs {
			*c.r.Slot(claim, i) = v
		}
		c.r.Commit(claim)
		return []linStep{{op: opCommit, vals: string(vs)}}
	})
}

func (c *client) pop() (st State) {
	c.do(func() []linStep {
		var v byte
		st = c.r.Pop(&v)
		s := linStep{op: opPop, state: st}
		if st == Event {
			s.vals = string([]byte{v})
		}
		return []linStep{s}
	})
	return st
}

// tryPop records a pop that moved something.
func (c *client) tryPop() (ok bool) {
	c.do(func() []linStep {
		var v byte
		if ok = c.r.TryPop(&v); !ok {
			return nil
		}
		return []linStep{{op: opPop, state: Event, vals: string([]byte{v})}}
	})
	return ok
}

func (c *client) popN(n int) {
	c.do(func() []linStep {
		dst := make([]byte, n)
		got := c.r.PopN(dst)
		return []linStep{{op: opPopN, n: n, vals: string(dst[:got])}}
	})
}

func (c *client) look() {
	c.do(func() []linStep { return []linStep{{op: opLook, state: c.r.Look()}} })
}

func (c *client) idle() {
	c.do(func() []linStep { return []linStep{{op: opIdle, idle: c.r.Idle()}} })
}

func (c *client) accepted() {
	c.do(func() []linStep { return []linStep{{op: opAccepted, n: int(c.r.Accepted())}} })
}

func (c *client) close() {
	c.do(func() []linStep {
		c.r.Close()
		return []linStep{{op: opClose}}
	})
}

// resizer is a ring that can be resized.
type resizer interface {
	Resize(n, besides int) (held int, st Status, err error)
}

func (c *client) resize(n int) {
	c.do(func() []linStep {
		_, st, err := c.r.(resizer).Resize(n, 0)
		if err != nil {
			panic(err)
		}
		return []linStep{{op: opResize, n: n, status: st}}
	})
}

// drain pops what is left.
func (c *client) drain() {
	for c.pop() == Event {
	}
}

// describe is a history for a message, in the order of the calls.
func describe(ops []porcupine.Operation) string {
	var b strings.Builder
	for _, o := range ops {
		fmt.Fprintf(&b, "\n  client %d [%d, %d] %v", o.ClientId, o.Call, o.Return, o.Input)
	}
	return b.String()
}

// wrong rings: the histories must tell them from a right one.

// emptyForInFlight calls a ring empty whose next event is in flight.
type emptyForInFlight struct{ linear }

func (w emptyForInFlight) Look() State { return noInFlight(w.linear.Look()) }

func (w emptyForInFlight) Pop(v *byte) State { return noInFlight(w.linear.Pop(v)) }

func noInFlight(st State) State {
	if st == InFlight {
		return Empty
	}
	return st
}

// dropsEvent loses every third event on the way out.
type dropsEvent struct {
	linear
	n int
}

func (w *dropsEvent) Pop(v *byte) State {
	st := w.linear.Pop(v)
	if w.n++; st == Event && w.n%3 == 0 {
		return w.Pop(v)
	}
	return st
}

// fullTooEarly takes one event less than the capacity.
type fullTooEarly struct{ *MPSC[byte] }

func (w fullTooEarly) Push(v *byte) Status {
	if w.Held() >= w.Cap()-1 {
		return Full
	}
	return w.MPSC.Push(v)
}

// closedAsFull answers Full when it is closed.
type closedAsFull struct{ linear }

func (w closedAsFull) Push(v *byte) Status {
	if st := w.linear.Push(v); st != Closed {
		return st
	}
	return Full
}

// The sequential ring itself, on answers that are right and wrong.
func TestLinModel(t *testing.T) {
	type steps []linStep
	push := func(v string) steps {
		return steps{{op: opReserve, n: len(v), vals: v}, {op: opCommit, vals: v}}
	}
	pop := func(v string) linStep { return linStep{op: opPop, state: Event, vals: v} }
	for _, c := range []struct {
		name  string
		right bool
		ops   []linStep
	}{
		{"fifo", true, append(push("ab"), pop("a"), pop("b"), linStep{op: opPop, state: Empty})},
		{"lifo", false, append(push("ab"), pop("b"), pop("a"))},
		{"twice", false, append(push("a"), pop("a"), pop("a"))},
		{"in flight", true, steps{{op: opReserve, n: 1, vals: "a"}, {op: opLook, state: InFlight}, {op: opCommit, vals: "a"}, {op: opLook, state: Event}}},
		{"in flight is not empty", false, steps{{op: opReserve, n: 1, vals: "a"}, {op: opPop, state: Empty}}},
		{"empty is not in flight", false, steps{{op: opPop, state: InFlight}}},
		{"full in the slack", true, append(push("abc"), linStep{op: opReserve, n: 1, status: Full})},
		{"room in the slack", true, append(push("abc"), push("d")...)},
		{"full too early", false, append(push("ab"), linStep{op: opReserve, n: 1, status: Full})},
		{"too many", false, append(push("abcd"), push("e")...)},
		{"never fits", true, steps{{op: opReserve, n: 4, status: Full}, {op: opUpTo, n: 9, vals: "abcd"}}},
		{"less than fits", false, steps{{op: opUpTo, n: 4, vals: "ab"}}},
		{"closed", true, append(push("a"), linStep{op: opClose}, linStep{op: opReserve, n: 1, status: Closed}, pop("a"))},
		{"closed too early", false, steps{{op: opReserve, n: 1, status: Closed}}},
		{"open too long", false, append(steps{{op: opClose}}, push("a")...)},
		{"popN takes part", true, append(push("ab"), linStep{op: opPopN, n: 2, vals: "a"})},
		{"popN takes nothing", false, append(push("ab"), linStep{op: opPopN, n: 2})},
		{"popN takes too much", false, append(push("ab"), linStep{op: opPopN, n: 1, vals: "ab"})},
		{"idle", false, append(push("a"), linStep{op: opIdle, idle: true})},
		{"accepted", true, append(push("ab"), linStep{op: opAccepted, n: 2})},
	} {
		var ops []porcupine.Operation
		for i, s := range c.ops {
			ops = append(ops, porcupine.Operation{Input: s, Call: int64(2 * i), Return: int64(2*i + 1)})
		}
		if got := porcupine.CheckOperations(linModel(3, 4), ops); got != c.right {
			t.Errorf("%s: %v, want %v:%s", c.name, got, c.right, describe(ops))
		}
	}
}
