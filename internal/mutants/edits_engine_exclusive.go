package main

// engineEditsExclusive are the edits that make them.
var engineEditsExclusive = []edit{
	{"engine/run.go", `			if !d.exclusive { // [J1]`, `			if !d.exclusive || mutant("J1") { // [J1]`},
	{"engine/exclusive.go", `	if d.exclusive {
		return bTAKE`, `	if d.exclusive && !mutant("J1b") {
		return bTAKE`},
	{"engine/exclusive.go", `	for d.load() == s { // [J2]`, `	for w := d.load(); w == s || mutant("J2") && w.lim() == s.lim(); w = d.load() { // [J2]`},
	{"engine/exclusive.go", `n := s&^bMISS | bARM; n != s`, `n := s&^pick(mutant("J2b"), 0, bMISS) | bARM; n != s`},
	{"engine/exclusive.go", `f&fSealed != 0 || d.ring.Committed(1) > 0`, `f&fSealed != 0 && !mutant("J2g") || d.ring.Committed(1) > 0 && !mutant("J2c")`},
	{"engine/exclusive.go", `sd != nil && sd.n.Load() > 0`, `sd != nil && sd.n.Load() > 0 && !mutant("J2d")`},
	{"engine/exclusive.go", `	s = d.load()
	if s.run() > s.lim() {`, `	s = d.load()
	if s.run() > s.lim() && !mutant("J2e") {`},
	{"engine/exclusive.go", `	if g.p.ctl.Load() != g.p.pass || g.budget`, `	if g.p.ctl.Load() != g.p.pass && !mutant("J2f") || g.budget`},
	{"engine/shutdown.go", `	if d.exclusive && d.load()`, `	if d.exclusive && !mutant("J2h") && d.load()`},
	{"engine/exclusive.go", `	g.d.beats.Store(g.d.beats.Load() + 1)
`, `	if !mutant("J2i") {
		g.d.beats.Store(g.d.beats.Load() + 1)
	}
`},
	{"engine/evd.go", `	if cfg.Exclusive {
		l.poll`, `	if cfg.Exclusive && !mutant("J2j") {
		l.poll`},
	{"engine/exclusive.go", `	if f&fKept != 0 {`, `	if f&fKept != 0 && !mutant("J2k") {`},
	{"engine/exclusive.go", `	n := d.take(dst)
	d.stats.dequeued.Add(uint64(n))
	if d.e.tracing`, `	n := d.take(dst)
	if mutant("J3") {
		d.release(false)
	}
	d.stats.dequeued.Add(uint64(n))
	if d.e.tracing`},
	{"engine/upcall.go", `	if u.evd.exclusive {`, `	if u.evd.exclusive && !mutant("J3b") {`},
	{"engine/exclusive.go", `	if n > 0 {
		d.giveBack(`, `	if n > 0 && !mutant("J2l") {
		d.giveBack(`},
	{"engine/watchdog.go", `	if d.exclusive {`, `	if d.exclusive && !mutant("J2m") {`},
	{"engine/exclusive.go", `			if !some && p`, `			if !some && !mutant("J2n") && p`},
	{"engine/exclusive.go", `	if l.fresh {`, `	if l.fresh && !mutant("J2o") {`},
}
