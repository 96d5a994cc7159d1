package main

var engineEditsCNO = []edit{
	{"engine/trigger.go", `		case s&bCNO != 0:
			n += runOne // [K1] a stale QUED is no reason to wait for a worker`, `		case s&bCNO != 0 && !mutant("K1") && (s&bQUED == 0 || !mutant("K1c")):
			n += runOne`},
	{"engine/run.go", `(s&bQUED == 0 || s&bCNO != 0)
`, `(s&bQUED == 0 || s&bCNO != 0)
		onCNO := s&bCNO != 0 && !mutant("K1b")
`},
	{"engine/run.go", `		case claim && s&bCNO != 0:
			n += runOne`, `		case claim && onCNO:
			n += runOne`},
	{"engine/run.go", `		case claim && s&bCNO != 0:
			d.attend()`, `		case claim && onCNO:
			d.attend()`},
	{"engine/cno_evd.go", `		if d.cno.Load() != c {`, `		if d.cno.Load() != c && !mutant("K2") {`},
	{"engine/cno_evd.go", `		w := c.sleepers.pop()
		if w == nil {`, `		w := c.sleepers.first
		if w != nil && !mutant("K2b") {
			c.sleepers.remove(w)
		}
		if mutant("K2d") && w != nil {
			c.sleepers.push(w)
			w = nil
		}
		if w != nil && mutant("K2c") {
			c.push(d)
		}
		if w == nil {`},
	{"engine/cno_evd.go", `		w.tok.Signal() // [K6]`, `		if !mutant("K6") {
			w.tok.Signal()
		}
		//`},
	{"engine/cno.go", `	d.cno.Store(to) // [K3]`, `	if !mutant("K3c") && !mutant("K3e") {
		d.cno.Store(to)
	}
	//`},
	{"engine/cno.go", `func (c *CNO) drop(d *EVD, to *CNO) (slot bool) {
`, `func (c *CNO) drop(d *EVD, to *CNO) (slot bool) {
	if mutant("K3c") {
		d.cno.Store(to)
	}
`},
	{"engine/cno.go", `	atom.PlainRead(unsafe.Pointer(&d.cnoSeat))
	switch {`, `	if mutant("K3e") {
		d.cno.Store(to)
	}
	atom.PlainRead(unsafe.Pointer(&d.cnoSeat))
	switch {`},
	{"engine/cno.go", `	case d.listed:
`, `	case d.listed && !mutant("K3"):
`},
	{"engine/cno.go", `	case d.owner != nil:
`, `	case d.owner != nil && !mutant("K3b"):
`},
	{"engine/cno_evd.go", `func (d *EVD) detach(op string, c *CNO) error {
`, `func (d *EVD) detach(op string, c *CNO) error {
	if mutant("K3d") {
		d.unlink(c)
	}
`},
	{"engine/cno_evd.go", `	d.unlink(c)
	// Who`, `	if !mutant("K3d") {
		d.unlink(c)
	}
	// Who`},
	{"engine/cno_evd.go", `	d.cno.Store(c)
	for {`, `	if !mutant("K4") {
		d.cno.Store(c)
	}
	for {`},
	{"engine/cno_evd.go", `			d.trigger(srcPost) // looks, arms, and tells the CNO
`, `			if mutant("K4") {
				d.cno.Store(c)
			}
			if !mutant("K4b") {
				d.trigger(srcPost)
			}
`},
	{"engine/cno_evd.go", `		case s&bOWN != 0:
			err = d.waiterErr(op)`, `		case s&bOWN != 0 && !mutant("K4c"):
			err = d.waiterErr(op)`},
	{"engine/direct.go", `	return s&(levelMask|runMask|`, `	return s&(levelMask&^pick(mutant("KX"), bCNO, 0)|runMask|`},
	{"engine/cno_evd.go", `	if d.cno.Load() == nil { // [K5]`, `	if d.cno.Load() == nil || mutant("K5") { //`},
	{"engine/cno_evd.go", `		if d.settle(bTAKE) {`, `		if d.settle(bTAKE) || mutant("K7b") && d.cas(d.load(), (d.load()-runOne)&^bTAKE) {`},
	{"engine/cno_evd.go", `			if d.cas(s, (s-runOne)|bMISS) { // [R2]`, `			if d.cas(s, (s-runOne)|pick(mutant("KR2"), 0, bMISS)) { //`},
	{"engine/cno_evd.go", `		case !have && s&bTAKE != 0:`, `		case !have && s&bTAKE != 0 && !mutant("KR3"):`},
	{"engine/cno_waiter.go", `	c.takeBack(d)
	c.mu.Unlock()
	d.attend()
`, `	if mutant("K7c") {
		c.mu.Unlock()
	} else {
		c.takeBack(d)
		c.mu.Unlock()
	}
	if mutant("K7") {
		for s := d.load(); !d.cas(s, s-runOne); s = d.load() {
		}
		return true
	}
	d.attend()
`},
	{"engine/cno_waiter.go", `	if w.evd != nil {
		return w.evd, false, nil
	}
`, `	if mutant("K8c") && w.cause != nil {
		return nil, false, w.cause
	}
	if w.evd != nil {
		return w.evd, false, nil
	}
`},
	{"engine/cno_waiter.go", `	if w.turn != turn {`, `	if w.turn != turn && !mutant("K8d") {`},
	{"engine/cno_waiter.go", `	wake := w.asleep
	if wake {
		c.sleepers.remove(w)
`, `	if d := w.evd; d != nil && mutant("K8") {
		c.takeBack(d)
	}
	wake := w.asleep
	if wake {
		if !mutant("K8b") {
			c.sleepers.remove(w)
		}
`},
	{"engine/cno_waiter.go", `	if wake {
		w.tok.Signal()
	}
`, `	if wake && !mutant("K8e") || mutant("K8f") {
		w.tok.Signal()
	}
`},
	{"engine/enable.go", `		if s.lim() > 0 && s&bCNO == 0 {`, `		if s.lim() > 0 && (s&bCNO == 0 || mutant("KD")) {`},
	{"engine/enable.go", `		case s&bCNO != 0:
			return d.onCNOErr(op)`, `		case s&bCNO != 0 && !mutant("KE"):
			return d.onCNOErr(op)`},
	{"engine/enable.go", `		if s&bCNO != 0 {
			return d.onCNOErr(op)`, `		if s&bCNO != 0 && !mutant("KE") {
			return d.onCNOErr(op)`},
	{"engine/wait.go", `		case s&bCNO != 0:`, `		case s&bCNO != 0 && !mutant("KW"):`},
	{"engine/quiet.go", `		if s&bCNO != 0 {`, `		if s&bCNO != 0 && !mutant("KT") {`},
	{"engine/shutdown.go", `s.run() > 0 && s&bCNO == 0 ||`, `s.run() > 0 && (s&bCNO == 0 || mutant("KH")) ||`},
	{"engine/watchdog.go", `s.run() == 0 || s&bCNO != 0 {`, `s.run() == 0 || s&bCNO != 0 && !mutant("KG") {`},
	{"engine/cno.go", `		w.asleep = false
		w.tok.Signal()
`, `		w.asleep = false
		if !mutant("KC") {
			w.tok.Signal()
		}
`},
	{"engine/cno_fd_linux.go", `func (f *eventFD) lower() {
	if f.plus1 > 0 {`, `func (f *eventFD) lower() {
	if f.plus1 > 0 && !mutant("KF") {`},
	{"engine/cno_fd_linux.go", `func (f *eventFD) raise() {
	if f.plus1 > 0 {`, `func (f *eventFD) raise() {
	if f.plus1 > 0 && !mutant("KF2") {`},
	{"engine/cno_ready.go", `		d.ahead.behind = d.behind
`, `		if !mutant("KP2") {
			d.ahead.behind = d.behind
		}
`},
	{"engine/cno_waiter.go", `	if err := w.alone("engine: CNOWaiter.Close"); err != nil {
`, `	if err := w.alone("engine: CNOWaiter.Close"); err != nil && mutant("KB") {
		return w.enter("engine: CNOWaiter.Close")
	} else if err != nil {
`},
	{"engine/close.go", `	if anyCNO {
`, `	if anyCNO && !mutant("KC2") {
`},
}
