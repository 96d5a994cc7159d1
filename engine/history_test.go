package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// Histories of an EVD, judged by a sequential one: porcupine looks for an order
// of the operations that agrees with when each was called and returned, and in
// which docs/SEMANTICS.md explains every answer and every upcall.
//
// What is several steps is several operations here, all between the same call
// and return: Close refuses consumers, then posters, then hands out what is
// left; an Enable that is accepted looks at the CQ, and then raises the policy.
// That events are delivered is an operation of the engine's, somewhere between
// the end of the upcall before and the beginning of this one.

type histOp uint8

const (
	hPost histOp = iota
	hComplete
	hDequeue
	hPolicy  // the policy, as Query tells it
	hPending // whether anything is pending, as Query tells it
	hLook    // of an Enable that was accepted
	hEnable
	hDisable
	hDisableInside
	hDeliver
	hCloseConsumers
	hClosePosters
	hLeftovers
	hClosed
	hRest // nothing moves any more
)

var histNames = [...]string{
	"post", "complete", "dequeue", "policy", "pending", "look", "enable", "disable", "disable inside", "deliver",
	"close consumers", "close posters", "leftovers", "closed", "rest",
}

// Answers.
const (
	aOK = iota
	aNo // a query's
	aFull
	aClosed
	aBusy
	aPending
	aOther
)

func answerOf(err error) uint8 {
	switch {
	case err == nil:
		return aOK
	case errors.Is(err, ErrFull):
		return aFull
	case errors.Is(err, ErrClosed):
		return aClosed
	case errors.Is(err, ErrBusy):
		return aBusy
	case errors.Is(err, ErrEventsPending):
		return aPending
	}
	return aOther
}

// histStep is an operation with its answer.
type histStep struct {
	op   histOp
	ans  uint8
	vals string // events; those of the CQ are histCQ and above
	// beside: others were at work between call and return.
	beside bool
}

const histCQ = 64

func (s histStep) String() string {
	return fmt.Sprintf("%s -> %s %v", histNames[s.op], [...]string{"ok", "no", "full", "closed", "busy", "pending", "?"}[s.ans], []byte(s.vals))
}

// histState is the sequential EVD. It is compared with ==.
type histState struct {
	soft, cq string // pending events by source, oldest first
	enabled  bool
	// grace: of a running instance one more upcall may begin after Disable.
	grace                   bool
	noConsumers, noPosters  bool // Close has come so far
	handedOut, looked, over bool
}

func (s *histState) pending() bool { return s.soft+s.cq != "" }

// take removes events from the heads of their sources.
func (s *histState) take(vals string) bool {
	for _, v := range []byte(vals) {
		q := &s.soft
		if v >= histCQ {
			q = &s.cq
		}
		if *q == "" || (*q)[0] != v {
			return false
		}
		*q = (*q)[1:]
	}
	return true
}

// histModel is an EVD whose ring has a capacity and a number of slots. A
// refused post may be due to a credit that is on its way.
func histModel(capacity, slots int, enabled bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return histState{enabled: enabled} },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(histState), input.(histStep)
			ok := s.step(op, capacity, slots)
			return ok, s
		},
	}
}

// step does op and answers whether its answer is right.
func (s *histState) step(op histStep, capacity, slots int) bool {
	switch op.op {
	case hPost:
		return s.post(op, capacity, slots)
	case hComplete:
		s.cq += op.vals
		return true
	case hDequeue:
		return s.dequeue(op)
	case hPolicy:
		return s.enabled == (op.ans == aOK)
	case hPending:
		return s.pending() == (op.ans == aOK)
	case hLook:
		s.looked = s.enabled || s.cq == ""
		return s.looked
	case hEnable:
		return s.enable(op)
	case hDisable, hDisableInside:
		if s.noConsumers || op.ans != aOK {
			return s.noConsumers && op.ans == aClosed
		}
		s.grace = op.op == hDisable && (s.grace || s.enabled)
		s.enabled = false
		return true
	case hDeliver:
		if !s.enabled && !s.grace || op.vals == "" {
			return false
		}
		s.grace = s.grace && s.enabled
		return s.take(op.vals)
	case hRest:
		return !s.enabled || !s.pending()
	}
	return s.close(op)
}

