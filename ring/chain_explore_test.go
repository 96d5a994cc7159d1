//go:build explore

package ring

import (
	"testing"
	"unsafe"

	"github.com/anishathalye/porcupine"

	"github.com/evdengine/evd/internal/explore"
)

// chainScenario is a program over a chain, judged by the ledger: least is the
// smallest capacity that it has, slots as many as there may be in all rings.
type chainScenario struct {
	capacity, least, slots int
	bound                  int
	run                    func(l *ledger)
}

func (s chainScenario) test(t *testing.T) {
	t.Helper()
	explore.Test(t, explore.Options{Preemptions: s.bound}, s.body)
}

func (s chainScenario) body(x *explore.X) {
	c, err := NewChain[ev](s.capacity)
	if err != nil {
		x.Failf("%v", err)
	}
	x.Label(unsafe.Pointer(&c.in), "in")
	x.Label(unsafe.Pointer(&c.out), "out")
	x.Label(unsafe.Pointer(&c.in.Load().tail), "tail")
	s.run(ledgerOf(x, asQueue(c), s.least, s.slots))
}

// resize resizes, to a size that fits.
func (l *ledger) resize(n int) {
	c := l.q.(chainQueue[ev])
	_, st, err := c.Resize(n, 0)
	switch {
	case err != nil:
		l.x.Failf("%v", err)
	case st == Closed && !l.closing:
		l.x.Failf("resize: Closed, but Close was not called")
	case st == OK && c.Cap() < l.cap:
		l.x.Failf("resize to %d: capacity %d", n, c.Cap())
	}
}

func (l *ledger) resizer(sizes ...int) {
	l.x.Go("resizer", func() {
		for _, n := range sizes {
			l.resize(n)
		}
	})
}

// growing: pushes and pops beside one resize; what was refused before it, for
// want of room, may be accepted after it.
func growing(l *ledger) {
	l.x.Go("a", func() {
		for n := range 2 {
			l.push(ev{0, n})
		}
	})
	l.x.Go("b", func() { l.push(ev{1, 0}) })
	l.resizer(2)
	l.x.Go("consumer", func() {
		for range 3 {
			l.pop()
		}
	})
}

// twice: two resizes beside a producer and the consumer, who may have left a
// ring that the second one takes out.
func twice(l *ledger) {
	l.x.Go("a", func() {
		for n := range 3 {
			l.push(ev{0, n})
		}
	})
	l.resizer(2, 4)
	l.x.Go("consumer", func() {
		for range 3 {
			l.pop()
		}
	})
}

// unlinking: rings with and without events in the middle, of which the empty
// ones are taken out, with a consumer on his way.
func unlinking(l *ledger) {
	l.x.Go("a and resizer", func() {
		l.push(ev{0, 0})
		l.resize(2)
		l.push(ev{0, 1})
		l.resize(4)
		l.resize(8)
		l.push(ev{0, 2})
	})
	l.x.Go("consumer", func() {
		for range 3 {
			l.pop()
		}
	})
}

// slow: a producer stops between reserve and commit while the ring is sealed.
func slow(l *ledger) {
	l.x.Go("slow", func() { l.inPlace(func() { l.idle() }, ev{0, 0}) })
	l.x.Go("b and resizer", func() {
		l.resize(4)
		l.push(ev{1, 0})
	})
	l.x.Go("consumer", func() {
		for range 3 {
			l.look()
			l.pop()
		}
	})
}

// lent: events are read in place, and given back, over the end of a ring.
func lent(l *ledger) {
	l.x.Go("a", func() { l.pushN(ev{0, 0}, ev{0, 1}); l.upTo(ev{0, 2}, ev{0, 3}) })
	l.resizer(4)
	l.x.Go("consumer", func() {
		for range 2 {
			l.ready(2, 1)
			l.popN(3)
		}
	})
}

// shut: Close beside a resize, pushes and the drain. Nobody is told Closed
// before another is accepted, and the first Empty after Close is final.
func shut(l *ledger) {
	for by, name := range []string{"a", "b"} {
		l.x.Go(name, func() { l.push(ev{by, 0}) })
	}
	l.resizer(4)
	l.x.Go("consumer", func() {
		l.close()
		l.drainClosed()
	})
}

