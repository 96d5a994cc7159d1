package ring

// The fast paths in the model: what they say is checked, and that they say yes where
// nothing is in the way of it.

func (m *model) tryPush() {
	v := m.next + 1
	ok := m.r.TryPush(&v)
	m.tried(ok, 1)
	if ok {
		m.add(1, true)
	}
}

func (m *model) tryReserve(n int) {
	c, ok := m.r.TryReserve(n)
	m.tried(ok, n)
	if ok {
		m.claim(c, OK, n)
	}
}

// tried judges the answer to an attempt to get n slots, with nobody in the way.
func (m *model) tried(ok bool, n int) {
	m.t.Helper()
	switch {
	case ok:
		m.answer(OK, n)
	case !m.closed && n >= 1 && len(m.vals)+n <= m.r.Cap():
		m.fail("no to a request for %d with %d in the ring", n, len(m.vals))
	}
}

func (m *model) tryPop() {
	v := ^uint32(0)
	switch ok := m.r.TryPop(&v); {
	case ok:
		m.consume([]uint32{v})
	case v != ^uint32(0):
		m.fail("TryPop says no and moves something")
	case m.alone():
		m.fail("TryPop says no to an event that was pushed alone")
	}
}

func (m *model) tryPeek() {
	p := m.r.TryPeek()
	if p == nil {
		if m.alone() {
			m.fail("TryPeek says no to an event that was pushed alone")
		}
		return
	}
	m.match([]uint32{*p})
	m.r.Advance(1)
	m.consume([]uint32{*p})
	m.r.Advance(1) // nothing is left of it
}

// alone reports whether the next event is committed and a run of one.
func (m *model) alone() bool {
	return m.state() == Event && m.r.seq[m.pos&m.r.mask].Load() == m.pos+1
}

// readyTryPop reads in place, consumes one of these in another way, and advances.
func (m *model) readyTryPop(limit, advance int) {
	got := m.r.Ready(limit)
	m.match(got)
	n := len(got)
	v := ^uint32(0)
	if m.r.TryPop(&v) {
		m.consume([]uint32{v})
		n--
	}
	before := m.r.Len()
	m.r.Advance(advance)
	took := before - m.r.Len()
	if took != max(0, min(advance, n)) {
		m.fail("Advance(%d) took %d of %d", advance, took, n)
	}
	m.consume(got[len(got)-max(n, 0):][:took])
}

func (m *model) trySteps() []step {
	return []step{
		{"TryPush", func(int) { m.tryPush() }},
		{"TryReserve", func(a int) { m.tryReserve(a%12 - 1) }},
		{"TryPop", func(int) { m.tryPop() }},
		{"TryPeek, Advance", func(int) { m.tryPeek() }},
		{"Ready, TryPop, Advance", func(a int) { m.readyTryPop(a%16, a/16-1) }},
	}
}