func (s *histState) post(op histStep, capacity, slots int) bool {
	switch {
	case s.noPosters || op.ans == aClosed:
		return s.noPosters && op.ans == aClosed
	case op.ans == aFull:
		return len(s.soft)+1 > capacity
	}
	s.soft += op.vals
	return op.ans == aOK && len(s.soft) <= slots
}

func (s *histState) dequeue(op histStep) bool {
	switch {
	case op.ans == aClosed:
		return s.noConsumers
	case s.over:
		return false // one that Close had to wait for may have an answer, but no later one
	case op.ans == aBusy:
		return s.pending() || s.enabled || s.grace || op.beside
	case op.vals == "":
		return op.ans == aOK && !s.pending()
	}
	return op.ans == aOK && s.take(op.vals)
}

func (s *histState) enable(op histStep) bool {
	switch {
	case op.ans == aClosed:
		return s.noConsumers
	case op.ans == aPending:
		return s.pending()
	case op.ans != aOK || s.noConsumers || !s.looked:
		return false
	}
	ok := s.enabled || s.soft == ""
	s.enabled, s.looked = true, false
	return ok
}

func (s *histState) close(op histStep) bool {
	switch op.op {
	case hCloseConsumers:
		s.grace = s.grace || s.enabled
		s.enabled, s.noConsumers = false, true
		return true
	case hClosePosters:
		s.noPosters = true
		return s.noConsumers
	case hLeftovers: // completions stay on their CQ
		ok := s.noPosters && s.soft == op.vals
		s.soft, s.grace, s.handedOut = "", false, true
		return ok
	case hClosed:
		s.over = true
		return s.handedOut
	}
	return false
}

// target is what the histories are of: an EVD, or a wrong one.
type target interface {
	Post(ev Event) error
	PostN(evs []Event) (int, error)
	Dequeue(dst []Event) (int, error)
	ModifyUpcall(p Policy, fn UpcallFunc) error
	look() (enabled, pending bool)
	Close() error
}

// looked is an EVD that is looked at without its statistics, which would be too
// many operations for the explorer.
type looked struct{ *EVD }

func (d looked) look() (enabled, pending bool) {
	return d.load().lim() > 0, d.backlog() > 0
}

// queried is an EVD that is looked at by Query.
type queried struct{ *EVD }

func (d queried) look() (enabled, pending bool) {
	q := d.Query()
	return q.Policy != Disable, q.Pending > 0
}

// history records what is done to an EVD, by any goroutine.
type history struct {
	d     target
	cq    *mock.CQ
	mu    sync.Mutex // real, in executions of the explorer too: nobody switches under it
	now   int64
	ops   []porcupine.Operation
	ended int64 // when the last upcall did
	left  string
	// between is called before each operation, and note before each look at now.
	between, note func()
	// inside is called in an upcall, after it was recorded.
	inside func(u *Upcall)
}

func (h *history) tick() int64 {
	if h.note != nil {
		h.note()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	return h.now
}

func (h *history) add(client int, call, ret int64, steps ...histStep) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range steps {
		h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: s, Call: call, Return: ret})
	}
}

// do records what f did.
func (h *history) do(client int, f func() []histStep) {
	h.between()
	call := h.tick()
	steps := f()
	h.add(client, call, h.tick(), steps...)
}

func valuesOf(evs []Event) string {
	b := make([]byte, len(evs))
	for i := range evs {
		b[i] = byte(evs[i].WRID)
	}
	return string(b)
}

func (h *history) post(client int, v byte) {
	h.do(client, func() []histStep {
		return []histStep{{op: hPost, vals: string([]byte{v}), ans: answerOf(h.d.Post(Event{WRID: uint64(v)}))}}
	})
}

