package main

// engineEditsSpin are the edits that make them.
var engineEditsSpin = []edit{
	{"engine/wait_spin.go", `		if v := d.lookWait(w); v != goOn {
			if v == reached {`, `		if mutant("SP1") && !d.countNow(w.threshold) {
			continue
		}
		if v := d.lookWait(w); v != goOn {
			if v == reached {`},
	{"engine/wait_spin.go", `	sp.spun = true
	for turn := 1;`, `	sp.spun = true
	if mutant("SP2") {
		d.announce()
	}
	for turn := 1;`},
	{"engine/wait.go", `		v = d.spinWait(w)
`, `		if v = d.spinWait(w); mutant("SP3") && v == goOn && d.spinner != nil {
			d.sleepWait(w)
		}
`},
	{"engine/wait_spin.go", `		defer d.e.spinning.Add(-1)
`, `		if !mutant("SP4") {
			defer d.e.spinning.Add(-1)
		}
`},
	{"engine/adapt.go", `	case gap < p.limit:`, `	case gap < p.limit && !mutant("SP5"):`},
	{"engine/poller.go", `	l.stats.found.Add(runs)
	return p.rest()
`, `	l.stats.found.Add(runs)
	return mutant("SP10") && !spins && p.patience.turns == 0 || p.rest()
`},
	{"engine/adapt.go", `p.long < patienceRow {`, `p.long < patienceRow && !mutant("SP6") {`},
	{"engine/adapt.go", `max(0, d-p.wake)`, `max(0, d-p.wake*pick(mutant("SP7"), time.Duration(0), 1))`},
	{"engine/adapt.go", `gap <= patienceLong*p.limit:`, `gap <= patienceLong*p.limit && !mutant("SP8"):`},
	{"engine/adapt.go", `func (p *patience) caught() { p.long = 0 }`, `func (p *patience) caught() {
	if !mutant("SP9") {
		p.long = 0
	}
}`},
	{"engine/wait_spin.go", `		if d.flags.Load()&fSealed != 0 {`, `		if d.flags.Load()&fSealed != 0 && !mutant("SP11") {`},
	{"engine/wait_spin.go", `	case v == timedOut || v == ctxOver:`, `	case (v == timedOut || v == ctxOver) && !mutant("SP13"):
		if mutant("SP12") {
			break
		}`},
	{"engine/wait_spin.go", `	case v != reached:`, `	case v != reached && !mutant("SP13"):`},
}