// shut2: Close beside two resizes.
func shut2(l *ledger) {
	l.x.Go("a", func() { l.push(ev{0, 0}); l.push(ev{0, 1}) })
	l.resizer(4, 8)
	l.x.Go("closer", func() { l.close() })
}

// watched: a third party asks whether the chain is idle.
func watched(l *ledger) {
	l.x.Go("a and resizer", func() {
		l.push(ev{0, 0})
		l.resize(2)
		l.push(ev{0, 1})
	})
	l.x.Go("observer", func() {
		l.idle()
		l.idle()
	})
	l.x.Go("consumer", func() {
		for range 3 {
			l.pop()
		}
	})
}

// One test each, so that a mutant names the one that notices it.
func TestExploreChainGrowing(t *testing.T)   { chainScenario{1, 1, 3, 2, growing}.test(t) }
func TestExploreChainTwice(t *testing.T)     { chainScenario{1, 1, 7, 2, twice}.test(t) }
func TestExploreChainUnlinking(t *testing.T) { chainScenario{1, 1, 15, 3, unlinking}.test(t) }
func TestExploreChainSlow(t *testing.T)      { chainScenario{2, 2, 6, 2, slow}.test(t) }
func TestExploreChainLent(t *testing.T)      { chainScenario{2, 2, 6, 2, lent}.test(t) }
func TestExploreChainShut(t *testing.T)      { chainScenario{1, 1, 5, 2, shut}.test(t) }
func TestExploreChainShut2(t *testing.T)     { chainScenario{2, 2, 14, 3, shut2}.test(t) }
func TestExploreChainWatched(t *testing.T)   { chainScenario{1, 1, 3, 2, watched}.test(t) }

var chainLinScenarios = []linScenario{
	{"grow", 1, func(s *linRun) {
		s.thread("a", func(c *client) { c.push(); c.push() })
		s.thread("resizer", func(c *client) { c.resize(2) })
		s.thread("consumer", func(c *client) { c.pop(); c.popN(2) })
	}},
	{"shrink", 4, func(s *linRun) {
		s.thread("a", func(c *client) { c.pushN(2); c.push() })
		s.thread("resizer", func(c *client) { c.resize(1); c.resize(2) })
		s.thread("consumer", func(c *client) { c.pop(); c.look(); c.pop() })
	}},
	{"close", 1, func(s *linRun) {
		s.thread("a", func(c *client) { c.push() })
		s.thread("b", func(c *client) { c.push(); c.idle() })
		s.thread("resizer", func(c *client) { c.resize(2); c.accepted() })
		s.thread("closer", func(c *client) { c.close() })
	}},
}

// In every interleaving up to the bound the history of a chain that is resized is
// that of a sequential queue whose capacity changes at one instant.
func TestExploreChainLinear(t *testing.T) {
	for _, sc := range chainLinScenarios {
		t.Run(sc.name, func(t *testing.T) {
			judged := map[string]bool{}
			explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
				c, err := NewChain[byte](sc.capacity)
				if err != nil {
					x.Failf("%v", err)
				}
				s := &linRun{x: x, r: asQueue(c)}
				sc.run(s)
				s.judge(linModel(sc.capacity, 64), judged)
			})
			t.Logf("%d different histories", len(judged))
		})
	}
}

// judge has the history judged when all threads have ended.
func (s *linRun) judge(model porcupine.Model, judged map[string]bool) {
	s.x.Check(func() {
		last := s.client()
		last.drain()
		last.accepted()
		var ops []porcupine.Operation
		for _, c := range s.clients {
			ops = append(ops, c.ops...)
		}
		key := historyKey(ops)
		right, known := judged[key]
		if !known {
			right = porcupine.CheckOperations(model, ops)
			judged[key] = right
		}
		if !right {
			s.x.Failf("not linearizable:%s", describe(ops))
		}
	})
}
