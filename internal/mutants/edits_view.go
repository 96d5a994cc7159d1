package main

// engineEditsView are the edits that make them.
var engineEditsView = []edit{
	{"engine/mode.go", `[M1] before the kick; pairs with [M2]
			p.kick()
`, `[M1] before the kick; pairs with [M2]
			if !mutant("M1") && !mutant("M1b") {
				p.kick()
			}
`},
	{"engine/mode.go", `	for {
		c := p.ctl.Load()
		if Mode(c&cMode) == m {`, `	if mutant("M1b") {
		p.kick()
	}
	for {
		c := p.ctl.Load()
		if mutant("M1c") {
			p.ctl.Store(uint32(m))
			p.kick()
			return
		}
		if Mode(c&cMode) == m {`},
	{"engine/arm.go", `		if l.cq.Pending() {
			p.start(srcWatch) // one told to go from polling to events polls nowhere else
		}
		return false
`, `		if l.cq.Pending() && !mutant("M3c") {
			p.start(srcWatch) // one told to go from polling to events polls nowhere else
		}
		return mutant("M3b")
`},
	{"engine/poller.go", `		if mode != ModeEvent {
			if !p.watch(c) {`, `		if mutant("M2") {
			c = p.ctl.Load()
			mode = Mode(c & cMode)
		}
		if mode != ModeEvent {
			if !p.watch(c) {`},
	{"engine/poller.go", `l.state.Load()&lWATCH != 0 && !p.rest() {`, `l.state.Load()&lWATCH != 0 && !mutant("M3") && !p.rest() {`},
	{"engine/poller.go", `			if p.ctl.Load()&cRetry == 0 {`, `			if p.ctl.Load()&cRetry == 0 && (mode == ModeEvent || !mutant("P13")) {`},
}
