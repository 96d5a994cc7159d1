//go:build explore

package ring

import (
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"

	"github.com/anishathalye/porcupine"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// linScenario is a program whose history is judged in every interleaving.
type linScenario struct {
	name     string
	capacity int
	run      func(s *linRun)
}

// linRun is one execution. Its fields are plain: one thread runs at a time.
// The explorer runs threads between two atomic operations without a break, so
// a counter is a clock, and the same in every replay.
type linRun struct {
	x       *explore.X
	r       linear
	now     int64
	clients []*client
}

// client returns a client whose values begin at 8 times its number.
func (s *linRun) client() *client {
	var beat atom.Uint32 // where others may run between two operations
	c := &client{
		id: len(s.clients), r: s.r, next: byte(8 * len(s.clients)),
		tick:    func() int64 { s.now++; return s.now },
		between: func() { beat.Load() },
	}
	s.clients = append(s.clients, c)
	return c
}

func (s *linRun) thread(name string, fn func(c *client)) {
	c := s.client()
	s.x.Go(name, func() { fn(c) })
}

// body runs a scenario. judged remembers histories: different interleavings
// often have the same.
func (sc linScenario) body(wrong func(*MPSC[byte]) linear, judged map[string]bool) func(x *explore.X) {
	return func(x *explore.X) {
		r, err := New[byte](sc.capacity)
		if err != nil {
			x.Failf("%v", err)
		}
		x.Label(unsafe.Pointer(&r.tail), "tail")
		x.Label(unsafe.Pointer(&r.freed), "freed")
		s := &linRun{x: x, r: r}
		if wrong != nil {
			s.r = wrong(r)
		}
		sc.run(s)
		model := linModel(sc.capacity, int(r.size))
		s.judge(model, judged)
	}
}

// historyKey is the history as a map key.
func historyKey(ops []porcupine.Operation) string {
	b := make([]byte, 0, 16*len(ops))
	for _, o := range ops {
		s := o.Input.(linStep)
		b = binary.AppendVarint(b, o.Call)
		b = binary.AppendVarint(b, o.Return)
		b = binary.AppendVarint(b, int64(s.n))
		idle := byte(0)
		if s.idle {
			idle = 1
		}
		b = append(b, byte(o.ClientId), byte(s.op), byte(s.status), byte(s.state), idle, byte(len(s.vals)))
		b = append(b, s.vals...)
	}
	return string(b)
}

var linScenarios = []linScenario{
	{"push, pop", 2, func(s *linRun) {
		for _, name := range []string{"a", "b"} {
			s.thread(name, func(c *client) { c.push(); c.push() })
		}
		s.thread("consumer", func(c *client) { c.pop(); c.look(); c.pop() })
	}},
	{"runs, with slack", 3, func(s *linRun) {
		s.thread("a", func(c *client) { c.pushN(2); c.pushN(2) })
		s.thread("b", func(c *client) { c.push() })
		s.thread("consumer", func(c *client) { c.popN(2); c.pop(); c.popN(3) })
	}},
	{"in place", 4, func(s *linRun) {
		s.thread("a", func(c *client) { c.inPlace(opReserve, 2) })
		s.thread("b", func(c *client) { c.inPlace(opUpTo, 4) })
		s.thread("consumer", func(c *client) { c.look(); c.pop(); c.pop() })
	}},
	{"close", 2, func(s *linRun) {
		s.thread("a", func(c *client) { c.push(); c.push() })
		s.thread("b", func(c *client) { c.pushN(2) })
		s.thread("closer", func(c *client) { c.close() })
		s.thread("consumer", func(c *client) { c.pop(); c.pop() })
	}},
	{"observers", 2, func(s *linRun) {
		s.thread("a", func(c *client) { c.push(); c.push() })
		s.thread("observer", func(c *client) { c.idle(); c.accepted(); c.idle() })
		s.thread("consumer", func(c *client) { c.pop(); c.pop() })
	}},
}

// In every interleaving up to the bound the history of a ring is that of a
// sequential one.
func TestExploreLinear(t *testing.T) {
	for _, s := range linScenarios {
		t.Run(s.name, func(t *testing.T) {
			judged := map[string]bool{}
			explore.Test(t, explore.Options{Preemptions: 2}, s.body(nil, judged))
			t.Logf("%d different histories", len(judged))
		})
	}
}

func TestExploreLinearFindsWrong(t *testing.T) {
	for _, w := range []struct {
		name, in string
		wrong    func(*MPSC[byte]) linear
	}{
		{"empty for in flight", "push, pop", func(r *MPSC[byte]) linear { return emptyForInFlight{r} }},
		{"empty for in flight, closed", "close", func(r *MPSC[byte]) linear { return emptyForInFlight{r} }},
		{"an event lost", "push, pop", func(r *MPSC[byte]) linear { return &dropsEvent{linear: r} }},
		{"full too early", "push, pop", func(r *MPSC[byte]) linear { return fullTooEarly{r} }},
		{"full when closed", "close", func(r *MPSC[byte]) linear { return closedAsFull{r} }},
	} {
		t.Run(w.name, func(t *testing.T) {
			for _, s := range linScenarios {
				if s.name != w.in {
					continue
				}
				res := explore.MustFail(t, explore.Options{Preemptions: 2}, s.body(w.wrong, map[string]bool{}))
				if !strings.Contains(res.Failure.Reason, "not linearizable") {
					t.Fatal(res.Failure)
				}
				return
			}
			t.Fatalf("no scenario %s", w.in)
		})
	}
}
