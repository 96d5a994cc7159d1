package ring

import "testing"

// model is a ring told sequentially: a list of events of which some are not
// committed yet. Between Cap and the number of slots it does not know whether
// there is room, and takes the ring's word for it.
type model struct {
	t      teller
	r      *MPSC[uint32]
	trace  []string
	pos    uint64 // position of the oldest event
	vals   []entry
	claims []open
	next   uint32
	closed bool
	given  bool // all credit was returned and nothing consumed since
}

// teller is a *testing.T, or that of package rapid.
type teller interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

type entry struct {
	v         uint32
	committed bool
}

// open is a claim and its position among all events ever.
type open struct {
	c   Claim
	pos uint64
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	if len(m.trace) > 40 {
		m.trace = m.trace[len(m.trace)-40:]
	}
	m.t.Logf("capacity %d; last operations: %v", m.r.Cap(), m.trace)
	m.t.Fatalf(format, args...)
}

// ready is how many events are committed before the first that is not.
func (m *model) ready() int {
	for i, e := range m.vals {
		if !e.committed {
			return i
		}
	}
	return len(m.vals)
}

func (m *model) state() State {
	switch {
	case len(m.vals) == 0:
		return Empty
	case m.vals[0].committed:
		return Event
	}
	return InFlight
}

// answer judges the answer to a request for n, at least need of them.
func (m *model) answer(st Status, n int) {
	m.t.Helper()
	switch {
	case m.closed && st != Closed:
		m.fail("answer %d after Close", st)
	case m.closed:
	case n < 1 || n > m.r.Cap():
		if st != Full {
			m.fail("answer %d to a request for %d, which never fits", st, n)
		}
	case len(m.vals)+n <= m.r.Cap() && st != OK:
		m.fail("answer %d to a request for %d with %d in the ring", st, n, len(m.vals))
	case len(m.vals)+n > int(m.r.size) && st != Full:
		m.fail("answer %d to a request for %d with %d in %d slots", st, n, len(m.vals), m.r.size)
	case st != OK && st != Full:
		m.fail("answer %d", st)
	}
}

// add appends n events and returns their values.
func (m *model) add(n int, committed bool) []uint32 {
	vs := make([]uint32, n)
	for i := range vs {
		m.next++
		vs[i] = m.next
		m.vals = append(m.vals, entry{m.next, committed})
	}
	return vs
}

// consume checks values against the oldest events and forgets those.
func (m *model) consume(got []uint32) {
	m.t.Helper()
	m.match(got)
	m.vals = m.vals[len(got):]
	m.pos += uint64(len(got))
	if len(got) > 0 {
		m.given = m.r.slack == 0
	}
}

func (m *model) match(got []uint32) {
	m.t.Helper()
	if len(got) > m.ready() {
		m.fail("%d events, but %d are committed", len(got), m.ready())
	}
	for i, v := range got {
		if v != m.vals[i].v {
			m.fail("event %d is %d, want %d", i, v, m.vals[i].v)
		}
	}
}

func (m *model) push() {
	v := m.next + 1
	st := m.r.Push(&v)
	m.answer(st, 1)
	if st == OK {
		m.add(1, true)
	}
}

func (m *model) pushN(n int) {
	vs := make([]uint32, n)
	for i := range vs {
		vs[i] = m.next + 1 + uint32(i)
	}
	st := m.r.PushN(vs)
	if n == 0 {
		if st != OK {
			m.fail("PushN of nothing answers %d", st)
		}
		return
	}
	m.answer(st, n)
	if st == OK {
		m.add(n, true)
	}
}

func (m *model) reserve(n int) {
	c, st := m.r.Reserve(n)
	m.answer(st, n)
	m.claim(c, st, n)
}

func (m *model) reserveUpTo(n int) {
	c, st := m.r.ReserveUpTo(n)
	m.answer(st, min(n, 1))
	switch k := c.Len(); {
	case st != OK:
	case k < 1 || k > n || k < n && len(m.vals)+k < m.r.Cap() || len(m.vals)+k > int(m.r.size):
		m.fail("ReserveUpTo(%d) took %d with %d in the ring", n, k, len(m.vals))
	}
	m.claim(c, st, c.Len())
}

func (m *model) claim(c Claim, st Status, n int) {
	m.t.Helper()
	if st != OK {
		n = 0
	}
	if c.Len() != n {
		m.fail("a claim of %d, want %d", c.Len(), n)
	}
	if st == OK {
		pos := m.pos + uint64(len(m.vals))
		for i, v := range m.add(n, false) {
			*m.r.Slot(c, i) = v
		}
		m.claims = append(m.claims, open{c, pos})
	}
}

// commit commits one of the open claims.
func (m *model) commit(which int) {
	if len(m.claims) == 0 {
		return
	}
	i := which % len(m.claims)
	o := m.claims[i]
	m.claims = append(m.claims[:i], m.claims[i+1:]...)
	if o.pos%2 == 0 {
		m.r.Commit(o.c)
	} else {
		m.r.CommitRelease(o.c)
	}
	for k := range o.c.Len() {
		m.vals[o.pos-m.pos+uint64(k)].committed = true
	}
}

