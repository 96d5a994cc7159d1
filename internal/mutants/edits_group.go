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
	{"engine/group_rota.go", `			m.late = false
			m.note()`, `			m.late = false
			if !mutant("Gr7") {
				m.note()
			}`},
	{"engine/epoll_linux.go", `	if b.of[int32(fd)] == m {`, `	if b.of[int32(fd)] == m || mutant("Gr8") {`},
	{"engine/poller.go", `	p.needDone()
	p.ctl.Or(cStop)`, `	p.needDone()
	if mutant("Gr10") {
		p.kick()
		p.ctl.Or(cStop)
		return
	}
	p.ctl.Or(cStop)`},
	{"engine/member.go", `	g.members--
`, `	if !mutant("Gr9") {
		g.members--
	}
`},
}
