package engine

import (
	"slices"
	"time"

	"github.com/evdengine/evd/internal/atom"
)

// pollAll polls each active member once. It answers whether anything was moved.
func (g *Poller) pollAll() (moved bool) {
	if len(g.active) == 0 {
		return false
	}
	g.passes++
	for g.turn = 0; g.turn < len(g.active); {
		m := g.active[g.turn]
		g.at = m
		if m.poll() {
			moved = true
			g.since++
		}
		g.at = nil
		if g.turn < len(g.active) && g.active[g.turn] == m {
			g.turn++ // or another has its place
		}
	}
	return moved
}

// armPolls is the budget of empty polls of a member while others are polled too. That is
// about what an arm costs and the event that comes of it, system calls both; to rest
// costs no more then, since the goroutine is awake when the event comes. Only the last
// one that is active goes on for as long as a wake-up costs (see Engine.spinTurns).
const armPolls = 128

// activate has m polled from the next pass on.
func (g *Poller) activate(m *member) {
	m.idle = 0
	if m.place >= 0 {
		return
	}
	m.place = len(g.active)
	g.active = append(g.active, m)
	g.stats.active.Store(uint64(len(g.active)))
}

// rest takes m out of the active ones.
func (g *Poller) rest(m *member) {
	if m.place < 0 {
		return
	}
	last := len(g.active) - 1
	g.active[m.place] = g.active[last]
	g.active[m.place].place = m.place
	g.active[last] = nil
	g.active = g.active[:last]
	m.place = -1
	g.stats.active.Store(uint64(last))
}

// postpone has m back off: nothing is done for it until its delay is over.
func (g *Poller) postpone(m *member) {
	g.rest(m)
	if m.owes { // no later than it need be
		m.owes = false
		m.p.link.owner.requeue()
	}
	if !m.late {
		m.late = true
		g.late = append(g.late, m)
		g.stats.late.Store(uint64(len(g.late)))
		g.listen(m, false) // or what is readable would keep the goroutine from sleep
	}
	m.due = time.Now().Add(m.p.delay)
	m.p.delay = min(2*m.p.delay, retryMost)
}

// hurry ends a back-off.
func (g *Poller) hurry(m *member) {
	if !m.late {
		return
	}
	m.late = false
	g.late = slices.DeleteFunc(g.late, func(x *member) bool { return x == m })
	g.stats.late.Store(uint64(len(g.late)))
}

// listen has the goroutine sleep over m's descriptor, if it has one, or no more.
func (g *Poller) listen(m *member, on bool) {
	if m.fd < 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch b := g.bed.Load(); {
	case m.gone: // nor is its number m's
	case on:
		_ = b.add(m.fd, m) // fails if the CQ has been closed, which it tells by itself
	default:
		b.del(m.fd, m)
	}
}

// recall notes the members whose back-off is over, and answers how long it takes
// until the next one's is; 0 if there is none.
func (g *Poller) recall() (next time.Duration) {
	if len(g.late) == 0 {
		return 0
	}
	now := time.Now()
	left := g.late[:0]
	for _, m := range g.late {
		d := m.due.Sub(now)
		if d <= 0 || atom.Exploring {
			m.late = false
			g.listen(m, true)
			m.note()
			continue
		}
		if left = append(left, m); next == 0 || d < next {
			next = d
		}
	}
	clear(g.late[len(left):])
	g.late = left
	g.stats.late.Store(uint64(len(left)))
	return next
}

// wakeIn wakes the goroutine after d.
func (g *Poller) wakeIn(d time.Duration) {
	if g.alarm == nil {
		g.alarm = time.AfterFunc(d, g.wake)
		return
	}
	g.alarm.Reset(d)
}
