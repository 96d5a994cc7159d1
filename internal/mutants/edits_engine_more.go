package main

// engineEditsMore are the edits that make them.
var engineEditsMore = []edit{
	{"engine/enable.go", `	if !d.word.CompareAndSwap(uint64(s), uint64(n)) {
		return false
	}
	if s&bQUIET != 0 {`, `	if mutant("E3b") {
		d.word.Store(uint64(n))
	} else if !d.word.CompareAndSwap(uint64(s), uint64(n)) {
		return false
	}
	if s&bQUIET != 0 && !mutant("Q1d") {`},
	{"engine/enable.go", `				if l.lim() > s.lim() ||`, `				if !mutant("E4") && l.lim() > s.lim() ||`},
	{"engine/enable.go", `				d.trigger(srcPost) // runs, arms, and looks`, `				if mutant("E5") {
					return nil
				}
				d.trigger(srcPost) // runs, arms, and looks`},
	{"engine/enable.go", `			if s&bMISS != 0 || d.pumpsHold() || d.`, `			if s&bMISS != 0 && !mutant("E6") || d.pumpsHold() && !mutant("E9") || !mutant("E12") && d.`},
	{"engine/enable.go", `		case s&bOWN != 0:
			return d.waiterErr(op)
		case s.level()`, `		case s&bOWN != 0 && !mutant("E7"):
			return d.waiterErr(op)
		case s.level()`},
	{"engine/quiet.go", `		return s.run() == 0, nil
	}); err`, `		return s.run() == 0 || mutant("Q1b"), nil
	}); err`},
	{"engine/quiet.go", `		if ctx.Err() == nil && m.word.CompareAndSwap(`, `		if mutant("Q1c") {
			s = m.load()
		}
		if ctx.Err() == nil && m.word.CompareAndSwap(`},
	{"engine/word.go", `	if w&bQUIET != 0 && w.run() == 0 {`, `	if w&bQUIET != 0 && w.run() == 0 && !(mutant("Q1e") && w&bTAKE != 0) {`},
	{"engine/quiet.go", `func noUse(s word) (bool, error) { return s.run() == 0 && s&bTAKE == 0, nil }`, `func noUse(s word) (bool, error) { return s.run() == 0 && (s&bTAKE == 0 || mutant("C1")), nil }`},
	{"engine/word.go", `(w&^levelMask | word(l)) + genOne }`, `(w&^levelMask | word(l)) + pick(mutant("GEN"), 0, genOne) }`},
	{"engine/wait.go", `		case s.lim() > 0:
			return fmt`, `		case s.lim() > 0 && !mutant("V1"):
			return fmt`},
	{"engine/wait.go", `		case s&bTAKE != 0:
			atom.Spin()`, `		case s&bTAKE != 0 && !mutant("V2"):
			atom.Spin()`},
	{"engine/wait.go", `		if v = d.lookWait(w); v != goOn {
			d.retract()`, `		if v = d.lookWait(w); v != goOn && !mutant("V3") {
			d.retract()`},
	{"engine/wait.go", `		if s&bARM == 0 && d.arm() != nil {`, `		if s&bARM == 0 && !mutant("V4") && d.arm() != nil {`},
	{"engine/wait.go", `	if !d.clearWAIT() {
		d.tok.Wait()`, `	if !d.clearWAIT() && !mutant("V5") {
		d.tok.Wait()`},
	{"engine/wait.go", `	return n >= int(d.target.Load())
`, `	return n >= int(d.target.Load())+pick(mutant("V6"), 1, 0)
`},
	{"engine/waiter.go", `	d.flags.Or(f) // before WAIT is cleared`, `	if mutant("V7") {
		d.wakeWaiter()
		d.flags.Or(f)
		return nil
	}
	d.flags.Or(f) // before WAIT is cleared`},
	{"engine/dequeue.go", `		if s&bOWN != 0 {
			return 0, d.waiterErr(op)
		}
		if s&bTAKE != 0 {`, `		if s&bOWN != 0 && !mutant("D1") {
			return 0, d.waiterErr(op)
		}
		if s&bTAKE != 0 && !mutant("D2") && !(mutant("D1") && s&bOWN != 0) {`},
	{"engine/direct.go", `!d.ring.Idle() || !d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1]`, `!d.ring.Idle() && !mutant("X1") || !d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) { // [X1]`},
	{"engine/direct.go", `	if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) { // [X2]`, `	for n := d.load(); mutant("X2"); n = d.load() {
		if d.cas(n, n-runOne) {
			return nil
		}
	}
	if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) { // [X2]`},
	{"engine/direct.go", `		if s&bMISS == 0 {
			if d.word`, `		if s&bMISS == 0 || mutant("X2b") {
			if d.word`},
	{"engine/direct.go", `		if s&bTAKE != 0 {
			break
		}
		took := s&^bMISS | bTAKE`, `		if s&bTAKE != 0 && !mutant("X7") {
			break
		}
		took := s&^pick(mutant("X8"), 0, bMISS) | bTAKE`},
	{"engine/direct.go", `		if n == 0 && d.word`, `		for m := d.load(); mutant("X8"); m = d.load() {
			if d.word.CompareAndSwap(uint64(m), uint64(m&^bMISS)) {
				break
			}
		}
		for m := d.load(); mutant("X9") && n == 0; m = d.load() {
			if d.cas(m, (m-runOne)&^bTAKE) {
				return
			}
		}
		if n == 0 && d.word`},
	{"engine/direct.go", `	all = d.side.Load() == nil &&`, `	all = (d.side.Load() == nil || mutant("X10")) &&`},
	{"engine/direct.go", `	return n, all && n < len(dst)`, `	return n, all && (n < len(dst) || mutant("X11"))`},
	{"engine/direct.go", `	defer func() {
		if running`, `	defer func() {
		if mutant("X12") && o.one.alive() {
			running = o
		}
		if running`},
	{"engine/direct.go", `d.flags.Load()&(fSealed|fKept|fSpilled|fUrgent) == 0`, `d.flags.Load()&^pick(mutant("X3"), fKept, 0)&^pick(mutant("O9"), fSpilled, 0)&^pick(mutant("O24"), fUrgent, 0)&(fSealed|fKept|fSpilled|fUrgent) == 0`},
	{"engine/postn.go", `d.ring.Idle() && d.word.CompareAndSwap`, `(d.ring.Idle() || mutant("X1b")) && d.word.CompareAndSwap`},
	{"engine/postn.go", `	if now < len(evs) {
		n, err = d.pushN(evs[now:], op)
	}
	d.deliverDirect(r, evs[:now])
	if n > 0 {`, `	if now < len(evs) && !mutant("X5") {
		n, err = d.pushN(evs[now:], op)
	}
	d.deliverDirect(r, evs[:now])
	if now < len(evs) && mutant("X5") {
		n, err = d.pushN(evs[now:], op)
	}
	if n > 0 && !mutant("X6") {`},
	{"engine/postn.go", `	n, err = d.pushN(evs, op)
	if n > 0 {`, `	if mutant("T1b") {
		d.triggerPost()
		return d.pushN(evs, op)
	}
	n, err = d.pushN(evs, op)
	if n > 0 && !(mutant("T9") && err != nil) {`},
	{"engine/postn.go", `	if f&fSpilled == 0 { // [O3]`, `	if f&fSpilled == 0 || mutant("O3b") {`},
	{"engine/pump.go", `	if p.link.failed.Load() != 0 {
		p.d.wake`, `	if p.link.failed.Load() != 0 && !mutant("V9") {
		p.d.wake`},
	{"engine/async.go", `		if p.link.cq.Pending() || p.holds.Load() {
			return nil
		}
	}
`, `		if (p.link.cq.Pending() || p.holds.Load() && !mutant("V11") || mutant("V13") && p.load().run() > 0) && !mutant("V10") {
			return nil
		}
	}
`},
	{"engine/async.go", `		d.wakeWaiter() // there may`, `		if !mutant("V8") {
			d.wakeWaiter()
		} // there may`},
	{"engine/pump.go", `			if p.cas(s, s-runOne) { // [P3]`, `			if mutant("P3") {
				s = p.load()
			}
			if p.cas(s, s-runOne) { // [P3]`},
	{"engine/pump.go", `			p.d.stall()
			if p.place() == ring.OK {
				moved = true
				continue
			}
`, `			if !mutant("S3") && !mutant("S4") {
				p.d.stall()
			}
			if p.place() == ring.OK {
				moved = true
				continue
			}
			if mutant("S4") {
				p.d.stall()
			}
`},
	{"engine/pump.go", `					p.link.poll.kick()
`, `					if !mutant("P4") {
						p.link.poll.kick()
					}
`},
	{"engine/pump.go", `	p.d.ring.Commit(c)
	if len(p.stash)`, `	if mutant("P5") {
		p.d.trigger(srcPost)
		p.d.ring.Commit(c)
		return ring.OK
	}
	p.d.ring.Commit(c)
	if len(p.stash)`},
	{"engine/pump.go", `	p.stash = p.stash[c.Len():]
`, `	p.stash = p.stash[pick(mutant("P6"), len(p.stash), c.Len()):]
`},
	{"engine/close.go", `			if s&bWAIT != 0 {
				d.signal()`, `			if s&bWAIT != 0 && !mutant("C3") {
				d.signal()`},
	{"engine/close.go", `uint64(s.policy(levelDisabled)&^bWAIT|bCLOSE)) { // [C]`, `uint64(pick(mutant("C4"), s, s.policy(levelDisabled))&^bWAIT|bCLOSE)) { // [C]`},
	{"engine/close.go", `	d.markClosed()
	d.ring.Close()
`, `	d.markClosed()
	if !mutant("C5") {
		d.ring.Close()
	}
`},
	{"engine/close.go", `		if d.ring.Look() == ring.Empty {`, `		if d.ring.Look() == ring.Empty || mutant("C6") {`},
	{"engine/close.go", `		p.forbid()
		if err`, `		if mutant("C7") {
			break
		}
		p.forbid()
		if err`},
	{"engine/close.go", `		for len(p.stash) > 0 {`, `		for len(p.stash) > 0 && !mutant("C8") {`},
	{"engine/close.go", `	if err := acquire(ctx, *closer); err != nil {`, `	if err := acquire(ctx, pick(mutant("C9"), spare(), *closer)); err != nil {`},
	{"engine/side.go", `	sd := d.needSide()
	sd.mu.Lock()
	if x.gone {`, `	sd := d.needSide()
	if mutant("N1") {
		d.trigger(srcPost)
	}
	sd.mu.Lock()
	if x.gone {`},
	{"engine/side.go", `pairs with the looks
	sd.mu.Unlock()
	d.trigger(srcPost)
`, `pairs with the looks
	sd.mu.Unlock()
	if mutant("N1") {
		return
	}
	d.trigger(srcPost)
`},
	{"engine/side.go", `	if x.count.Add(1) > 1 { // [N1]`, `	if x.count.Add(1) > 1 && !mutant("N2") { // [N1]`},
	{"engine/side.go", `		if x.ep != nil && x.ep.owesEstablished(x) {`, `		if x.ep != nil && !mutant("N3") && x.ep.owesEstablished(x) {`},
	{"engine/side.go", `	d.side.CompareAndSwap(nil, &side{})
`, `	if mutant("N5") {
		d.side.Store(&side{})
	}
	d.side.CompareAndSwap(nil, &side{})
`},
	{"engine/watchdog.go", `	l.owner.trigger(srcPost)
}`, `	l.owner.trigger(pick(mutant("G1"), srcIntr, srcPost))
}`},
	{"engine/watchdog.go", `	if l.rearm && l.failed`, `	if (l.rearm || mutant("G2")) && l.failed`},
	{"engine/watchdog.go", `	if !l.dog.again(polled) {
`, `	if !l.dog.again(polled) || mutant("G3") {
`},
	{"engine/classes.go", `	if q.first = *n.link(); q.first == none {`, `	if q.first = *n.link(); q.first == none && !mutant("Y1") {`},
	{"engine/runq.go", `	wake := q.parked > 0
`, `	wake := q.parked > 0 && !mutant("Y2")
`},
	{"engine/runq.go", `		q.parked-- // he`, `		if mutant("Y3") && q.parked < 2 {
			q.parked++
		}
		q.parked-- // he`},
	{"engine/runq.go", `		if q.closed {
			return nil
		}
		q.parked++`, `		if q.closed && !mutant("Y4") {
			return nil
		}
		q.parked++`},
	{"engine/enable.go", `	d.admin.Lock()
	defer d.admin.Unlock()
	var old`, `	if !mutant("F2") {
		d.admin.Lock()
		defer d.admin.Unlock()
	}
	var old`},
	{"engine/enable.go", `		if s.lim() != 0 || s.run() != 0 {`, `		if s.lim() != 0 || s.run() != 0 && !mutant("F1") {`},
}
