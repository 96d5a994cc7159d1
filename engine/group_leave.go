package engine

// A member leaves when its machine has ended: nobody runs it, and nobody begins to. The
// poller's goroutine lets it go when it comes by. But it may be in another's upcall, for
// as long as that likes; and that upcall may be the very one that closes the member, or
// wait for a lock that the closer has. So while the goroutine is inside, whoever asks
// lets go instead: what the goroutine touches there is the machine that it runs, under
// that machine's own slot. The order is Dekker's, from both sides:
//
//	the closer             the goroutine          it comes out
//	stop, among the orders inside       [G5]      not inside [G7]
//	leaving     [G6]       looks at leaving       looks at the orders of a member
//	looks at inside                               before it touches its CQ

// dismiss has m let go: by the goroutine, or here. Its orders say stop.
func (g *Poller) dismiss(m *member) {
	g.mu.Lock()
	g.leavers = append(g.leavers, m)
	g.leaving.Store(true) // [G6] SC: before the look at inside; pairs with [G5]
	g.mu.Unlock()
	m.note() // after it: who comes by finds it among the leavers
	if g.inside.Load() {
		g.letGo()
	}
}

// enter begins what may call upcalls, and exit ends it.
func (g *Poller) enter() {
	g.inside.Store(true) // [G5] SC: before the look at leaving; pairs with [G6]
	if g.leaving.Load() {
		g.letGo()
	}
}

func (g *Poller) exit() {
	g.inside.Store(false) // [G7] SC: before the next look at a member's orders; pairs with [G6]
}

// letGo ends the membership of all who leave. The goroutine is inside, or calls it
// between two members.
func (g *Poller) letGo() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, m := range g.leavers {
		g.leavers[i] = nil
		g.resign(m)
		m.p.done.Signal()
	}
	g.leavers = g.leavers[:0]
	g.leaving.Store(false)
}

// resign ends the membership of m, which was admitted or not. Nobody tells of m any
// more, except who has begun. mu is held.
func (g *Poller) resign(m *member) {
	m.gone = true
	if !m.admitted {
		return
	}
	_, _ = m.notifier().Notify(nil)
	if m.fd >= 0 {
		g.bed.Load().del(m.fd, m)
	}
	g.members--
}

// leave takes m off the goroutine's lists, and lets it go.
func (m *member) leave() {
	g := m.g
	g.rest(m)
	g.hurry(m)
	if g.leaving.Load() {
		g.letGo()
	}
}

// stopping tells whether m is to be touched no more.
func (m *member) stopping() bool { return m.p.ctl.Load()&cStop != 0 }
