package bench

func newTraffic(n *node) traffic {
	c := n.s.cfg
	switch {
	case c.Workload == Lat && n.serving:
		return &echo{n}
	case c.Workload == Lat:
		return &pinger{n: n, pace: n.s.pace()}
	}
	t := &flow{n: n, sends: c.Direction == Both || (c.Direction == Send) != n.serving}
	if c.Count > 0 {
		t.total = c.Count + c.Warmup.Count
	}
	if n.serving {
		c.Warmup = Span{Off: true} // it measures nothing
	}
	t.win = window{clk: n.s.clk, cfg: c}
	return t
}

// pinger sends a message when the answer to the one before has come.
type pinger struct {
	n    *node
	pace *pace
	last Ticks // when the message on its way was posted
	on   bool  // there is one
	over bool
}

func (p *pinger) turn(now Ticks, _, got int) (more bool, err error) {
	switch {
	case p.over:
		return false, nil
	case !p.on:
		p.on = true
		p.pace.begin(now)
	case got == 0:
		return true, nil
	default:
		record, more := p.pace.round(now)
		if record {
			p.pace.rec.record(now, p.n.s.clk.Nanos(now-p.last))
		}
		if !more {
			p.over = true
			return false, nil
		}
	}
	p.last = p.n.s.clk.Now()
	_, err = p.n.postSends(1)
	return true, err
}

func (p *pinger) report(r *Report) {
	r.Measures = "round trip between two nodes: from just before a send is posted to the entry of the upcall for the receive of the server's answer; one in flight"
	reportLatency(r, p.pace)
}

// echo answers each message with one.
type echo struct{ n *node }

func (e *echo) turn(_ Ticks, _, got int) (more bool, err error) {
	if got > 0 {
		_, err = e.n.postSends(got)
	}
	// A client that is through has got every answer.
	return !e.n.peerDone, err
}

func (e *echo) report(r *Report) { r.Measures = "nothing: this side answers" }

// flow sends as many messages as may be outstanding, or only receives.
type flow struct {
	n     *node
	sends bool
	total uint64 // messages to send; 0: until told to stop
	seen  uint64 // messages acknowledged and received
	win   window
}

func (t *flow) turn(_ Ticks, acked, got int) (more bool, err error) {
	n := t.n
	ph := n.s.phase.load()
	if k := acked + got; k > 0 {
		t.win.note(k, ph)
		t.seen += uint64(k)
		if w := n.s.cfg.Warmup.Count; w > 0 && ph == warming && t.seen >= w {
			n.measure()
		}
	}
	if !t.sends {
		return !n.peerDone, nil
	}
	if ph == stopping {
		return false, nil
	}
	free := uint64(n.nsend) - (n.sends.Accepted - n.acked)
	if t.total > 0 {
		free = min(free, t.total-n.sends.Accepted)
	}
	_, err = n.postSends(int(free))
	return t.total == 0 || n.sends.Accepted < t.total, err
}

func (t *flow) report(r *Report) {
	r.Measures = "messages between two nodes, many in flight: acknowledged ones this side has sent, and those it has received"
	r.Results.Operations, r.Results.Elapsed = t.win.n, t.win.elapsed()
}
