package bench

func newTraffic(n *node) traffic {
	c := n.s.cfg
	switch {
	case c.Workload == Lat && n.serving:
		return &echo{n: n}
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
	if t.sends && !n.serving {
		t.hist, t.posted = NewHist(), make([]Ticks, n.nsend)
	}
	return t
}

// pinger sends a message when the answer to the one before has come.
type pinger struct {
	n    *node
	pace *pace
	last Ticks // when the message on its way was posted
	on   bool  // there is one, or was
	due  bool  // the next is to be sent: nothing, if the queue has no room
	over bool
}

func (p *pinger) turn(now Ticks, _, got int) (more bool, err error) {
	switch {
	case p.over:
		return false, nil
	case !p.on:
		p.on, p.due = true, true
		p.pace.begin(now)
	case got > 0:
		record, more := p.pace.round(now)
		if record {
			p.pace.rec.record(now, p.n.s.clk.Nanos(now-p.last))
		}
		if !more {
			p.over = true
			return false, nil
		}
		p.due = true
	}
	if !p.due || p.n.room() == 0 {
		return true, nil
	}
	p.due = false
	p.last = p.n.s.clk.Now()
	_, err = p.n.postSends(1)
	return true, err
}

func (p *pinger) report(r *Report) {
	r.Measures = "round trip between two nodes: from just before a send is posted to the entry of the upcall for the receive of the server's answer; one in flight"
	reportLatency(r, p.pace)
}

// echo answers each message with one.
type echo struct {
	n    *node
	owed int // answers
}

func (e *echo) turn(_ Ticks, _, got int) (more bool, err error) {
	e.owed += got
	if k := min(e.owed, e.n.room()); k > 0 {
		e.owed -= k
		_, err = e.n.postSends(k)
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

	// Of the client, if it sends.
	hist   *Hist   // nil: it does not
	posted []Ticks // when the send of each slot was
	acked  uint64
}

// time records the latencies of k sends that were acknowledged by now. A queue
// pair completes them in order.
func (t *flow) time(now Ticks, k int, measured bool) {
	for range k {
		if measured {
			t.hist.Record(t.n.s.clk.Nanos(now - t.posted[t.acked%uint64(len(t.posted))]))
		}
		t.acked++
	}
}

// stamp notes when the last k sends were posted.
func (t *flow) stamp(at Ticks, k int) {
	for i := t.n.sends.Accepted - uint64(k); i < t.n.sends.Accepted; i++ {
		t.posted[i%uint64(len(t.posted))] = at
	}
}

func (t *flow) turn(now Ticks, acked, got int) (more bool, err error) {
	n := t.n
	ph := n.s.phase.load()
	if k := acked + got; k > 0 {
		before := t.win.n
		t.win.note(k, ph)
		if t.hist != nil {
			t.time(now, acked, t.win.n > before)
		}
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
	free := uint64(n.room())
	if t.total > 0 {
		free = min(free, t.total-n.sends.Accepted)
	}
	at := n.s.clk.Now()
	k, err := n.postSends(int(free))
	if t.hist != nil {
		t.stamp(at, k)
	}
	return t.total == 0 || n.sends.Accepted < t.total, err
}

func (t *flow) report(r *Report) {
	r.Measures = "messages between two nodes, many in flight: acknowledged ones this side has sent, and those it has received"
	r.Results.Operations, r.Results.Elapsed = t.win.n, t.win.elapsed()
	if h := t.hist; h != nil {
		r.Measures += "; the latency is from just before a send is posted to the entry of the upcall for its acknowledgement"
		sum := h.Summary(r.Config.Percentiles...)
		r.Results.Latency, r.Histograms = &sum, map[string]*Hist{"service": h}
	}
}
