package main

// engineEditsBetween are about what happens between two steps of another.
var engineEditsBetween = []edit{
	{"engine/enable.go", `		d.wakeWaiter()
		if err != nil {
			return 0`, `		if !mutant("E8") {
			d.wakeWaiter()
		}
		if err != nil {
			return 0`},
	{"engine/enable.go", `		if s&(bCLOSE|bOWN) != 0 {`, `		if s&(pick(mutant("E10"), 0, bCLOSE)|pick(mutant("E11"), 0, bOWN)) != 0 {`},
	{"engine/take.go", `	if l.kept.Load() && !l.cq.Pending() {`, `	if l.kept.Load() && !l.cq.Pending() && !mutant("G10") {`},
	{"engine/quiet.go", `	e.quietMu.Lock()
	defer e.quietMu.Unlock()
`, `	if !mutant("Q2") {
		e.quietMu.Lock()
		defer e.quietMu.Unlock()
	}
`},
	{"engine/pump.go", `left <= 0 && p.link.failed.Load() == 0 {
				if s&bMISS != 0 {`, `left <= 0 && (p.link.failed.Load() == 0 || mutant("P7")) {
				if s&bMISS != 0 && !mutant("P8") {`},
	{"engine/pump.go", `				// is new, and no event in the ring will tell.
				p.d.trigger(srcPost)
`, `				if !mutant("P9") {
					p.d.trigger(srcPost)
				}
`},
	{"engine/pump.go", `	p.holds.Store(true) // [P5] before the CQ is empty: pairs with pending and deaf
	p.stash = p.buf[:p.link.cq.Poll(p.buf)]
`, `	if !mutant("P10") {
		p.holds.Store(true)
	}
	p.stash = p.buf[:p.link.cq.Poll(p.buf)]
	p.holds.Store(true)
`},
	{"engine/pump.go", `	c, st := p.d.ring.ReserveUpTo(len(p.stash))
`, `	if mutant("P11") {
		p.holds.Store(false)
	}
	c, st := p.d.ring.ReserveUpTo(len(p.stash))
`},
	{"engine/take.go", `{ return d.pendingOutside() || d.pendingInside() }`, `{
	if mutant("P12") {
		return d.pendingInside() || d.pendingOutside()
	}
	return d.pendingOutside() || d.pendingInside()
}`},
	{"engine/take.go", `	return d.pumpsHold()
`, `	return d.pumpsHold() && !mutant("H1")
`},
	{"engine/take.go", `	if sd := d.side.Load(); sd != nil && sd.reach(d) > 0 {
		return true
	}
	if d.ring.Look()`, `	if sd := d.side.Load(); sd != nil && sd.reach(d) > 0 && !mutant("N6") {
		return true
	}
	if d.ring.Look()`},
	{"engine/shutdown.go", `s&bTAKE != 0 && s&bWAIT == 0 {`, `s&bTAKE != 0 && (s&bWAIT == 0 || mutant("H2")) {`},
	{"engine/shutdown.go", `	if d.pendingOutside() {
		return false
	}
`, `	if mutant("H4") && d.pendingInside() || d.pendingOutside() {
		return false
	}
	if mutant("H4") {
		return d.load().run() == 0
	}
`},
	{"engine/side.go", `	sd.n.Add(1) // before the CQ is empty: one too many, until they are in the stash
	defer sd.n.Add(-1)
`, `	if !mutant("H3") {
		sd.n.Add(1)
		defer sd.n.Add(-1)
	}
`},
	{"engine/side.go", `			sd.owed--
`, `			sd.owed -= pick(mutant("N7"), 0, 1)
`},
	{"engine/wait.go", `no event can come any more: %w", w.op, d.name, w.cause)`, `no event can come any more: %w", w.op, d.name, pick(mutant("V13"), d.deaf(), w.cause))`},
	{"engine/wait.go", `	case f&fUnwaitable != 0 || f/fSetOne != w.sets:`, `	case f&fUnwaitable != 0 || f/fSetOne != w.sets && !mutant("V14"):`},
	{"engine/watchdog.go", `ok && p.holds.Load() {`, `ok && p.holds.Load() && !mutant("G4") && !mutant("G4b") {`},
	{"engine/told.go", `	if d.flags.Load()&fKept != 0 { // no`, `	if d.flags.Load()&fKept != 0 && !mutant("G9") { // no`},
	{"engine/watchdog.go", ` && !l.solic && (s&lARMED != 0 || l.failed.Load() != 0)`, ` && (!l.solic || mutant("G6")) && (s&lARMED != 0 || l.failed.Load() != 0 || mutant("G7") || mutant("G4"))`},
	{"engine/watchdog.go", `l.kept.Load() && d.flags.Load()&fKept != 0 ||`, `l.kept.Load() && d.flags.Load()&fKept != 0 && !mutant("G8") ||`},
	{"engine/shutdown.go", `	if d.load().lim() > 0 && d.pending() {
		d.trigger`, `	if d.load().lim() > 0 && d.pending() && !mutant("H5") {
		d.trigger`},
	{"engine/shutdown.go", `			if l.solic && l.cq.Pending() {`, `			if l.solic && l.cq.Pending() && !mutant("H8") {`},
	{"engine/shutdown.go", `	if err := e.drained(ctx); err != nil {`, `	if err := e.drained(ctx); err != nil && !mutant("H6") {`},
	{"engine/shutdown.go", `		for _, d := range evds {
			if err := d.drained(ctx); err != nil {`, `		if mutant("H6") {
			return nil
		}
		for _, d := range evds {
			if err := d.drained(ctx); err != nil {`},
	{"engine/post.go", `	if d.flags.Load()&fKept != 0 {
		d.trigger(srcPost) // what [E6]`, `	if d.flags.Load()&fKept != 0 && !mutant("X4") {
		d.trigger(srcPost) // what [E6]`},
	{"engine/wait.go", `	if f&fSealed != 0 {
		want = 1`, `	if f&fSealed != 0 && !mutant("H7") {
		want = 1`},
}
