package main

// engineEdits are the edits that make them.
var engineEdits = []edit{
	{"engine/post.go", `	if err := d.push(ev); err != nil {
		return err
	}
	d.triggerPost()
`, `	if mutant("T1") {
		d.triggerPost()
		return d.push(ev)
	}
	if err := d.push(ev); err != nil {
		return err
	}
	d.triggerPost()
`},
	{"engine/trigger.go", `		if src.intr() {
			n &^= bARM`, `		if src.intr() && !mutant("T2") {
			n &^= bARM`},
	{"engine/trigger.go", `		case s.run() >= s.lim() || src == srcInside && s&limMany == 0:
			n |= bMISS
`, `		case s.run() >= s.lim() || src == srcInside && s&limMany == 0:
			if !mutant("T3") {
				n |= bMISS
			}
`},
	{"engine/trigger.go", `		case s&bQUED == 0:
			n |= bQUED
`, `		case s&bQUED == 0 || mutant("T5"):
			n |= bQUED
			if n == s {
				n += genOne
			}
`},
	{"engine/trigger.go", `		if !m.word.CompareAndSwap(uint64(s), uint64(n)) {
			claimed = false
`, `		if mutant("T7") {
			m.word.Store(uint64(n))
		} else if !m.word.CompareAndSwap(uint64(s), uint64(n)) {
			claimed = false
`},
	{"engine/trigger.go", `		case s&bWAIT != 0:
			if`, `		case s&bWAIT != 0 && !mutant("T8"):
			if`},
	{"engine/trigger.go", `		n := s &^ bQUED
		ok := s.run() < s.lim()
`, `		n := pick(mutant("W1q"), s, s&^bQUED)
		ok := s.run() < s.lim()
		if mutant("T6") {
			return true
		}
`},
	{"engine/trigger.go", `		} else {
			n |= bMISS
		}
		if m.word`, `		} else if !mutant("W2q") {
			n |= bMISS
		}
		if m.word`},
	{"engine/trigger.go", `	if !m.word.CompareAndSwap(uint64(s), uint64(n)) {
		return false
	}
	if wake {`, `	if mutant("R6b") {
		m.word.Store(uint64(n))
	} else if !m.word.CompareAndSwap(uint64(s), uint64(n)) {
		return false
	}
	if wake && !mutant("Q1") {`},
	{"engine/run.go", `			n := (s - runOne) | bMISS
			if have {`, `			n := pick(mutant("R1"), s-runOne, (s-runOne)|bMISS)
			if have && !mutant("R1b") {`},
	{"engine/run.go", `so the mark hands him the duty to have a run started.
			if d.cas(s, (s-runOne)|bMISS) {`, `so the mark hands him the duty to have a run started.
			if d.cas(s, pick(mutant("R2"), s-runOne, (s-runOne)|bMISS)) {`},
	{"engine/run.go", `		case !have && s&bTAKE != 0:`, `		case !have && s&bTAKE != 0 && !mutant("R3"):`},
	{"engine/run.go", `			claim = claim && s&bMISS != 0
`, `			claim = claim && s&bMISS != 0 && !mutant("R4")
`},
	{"engine/run.go", `			claim = claim && s&limMany != 0 && (`, `			claim = claim && s&limMany != 0 && !mutant("R4b") && (mutant("R6c") || `},
	{"engine/run.go", `		if s&bSTALL != 0 {
			d.startPumps()`, `		if s&bSTALL != 0 && !mutant("R4c") {
			d.startPumps()`},
	{"engine/run.go", `		if d.settle(bTAKE) { // arm`, `		if mutant("R6c") {
			d.release(false)
			have = false
			if d.settle(0) {
				return moved
			}
			continue
		}
		if d.settle(bTAKE) { // arm`},
	{"engine/run.go", `	if !d.cas(s, (s-runOne)&^d.keeps()|bQUED) { // [R7]`, `	if !d.cas(s, pick(mutant("R7"), s-runOne, (s-runOne)&^d.keeps()|bQUED)) { // [R7]`},
	{"engine/run.go", `	case s&bQUED != 0:
	case r != nil && r.home == sink(d):
`, `	case s&bQUED != 0 && !mutant("R7b") || mutant("R7"):
	case r != nil && r.home == sink(d) && !mutant("Gr6"):
`},
	{"engine/run.go", `func (d *EVD) abandon() {
`, `func (d *EVD) abandon() {
	if mutant("N4") {
		return
	}
`},
	{"engine/run.go", `		if s&bOWN != 0 {
			n |= bMISS`, `		if s&bOWN != 0 && !mutant("W4") {
			n |= bMISS`},
	{"engine/arm.go", `		return m.rearm(s, also)
`, `		left = m.rearm(s, also)
		if mutant("R5") {
			s = m.load()
			return m.cas(s, (s-runOne)&^also)
		}
		return left
`},
	{"engine/arm.go", `	case s&bMISS != 0 || s&bARM == 0:
`, `	case s&bMISS != 0 && s&bARM != 0 && mutant("R5b"):
		return m.cas(s, (s-runOne)&^also&^bMISS)
	case s&bMISS != 0 || s&bARM == 0:
`},
	{"engine/arm.go", `	return m.cas(s, (s-runOne)&^also)
}`, `	for mutant("R6") {
		s = m.load()
		if m.cas(s, (s-runOne)&^also) {
			return true
		}
	}
	return m.cas(s, (s-runOne)&^pick(mutant("R6d"), 0, also))
}`},
	{"engine/arm.go", `	more := m.self.available()
`, `	more := m.self.available() && !mutant("R8c")
`},
	{"engine/arm.go", `		n := s &^ bARM
		left = s`, `		n := pick(mutant("R8"), s, s&^bARM)
		left = s`},
	{"engine/arm.go", `			if !errors.Is(err, ErrClosed) && l.failed.Load() == 0 {
`, `			if !errors.Is(err, ErrClosed) && l.failed.Load() == 0 && !mutant("R8b") {
`},
	{"engine/arm.go", `				l.unarmed.Store(true)
`, `				l.unarmed.Store(true)
				if mutant("R8d") {
					l.retryArm()
				}
`},
	{"engine/arm.go", `		if s&lARMED != 0 || l.failed.Load() != 0 && l.port == nil {
`, `		if s&lARMED != 0 && !mutant("L1") || l.failed.Load() != 0 && l.port == nil && !mutant("L1c") {
`},
	{"engine/arm.go", `		if s&lWATCH != 0 {
			return nil
		}
		err := l.hwArm()`, `		if s&lWATCH != 0 && !mutant("L1b") {
			return nil
		}
		err := l.hwArm()`},
	{"engine/arm.go", `	l := p.link
	if err := l.unwatch(); err != nil { // arm ..`, `	l := p.link
	if mutant("L2") {
		return !(l.cq.Pending() && p.start(srcWatch)) && l.unwatch() == nil
	}
	if err := l.unwatch(); err != nil { // arm ..`},
	{"engine/arm.go", `			return !(l.cq.Pending() && p.start(srcWatch))
`, `			return mutant("L2c") || !(l.cq.Pending() && p.start(srcWatch))
`},
	{"engine/arm.go", `		arm := s&lARMED != 0 && s&lHW == 0
`, `		arm := s&lARMED != 0 && s&lHW == 0 && !mutant("L2b")
`},
	{"engine/arm.go", `		l.update(lARMED|lHW, 0)
	}
}`, `		l.update(pick(mutant("L4"), lHW, lARMED|lHW), 0)
	}
}`},
	{"engine/arm.go", `			l.update(lARMED|lHW, 0) // [L5]`, `			l.update(pick(mutant("L5"), lHW, lARMED|lHW), 0) // [L5]`},
	{"engine/arm.go", `			err = e
		}
	}
	return err
}

// armTaking`, `			err = e
		}
		if mutant("L6") || mutant("L8") && err != nil {
			break
		}
	}
	return err
}

// armTaking`},
	{"engine/poller.go", `			l.fired(mode != ModeEvent)
			p.start(srcIntr)
`, `			if mutant("L4b") {
				p.start(srcIntr)
				l.fired(mode != ModeEvent)
				continue
			}
			l.fired(mode != ModeEvent)
			p.start(srcIntr)
`},
	{"engine/poller.go", `		p.start(srcWatch) // what was there before us`, `		if !mutant("L7") {
			p.start(srcWatch)
		} // what was there before us`},
	{"engine/take.go", `	for _, l := range d.links() {
		if l.cq.Pending() {`, `	for _, l := range d.links() {
		if l.cq.Pending() && !mutant("E2b") {`},
	{"engine/take.go", `func (d *EVD) keepWatch() {
`, `func (d *EVD) keepWatch() {
	if mutant("R9") {
		return
	}
`},
	{"engine/run.go", `			if moved && !d.busy && s&bARM == 0 && d.rearm(s|bTAKE, bTAKE) {
				return moved
			}
			n = d.take(batch)
`, `			ahead := moved && !d.busy && s&bARM == 0
			if ahead && !mutant("R5c") && d.rearm(s|bTAKE, bTAKE) {
				return moved
			}
			n = d.take(batch)
			if ahead && n == 0 && mutant("R5c") && d.rearm(s|bTAKE, bTAKE) {
				return moved
			}
`},
	{"engine/take.go", `		l := direct[d.turn]
`, `		l := direct[pick(mutant("C2"), 0, d.turn)]
`},
	{"engine/take.go", `	if n = sd.take(d, dst); n > 0 {
		return n
	}
	if n = d.takeSources`, `	if mutant("S1") {
		if n = d.takeSources(dst); n > 0 {
			return n
		}
	}
	if n = sd.take(d, dst); n > 0 {
		return n
	}
	if n = d.takeSources`},
	{"engine/take.go", `		d.ring.Return() // so that`, `		if !mutant("S2") {
			d.ring.Return()
		} // so that`},
	{"engine/enable.go", `	n = s&^bMISS | bARM
	if n != s`, `	n = pick(mutant("E1"), s|bARM, s&^bMISS|bARM)
	if n != s`},
	{"engine/enable.go", `		if err != nil {
			d.clearARM()
		}
`, `		if err != nil && !mutant("E1b") {
			d.clearARM()
		}
`},
	{"engine/enable.go", `	n, ok, err := d.armForEnable(op, s)
	if !ok || err != nil {
		return false, err
	}
	if d.pending() {`, `	if mutant("E2") && d.pending() {
		return false, ErrEventsPending
	}
	n, ok, err := d.armForEnable(op, s)
	if !ok || err != nil {
		return false, err
	}
	if mutant("E2") {
		return d.raiseLIM(n, l), nil
	}
	if d.pending() && !mutant("E2d") {`},
	{"engine/enable.go", `	return d.raiseLIM(n, l), nil // [E3]`, `	if mutant("E3") {
		n = d.load()
	}
	return d.raiseLIM(n, l), nil // [E3]`},
}
