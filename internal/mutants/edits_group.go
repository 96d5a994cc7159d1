package main

// engineEditsGroup are the edits that make them.
var engineEditsGroup = []edit{
	{"engine/group_loop.go", `func (g *Poller) push(m *member) {
`, `func (g *Poller) push(m *member) {
	if mutant("Gr1") && g.asleep.Load() == gAwake {
		return
	}
	if mutant("Gr2") && g.ready.Load() == nil {
		g.wake()
	}
`},
	{"engine/group_loop.go", `			if first == nil {
				g.wake()`, `			if first == nil && !mutant("Gr2") {
				g.wake()`},
	{"engine/group_loop.go", `	g.asleep.Store(where) // [G3]`, `	if mutant("Gr3") && (g.ready.Load() != nil || g.todo != nil) {
		return
	}
	g.asleep.Store(where) // [G3]`},
	{"engine/group_loop.go", `	if g.ready.Load() != nil || g.todo != nil || g.stop.Load() {
		g.asleep`, `	if !mutant("Gr3") && (g.ready.Load() != nil || g.todo != nil) || g.stop.Load() {
		g.asleep`},
	{"engine/member.go", `	m.noted.Store(0) // [G4]`, `	if mutant("Gr4") {
		defer m.noted.Store(0)
	} else {
		m.noted.Store(0)
	} // [G4]`},
	{"engine/member.go", `	} else {
		m.owes = true
	}`, `	} else {
		m.owes = !mutant("Gr5")
	}`},
	{"engine/group_rota.go", `			g.listen(m, true)
			m.note()`, `			g.listen(m, true)
			if !mutant("Gr7") {
				m.note()
			}`},
	{"engine/epoll_linux.go", `	if b.of[int32(fd)] == m {`, `	if b.of[int32(fd)] == m || mutant("Gr8") {`},
	{"engine/poller.go", `	p.needDone()
	p.ctl.Or(cStop)`, `	p.needDone()
	if mutant("Gr10") && p.m != nil {
		p.m.g.dismiss(p.m)
		p.ctl.Or(cStop)
		return
	}
	p.ctl.Or(cStop)`},
	{"engine/group_leave.go", `	g.members--
`, `	if !mutant("Gr9") {
		g.members--
	}
`},
	{"engine/group_leave.go", `	g.inside.Store(true) // [G5]`, `	if mutant("Gr11") {
		if g.leaving.Load() {
			g.letGo()
		}
		g.inside.Store(true)
		return
	}
	g.inside.Store(true) // [G5]`},
	{"engine/group_leave.go", `	g.mu.Lock()
	g.leavers = append(g.leavers, m)
`, `	was := mutant("Gr12") && g.inside.Load()
	if mutant("Gr16") {
		m.note()
	}
	g.mu.Lock()
	g.leavers = append(g.leavers, m)
`},
	{"engine/group_leave.go", `	m.note() // after it: who comes by finds it among the leavers
	if g.inside.Load() {`, `	if !mutant("Gr16") {
		m.note()
	}
	if was || !mutant("Gr12") && !mutant("Gr15") && g.inside.Load() {`},
	{"engine/member.go", `	case m.stopping():`, `	case m.stopping() && !mutant("Gr13"):`},
	{"engine/member.go", `	if m.owes || c&cStop != 0 {`, `	if m.owes || c&cStop != 0 && !mutant("Gr14") {`},
	{"engine/epoll_linux.go", `	if !b.closed {`, `	if !b.closed || mutant("Gr17") {`},
}
