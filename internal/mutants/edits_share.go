package main

// engineEditsShare are the edits that make them.
var engineEditsShare = []edit{
	{"engine/port.go", `	p.in.Store(p.pos) // [H1] release: the slots; then the look at armed
`, `	if mutant("Sh1") && p.armed.Swap(false) {
		p.link.fired(false)
		p.d.trigger(srcPort)
	}
	early := mutant("Sh2") && p.armed.Swap(false)
	p.in.Store(p.pos)
	if mutant("Sh15") && p.late != nil {
		p.late.next.Store(p.tail)
		p.late = nil
	}
	if mutant("Sh2") {
		return early
	}
	if mutant("Sh3") {
		return p.armed.Load()
	}
`},
	{"engine/port.go", `	tail *segment // owner: s.mu
`, `	tail *segment // owner: s.mu
	late *segment
`},
	{"engine/port.go", `	p.tail.next.Store(g) // [H5]`, `	if mutant("Sh15") {
		p.late = p.tail
	} else {
		p.tail.next.Store(g)
	}
	// [H5]`},
	{"engine/port.go", `	i := g.at(p.pos)
`, `	i := g.at(p.pos)
	if mutant("Sh17") {
		p.in.Store(p.pos + 1)
	}
`},
	{"engine/port.go", `		i := g.at(out)
`, `		if mutant("Sh16") {
			p.out.Store(out + 1)
		}
		i := g.at(out)
`},
	{"engine/port.go", `	if n > 0 {
		p.link.stats.polled.Add(uint64(n)) // before`, `	if mutant("Sh13") {
		for i := range dst[:n] {
			if c := p.d.creditsNow()[creditKey{p.link.index, dst[i].QPNum}]; c != nil {
				c.give(1)
			}
		}
	}
	if n > 0 {
		p.link.stats.polled.Add(pick(mutant("Sh38"), 0, uint64(n))) // before`},
	{"engine/take.go", `	if n > 0 && l.port == nil {`, `	if n > 0 && (l.port == nil || mutant("Sh38")) {`},
	{"engine/port.go", `	p.armed.Store(true)`, `	p.armed.Store(!mutant("Sh10"))`},
	{"engine/port.go", `		if p.pos-max(p.seen, g.from) >= n {`, `		if p.pos-max(p.seen, g.from) >= n && !mutant("Sh23") {`},
	{"engine/port.go", `	if p.over {
`, `	if p.over && !mutant("Sh30") {
`},
	{"engine/demux.go", `	p.link.fired(false)
	if r == nil || !p.d.postInline {
`, `	if mutant("Sh4") {
		p.d.trigger(srcPort)
		p.link.fired(false)
		return
	}
	p.link.fired(false)
	if r == nil || !p.d.postInline && !mutant("Sh29") {
`},
	{"engine/demux.go", `		if s.settle(0) {
`, `		if s.settle(0) || mutant("Sh7") && s.cas(s.load(), s.load()-runOne) {
`},
	{"engine/demux.go", `	s.holds.Store(true) // [H8] before the CQ is empty, and until they are in the ports: pairs with onTheWay
	n = s.link.cq.Poll(s.buf)
	s.route(s.buf[:n])
`, `	if !mutant("Sh11") {
		s.holds.Store(true)
	}
	n = s.link.cq.Poll(s.buf)
	s.holds.Store(!mutant("Sh12"))
	s.route(s.buf[:n])
`},
	{"engine/demux.go", `	s.mu.Lock()
	var p *port
`, `	if !mutant("Sh9") {
		s.mu.Lock()
	}
	var p *port
`},
	{"engine/demux.go", `	s.passed.Store(s.passed.Load() + uint64(len(wcs)))
	s.mu.Unlock()
`, `	s.passed.Store(s.passed.Load() + uint64(len(wcs)))
	if !mutant("Sh9") {
		s.mu.Unlock()
	}
`},
	{"engine/demux.go", `	if s.link.failed.Load() != 0 {
`, `	if s.link.failed.Load() != 0 && !mutant("Sh20") {
`},
	{"engine/demux.go", `		if !returned {
`, `		if !returned && !mutant("Sh19") {
`},
	{"engine/demux.go", `		s.alarm(alarmUnrouted)
`, `		if !mutant("Sh24") {
			s.alarm(alarmUnrouted)
		}
`},
	{"engine/sources.go", `	_ = p.link.armWanted() // a port's`, `	if !mutant("Sh5") || d.load()&bARM == 0 {
		_ = p.link.armWanted()
	} // a port's`},
	{"engine/sources.go", `p.routes.Load() > 0 || p.Pending() {`, `p.routes.Load() > 0 || p.Pending() && !mutant("Sh27") {`},
	{"engine/join.go", `		d.addPort(c.port)
`, `		if mutant("Sh6") {
			defer d.addPort(c.port)
		} else {
			d.addPort(c.port)
		}
`},
	{"engine/sources.go", `		for l.port != nil {`, `		for l.port != nil && !mutant("Sh8") {`},
	{"engine/close.go", `	d.leaveAll()
`, `	if !mutant("Sh14") {
		d.leaveAll()
	}
`},
	{"engine/arm.go", `!= 0 && l.port == nil &&`, `!= 0 && (l.port == nil || mutant("Sh18")) &&`},
	{"engine/side.go", `		l.port.s.ask(d)
`, `		if !mutant("Sh21") {
			l.port.s.ask(d)
		}
`},
	{"engine/side.go", `			l.behind, l.until = true, l.port.s.mark()
`, `			l.behind, l.until = !mutant("Sh22"), l.port.s.mark()
`},
	{"engine/credits.go", `ep.tagged && uint32(ev.WRID>>32) != ep.gen {`, `ep.tagged && uint32(ev.WRID>>32) != ep.gen && !mutant("Sh25") {`},
	{"engine/credits.go", `		if s == cGone || n > c.limit-s {`, `		if s == cGone || n > c.limit-s && !mutant("Sh26") {`},
	{"engine/credits.go", `		if c.state.CompareAndSwap(s, s-uint32(n)) { // [H9]`, `		if mutant("Sh28") {
			c.state.Store(s - uint32(n))
			return nil
		}
		if c.state.CompareAndSwap(s, s-uint32(n)) { // [H9]`},
	{"engine/evd.go", `if l.poll == nil {
			continue // a port: a`, `if l.poll == nil && !mutant("Sh44") {
			continue // a port: a`},
	{"engine/credits.go", `	if over {
`, `	if over && !mutant("Sh34") {
`},
	{"engine/async.go", `		if l.port != nil && l.port.routes.Load() == 0 {`, `		if l.port != nil && l.port.routes.Load() == 0 && !mutant("Sh35") {`},
	{"engine/credits.go", `	d.wakeWaiter() // there may`, `	if !mutant("Sh36") {
		d.wakeWaiter()
	} // there may`},
	{"engine/port.go", `	if delta < 0 {
`, `	if delta < 0 && !mutant("Sh37") {
`},
	{"engine/demux.go", `	s.due[last] = nil // the port`, `	if !mutant("Sh39") {
		s.due[last] = nil
	} // the port`},
	{"engine/shared.go", `	if e.tracing&traceRegions != 0 {
		s.link`, `	if e.tracing&traceRegions != 0 && !mutant("Sh40") {
		s.link`},
	{"engine/shutdown.go", `		for _, d := range evds {
			if err := d.arrived(ctx); err != nil {
`, `		for _, d := range evds {
			if mutant("Sh41") {
				break
			}
			if err := d.arrived(ctx); err != nil {
`},
	{"engine/shutdown.go", `(d.expecting() || !d.empty())`, `(d.expecting() && !mutant("Sh41") || !d.empty())`},
	{"engine/spill.go", `	late, list := sd.lateWait(d), `, `	late, list := sd.lateWait(d) && !mutant("Sh31"), `},
	{"engine/demux.go", `	defer s.hurry()
`, `	if !mutant("Sh32") {
		defer s.hurry()
	}
`},
	{"engine/sources.go", `			l.port.s.hurry()
`, `			if !mutant("Sh33") {
				l.port.s.hurry()
			}
`},
}