// postN records each event as a post of its own: what came before the answer was
// accepted, and the one after it was refused.
func (h *history) postN(client int, vs ...byte) {
	h.do(client, func() (steps []histStep) {
		evs := make([]Event, len(vs))
		for i, v := range vs {
			evs[i].WRID = uint64(v)
		}
		n, err := h.d.PostN(evs)
		for i, v := range vs[:min(n+1, len(vs))] {
			step := histStep{op: hPost, vals: string([]byte{v})}
			if i == n {
				step.ans = answerOf(err)
			}
			steps = append(steps, step)
		}
		return steps
	})
}

func (h *history) complete(client int, v byte) {
	h.do(client, func() []histStep {
		if ok, err := h.cq.Complete(hwcq.WC{WRID: uint64(v)}, false); !ok || err != nil {
			return nil
		}
		return []histStep{{op: hComplete, vals: string([]byte{v})}}
	})
}

func (h *history) dequeue(client, n int) (got int, ans uint8) {
	h.do(client, func() []histStep {
		buf := make([]Event, n)
		k, err := h.d.Dequeue(buf)
		got, ans = k, answerOf(err)
		return []histStep{{op: hDequeue, vals: valuesOf(buf[:k]), ans: ans}}
	})
	return got, ans
}

func (h *history) query(client int) {
	h.do(client, func() []histStep {
		steps := []histStep{{op: hPolicy, ans: aNo}, {op: hPending, ans: aNo}}
		enabled, pending := h.d.look()
		if enabled {
			steps[0].ans = aOK
		}
		if pending {
			steps[1].ans = aOK
		}
		return steps
	})
}

// enable is for one client only: beside another Enable an answer may be about
// the events that came after the other one was accepted.
func (h *history) enable(client int) (ans uint8) {
	h.do(client, func() []histStep {
		if ans = answerOf(h.d.ModifyUpcall(SingleInstance, Same)); ans != aOK {
			return []histStep{{op: hEnable, ans: ans}}
		}
		return []histStep{{op: hLook}, {op: hEnable}}
	})
	return ans
}

func (h *history) disable(client int) {
	h.do(client, func() []histStep {
		return []histStep{{op: hDisable, ans: answerOf(h.d.ModifyUpcall(Disable, Same))}}
	})
}

func (h *history) disableInside(client int, u *Upcall) {
	h.do(client, func() []histStep {
		return []histStep{{op: hDisableInside, ans: answerOf(u.ModifyUpcall(Disable, Same))}}
	})
}

func (h *history) close(client int) {
	h.do(client, func() []histStep {
		if h.d.Close() != nil {
			return nil
		}
		left := h.left
		h.left = "" // a second Close has none
		return []histStep{{op: hCloseConsumers}, {op: hClosePosters}, {op: hLeftovers, vals: left}, {op: hClosed}}
	})
}

// upcallClient and endClient are the clients that are no thread of a scenario.
const (
	upcallClient = 14
	endClient    = 15
)

// upcall is for SingleInstance: what it keeps between two upcalls is theirs.
func (h *history) upcall(u *Upcall) {
	h.add(upcallClient, h.ended, h.tick(), histStep{op: hDeliver, vals: valuesOf(u.Events())})
	h.between()
	if h.inside != nil {
		h.inside(u)
	}
	h.ended = h.tick()
}

func (h *history) leftovers(evs []Event) { h.left += valuesOf(evs) }

// end is to be called when nothing moves any more; it has everything out.
func (h *history) end() {
	h.do(endClient, func() []histStep { return []histStep{{op: hRest}} })
	h.disable(endClient)
	for {
		if n, ans := h.dequeue(endClient, 4); n == 0 && ans != aBusy || len(h.ops) > 200 {
			return
		}
	}
}

// sealed is the history with what can be said only when all of it is known.
func (h *history) sealed() []porcupine.Operation {
	for i, o := range h.ops {
		s := o.Input.(histStep)
		for _, p := range h.ops {
			if p.ClientId != o.ClientId && p.Call <= o.Return && o.Call <= p.Return {
				s.beside = true
			}
		}
		h.ops[i].Input = s
	}
	return h.ops
}