func (m *model) pop() {
	v := ^uint32(0)
	want := m.state()
	if st := m.r.Pop(&v); st != want {
		m.fail("Pop answers %d, want %d", st, want)
	}
	switch want {
	case Event:
		m.consume([]uint32{v})
	case Empty:
		m.given = true
	}
	if want != Event && v != ^uint32(0) {
		m.fail("Pop answers %d but moved %d", want, v)
	}
}

func (m *model) popN(n int) {
	dst := make([]uint32, n)
	want := min(n, m.ready())
	if got := m.r.PopN(dst); got != want {
		m.fail("PopN(%d) took %d, want %d", n, got, want)
	}
	m.consume(dst[:want])
}

// readyAdvance reads in place up to limit and consumes advance of it.
func (m *model) readyAdvance(limit, advance int) {
	got := m.r.Ready(limit)
	toEnd := int(m.r.size - m.pos&m.r.mask)
	if want := max(0, min(limit, m.ready(), toEnd)); len(got) != want {
		m.fail("Ready(%d) has %d, want %d", limit, len(got), want)
	}
	m.match(got)
	m.r.Advance(advance)
	m.consume(got[:max(0, min(advance, len(got)))])
}

func (m *model) look() {
	want := m.state()
	if st := m.r.Look(); st != want {
		m.fail("Look answers %d, want %d", st, want)
	}
	if want == Empty {
		m.given = true
	}
}

// check compares what can be asked for at any time.
func (m *model) check() {
	if n := m.r.Len(); n != len(m.vals) {
		m.fail("Len is %d, want %d", n, len(m.vals))
	}
	if n, want := m.r.Accepted(), m.pos+uint64(len(m.vals)); n != want {
		m.fail("Accepted is %d, want %d", n, want)
	}
	switch idle := m.r.Idle(); {
	case idle && len(m.vals) > 0:
		m.fail("Idle with %d events", len(m.vals))
	case !idle && len(m.vals) == 0 && m.given:
		m.fail("not Idle, but empty and all credit returned")
	}
}

// step is an operation with an argument.
type step struct {
	name string
	do   func(arg int)
}

// run interprets ops: pairs of an operation and its argument.
func (m *model) run(ops []byte) {
	steps := []step{
		{"Push", func(int) { m.push() }},
		{"PushN", func(a int) { m.pushN(a % 6) }},
		{"Reserve", func(a int) { m.reserve(a%12 - 1) }},
		{"Reserve few", func(a int) { m.reserve(a%3 + 1) }},
		{"ReserveUpTo", func(a int) { m.reserveUpTo(a%12 - 1) }},
		{"Commit first", func(int) { m.commit(0) }},
		{"Commit", m.commit},
		{"Commit last", func(int) { m.commit(len(m.claims) + len(m.claims) - 1) }},
		{"Pop", func(int) { m.pop() }},
		{"PopN", func(a int) { m.popN(a % 12) }},
		{"Ready, Advance", func(a int) { m.readyAdvance(a%16-1, a/16-1) }},
		{"Ready, Advance all", func(a int) { m.readyAdvance(a%16, a%16) }},
		{"Look", func(int) { m.look() }},
		{"Return", func(int) { m.r.Return(); m.given = true }},
		{"Pop twice", func(int) { m.pop(); m.pop() }},
		{"Close", func(a int) {
			if a%8 == 0 { // rarely, because it ends the fun
				m.r.Close()
				m.closed = true
			}
		}},
	}
	steps = append(steps, m.trySteps()...)
	for len(ops) > 1 {
		s := steps[int(ops[0])%len(steps)]
		m.trace = append(m.trace, s.name)
		s.do(int(ops[1]))
		m.check()
		ops = ops[2:]
	}
	m.finish()
}

// finish commits and consumes what is left.
func (m *model) finish() {
	for len(m.claims) > 0 {
		m.commit(0)
	}
	for len(m.vals) > 0 {
		m.pop()
	}
	m.look()
	m.check()
}

// FuzzModel runs any sequence of operations on a ring and on the model. The
// first byte is the capacity, the second one the position. (TestModel does the
// same with random sequences.)
func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 12, 0})                      // full at capacity 1
	f.Add([]byte{3, 1, 2, 3, 2, 2, 7, 0, 8, 0, 5, 0, 9, 11})                // claims out of order
	f.Add([]byte{2, 2, 1, 3, 9, 3, 1, 3, 9, 3, 1, 3, 9, 3, 2, 4, 5, 0})     // a whole capacity, credit owed
	f.Add([]byte{6, 3, 1, 5, 10, 0x24, 1, 4, 11, 15, 10, 0x7f, 11, 15})     // runs taken in parts, and round the end
	f.Add([]byte{4, 0, 3, 1, 0, 0, 15, 0, 0, 0, 8, 0, 5, 0, 9, 11, 12, 0})  // closed with a claim open
	f.Add([]byte{4, 1, 1, 5, 10, 0x42, 8, 0, 10, 0xf1, 13, 0, 4, 11, 6, 1}) // Advance beyond Ready
	f.Add([]byte{7, 2, 15, 0, 2, 0, 2, 9, 1, 0, 4, 0, 0, 0, 12, 0})         // impossible sizes when closed
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 2 {
			return
		}
		pos := positions[int(in[1])%len(positions)]
		r := newAt[uint32](t, int(in[0])%10+1, pos)
		m := &model{t: t, r: r, pos: pos, given: true}
		m.run(in[2:])
	})
}
