package main

// capacityEdits are the edits that make them.
var capacityEdits = []edit{
	{"engine/spill.go", `	sd.n.Add(1) // before the trigger, as [N3]
	d.flags.Or(fSpilled)
`, `	sd.n.Add(pick[int32](mutant("O10"), 0, 1)) // before the trigger, as [N3]
	if mutant("O1b") {
		sd.mu.Unlock()
		defer sd.mu.Lock()
	}
	d.flags.Or(fSpilled)
`},
	{"engine/spill.go", `	if n := sd.list.len(); n >= int(d.spillMax) && n+`, `	if n := sd.list.len(); n >= int(d.spillMax) && mutant("O1d") {
		return ring.Full
	} else if n >= int(d.spillMax) && n+`},
	{"engine/pump.go", `	if d.load()&bSTALL == 0 { // [O6]`, `	if mutant("O6") || d.load()&bSTALL == 0 { // [O6]`},
	{"engine/pump.go", `	sd.n.Add(1) // before they leave: one too many, as in copyFrom
	defer sd.n.Add(-1)
`, `	if !mutant("O6d") {
		sd.n.Add(1) // before they leave: one too many, as in copyFrom
		defer sd.n.Add(-1)
	}
`},
	{"engine/pump.go", `	if moved {
		d.startStalled()`, `	if moved && !mutant("O6e") {
		d.startStalled()`},
	{"engine/wait.go", `|| d.load()&bSTALL != 0 {`, `|| d.load()&bSTALL != 0 && !mutant("O6b") {`},
	{"engine/take.go", `	if !d.ring.Idle() {
		return true // [O6]`, `	if sd := d.side.Load(); mutant("O6c") {
		return sd != nil && sd.n.Load() > 0 || !d.ring.Idle()
	}
	if !d.ring.Idle() && !mutant("E2c") {
		return true // [O6]`},
	{"engine/spill.go", `	} else if d.load()&bCLOSE != 0 {`, `	} else if d.load()&bCLOSE != 0 && !mutant("O1c") {`},
	{"engine/spill.go", `	sd := d.side.Load()
	sd.mu.Lock()
	defer sd.mu.Unlock()
	if sd.urgent.len() > 0 {`, `	sd := d.side.Load()
	early := ring.Event
	if mutant("O2") {
		early = d.ring.Look()
	}
	sd.mu.Lock()
	defer sd.mu.Unlock()
	if mutant("O2") && early == ring.Empty || mutant("O2b") && d.ring.Look() == ring.InFlight {
		return d.popSpilled(sd, dst)
	}
	if sd.urgent.len() > 0 && !mutant("O5d") {`},
	{"engine/take.go", `		if d.prio && d.flags.Load()&fUrgent != 0 {`, `		if d.prio && d.flags.Load()&fUrgent != 0 && !mutant("O5c") {`},
	{"engine/spill.go", `	if sd.list.len() == 0 {
`, `	if sd.list.len() == 0 || mutant("O2c") {
`},
	{"engine/close.go", `	for {
		n := d.ring.PopN(buf)
		hand(n)
`, `	if mutant("O2d") {
		for d.spilled() > 0 {
			hand(d.popSpilled(d.side.Load(), buf))
		}
	}
	for {
		n := d.ring.PopN(buf)
		hand(n)
`},
	{"engine/post.go", `	if f&fSpilled == 0 { // [O3]`, `	if f&fSpilled == 0 || mutant("O3") {`},
	{"engine/classes.go", `		if t.passed[c] >= inARow && t.passed[turn] < inARow {`, `		if t.passed[c] >= inARow && t.passed[turn] < inARow && !mutant("O21") {`},
	{"engine/classes.go", `	case !priority || s&Async != 0:`, `	case !priority || s&Async != 0 || mutant("O20"):`},
	{"engine/evd.go", `int32(cfg.Budget * cfg.Weight)`, `int32(cfg.Budget * pick(mutant("O22"), 1, cfg.Weight))`},
	{"engine/watchdog.go", `		e.dog.cursor++
`, `		e.dog.cursor += pick(mutant("O23"), 0, 1)
`},
	{"engine/urgent.go", `	d.flags.Or(fUrgent)
`, `	if mutant("O5") {
		sd.mu.Unlock()
		defer sd.mu.Lock()
	}
	d.flags.Or(fUrgent)
`},
	{"engine/urgent.go", `	if d.load()&bCLOSE != 0 {
`, `	if d.load()&bCLOSE != 0 && !mutant("O5b") {
`},
	{"engine/side.go", `	if n = sd.takeUrgent(d, dst); n > 0 {
		return n
	}
	if n = sd.takeStash`, `	if mutant("O25") {
		if n = d.takeSources(dst); n > 0 {
			return n
		}
	}
	if n = sd.takeUrgent(d, dst); n > 0 {
		return n
	}
	if n = sd.takeStash`},
	{"engine/trigger.go", `func (m *machine) trigger(src source) (claimed bool) {
`, `func (m *machine) trigger(src source) (claimed bool) {
	if d, ok := m.self.(*EVD); ok && mutant("O1") && d.flags.Load()&fSpilled != 0 {
		return false
	}
`},
	{"engine/pump.go", `			s &^= bMISS
`, `			s &^= bMISS
			if mutant("O4b") && p.d.flags.Load()&fSpilled != 0 {
				p.d.stall()
				if p.cas(s, s-runOne) {
					p.d.trigger(srcPost)
					return moved
				}
				continue
			}
`},
	{"engine/pump.go", `	if p.d.spillMax > 0 && p.d.flags.Load()&fSpilled != 0 {`, `	if p.d.spillMax > 0 && p.d.flags.Load()&fSpilled != 0 && !mutant("O4") {`},
}
