package engine

import (
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// serve is the goroutine's life.
func (g *Poller) serve() {
	if g.cpu != AnyCPU {
		restore, err := pin(g.cpu.number())
		if err == nil {
			defer restore()
		} else {
			g.stats.errs.Add(1) // the CPU has been taken away since NewPoller
		}
	}
	if m := g.at; m != nil {
		g.at = nil
		g.exit()
		m.note() // an upcall ended the goroutine before this one: look again
	}
	g.loop()
}

// loop looks after members until the poller is closed.
func (g *Poller) loop() {
	idle := 0 // turns in a row that moved nothing
	for turn := 1; !g.stop.Load(); turn++ {
		moved := g.attendAll()
		if g.pollAll() {
			moved = true
		}
		if idle++; moved {
			idle = 0
		}
		tick := atom.Exploring || turn%yieldEvery == 0
		if tick || g.since >= glanceEvery {
			g.glance()
		}
		switch {
		case len(g.active) == 0:
			g.sleep()
		case tick:
			if !atom.Exploring && idle >= osYieldEvery && idle%osYieldEvery < yieldEvery {
				spin.Yield()
			}
			if g.cpu == AnyCPU || turn%osYieldEvery == 0 {
				atom.Spin()
			}
		case !moved:
			spin.Pause()
		}
	}
}

// glanceEvery is after how many visits that moved something the goroutine looks for
// what descriptors tell, if its turns are long; one that uses up a budget counts for all.
const glanceEvery = 256

// glance looks for events that are told by descriptors, and for members whose
// back-off is over, without sleeping.
func (g *Poller) glance() {
	g.since = 0
	g.stats.passes.Store(g.passes)
	if b := g.bed.Load(); b != nil {
		_ = b.look(g.told)
	}
	g.recall()
}

// told is called with the member whose descriptor is readable.
func (g *Poller) told(m *member) { m.note() }

// sleep returns when a member is on ready, or there may be one.
func (g *Poller) sleep() {
	wait := g.recall()
	b := g.bed.Load()
	where := uint32(gToken)
	if b != nil {
		where = gBed
	}
	g.asleep.Store(where) // [G3] before the look at ready: pairs with [G2]
	if g.ready.Load() != nil || g.todo != nil || g.stop.Load() {
		g.asleep.Store(gAwake) // (who has seen it asleep puts a token in, for nothing)
		return
	}
	g.stats.sleeps.Add(1)
	g.stats.passes.Store(g.passes)
	if wait > 0 {
		g.wakeIn(wait)
	}
	if g.e.tracing&traceRegions != 0 {
		defer startRegion("evd.sleep", g.name).End()
	}
	if b == nil {
		g.tok.Wait()
	} else if err := b.wait(g.told); err != nil {
		g.stats.errs.Add(1)
		pause(retryFirst) // deaf, but not for ever
	}
	g.asleep.Store(gAwake)
	g.stats.wakes.Add(1)
}

// wake gets the goroutine out of sleep.
func (g *Poller) wake() {
	s := g.asleep.Load() // [G2] after the push: pairs with [G3]
	if s == gAwake || !g.asleep.CompareAndSwap(s, gAwake) {
		return
	}
	g.stats.calls.Add(1)
	if s == gToken {
		g.tok.Signal()
	} else {
		g.bed.Load().wake()
	}
}

// push puts a member that was noted on ready. [G1] release: what it was noted for.
func (g *Poller) push(m *member) {
	for {
		first := g.ready.Load()
		m.next = first
		if g.ready.CompareAndSwap(first, m) {
			if first == nil {
				g.wake()
			}
			return
		}
	}
}

// take moves what is on ready to todo, oldest first.
func (g *Poller) take() {
	if g.ready.Load() == nil {
		return
	}
	for m := g.ready.Swap(nil); m != nil; {
		m.next, g.todo, m = g.todo, m, m.next
	}
}

// attendAll looks after those on ready. It answers whether anything was moved.
func (g *Poller) attendAll() (moved bool) {
	if g.todo == nil {
		g.take()
	}
	for g.todo != nil {
		m := g.todo
		g.todo, m.next = m.next, nil
		g.at = m
		g.stats.visits.Add(1)
		if m.attend() {
			moved = true
			g.since++
		}
		g.at = nil
	}
	return moved
}