func describe(ops []porcupine.Operation) string {
	var b strings.Builder
	for _, o := range ops {
		fmt.Fprintf(&b, "\n  client %d [%d, %d] %v", o.ClientId, o.Call, o.Return, o.Input)
	}
	return b.String()
}

// The sequential EVD itself, on answers that are right and wrong.
func TestHistoryModel(t *testing.T) {
	// Digits are software events, letters completions.
	post := func(v string) histStep { return histStep{op: hPost, vals: v} }
	deq := func(v string) histStep { return histStep{op: hDequeue, vals: v} }
	up := func(v string) histStep { return histStep{op: hDeliver, vals: v} }
	full, busy := histStep{op: hPost, ans: aFull}, histStep{op: hDequeue, ans: aBusy}
	look, enable, disable, rest := histStep{op: hLook}, histStep{op: hEnable}, histStep{op: hDisable}, histStep{op: hRest}
	refused := histStep{op: hEnable, ans: aPending}
	closing := func(left string) []histStep {
		return []histStep{{op: hCloseConsumers}, {op: hClosePosters}, {op: hLeftovers, vals: left}, {op: hClosed}}
	}
	for _, c := range []struct {
		name  string
		right bool
		ops   []histStep
	}{
		{"dequeued", true, []histStep{post("1"), deq("1"), deq("")}},
		{"lost", false, []histStep{post("1"), deq("")}},
		{"twice", false, []histStep{post("1"), deq("1"), deq("1")}},
		{"overtaken", false, []histStep{post("1"), post("2"), deq("21")}},
		{"busy alone", false, []histStep{busy}},
		{"busy with one pending", true, []histStep{post("1"), busy}},
		{"full", true, []histStep{post("1"), post("2"), full}},
		{"full too early", false, []histStep{post("1"), full}},
		{"too many", false, []histStep{post("1"), post("2"), post("3")}},
		{"delivered", true, []histStep{look, enable, post("1"), up("1"), rest}},
		{"left behind", false, []histStep{look, enable, post("1"), rest}},
		{"an upcall while disabled", false, []histStep{post("1"), up("1")}},
		{"one more upcall", true, []histStep{look, enable, disable, post("1"), up("1")}},
		{"two more upcalls", false, []histStep{look, enable, disable, post("1"), up("1"), post("2"), up("2")}},
		{"disabled inside", false, []histStep{look, enable, {op: hDisableInside}, post("1"), up("1")}},
		{"enabled with one pending", false, []histStep{look, post("1"), enable}},
		{"enabled with one on the CQ", false, []histStep{{op: hComplete, vals: "A"}, look, enable}},
		{"enabled again", true, []histStep{look, enable, post("1"), look, enable, up("1")}},
		{"refused", true, []histStep{post("1"), refused, deq("1"), look, enable}},
		{"refused for nothing", false, []histStep{refused}},
		{"closed", true, append([]histStep{post("1")}, append(closing("1"), histStep{op: hPost, ans: aClosed}, histStep{op: hDequeue, ans: aClosed})...)},
		{"not left over", false, append([]histStep{post("1")}, closing("")...)},
		{"open too long", false, append(closing(""), post("1"))},
		{"dequeued too late", false, append(closing(""), deq(""))},
		{"closed too early", false, []histStep{{op: hPost, ans: aClosed}}},
		{"pending", true, []histStep{{op: hPending, ans: aNo}, post("1"), {op: hPending}, {op: hPolicy, ans: aNo}, look}},
	} {
		h := history{}
		for i, s := range c.ops {
			h.add(0, int64(2*i), int64(2*i+1), s)
		}
		if got := porcupine.CheckOperations(histModel(2, 2, false), h.sealed()); got != c.right {
			t.Errorf("%s: %v, want %v:%s", c.name, got, c.right, describe(h.ops))
		}
	}
}
