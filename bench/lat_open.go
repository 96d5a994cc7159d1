package bench

import (
	"sync/atomic"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// mockOpen is latency in an open loop: a generator submits work requests, or posts
// software events, as a schedule says.
type mockOpen struct {
	s   *session
	dev mockDevice
	cq  *countedCQ
	gen *generator
	ev  engine.Event // owner: the generator
	win openWindow   // owner: the upcall

	unordered bool
	home      atomic.Uint64 // if unordered: all requests below have come. Writer: the upcall
}

func (l *mockOpen) open(s *session) (ec engine.EVDConfig, err error) {
	l.s, l.unordered = s, s.scn.policy.kind == PolicyMany
	l.dev.inline = !s.cfg.OneWay
	if err := l.dev.open(s, s.units[0]); err != nil {
		return ec, err
	}
	s.recorder()
	ec = s.cfg.evd()
	l.cq = &countedCQ{CQ: l.dev.c}
	ec.CQs = []hwcq.CQ{l.cq}
	ec.Upcall = l.upcall
	s.units[0].sink = l.came
	if s.cfg.OneWay {
		ec.Streams = engine.Software | engine.DTO
		l.gen, err = newGenerator(s, s.book("software poster", true), l.post)
	} else {
		l.gen, err = newGenerator(s, s.book("work requests", false), l.submit)
	}
	s.produce(1)
	return ec, err
}

func (l *mockOpen) submit(n uint64) error {
	return l.dev.qp.Submit(mock.WR{WRID: n, Opcode: hwcq.OpSend})
}

func (l *mockOpen) post(n uint64) error {
	l.ev.WRID = n
	return l.s.units[0].post(&l.ev)
}

func (l *mockOpen) start() error {
	l.gen.homeIs(&l.s.con.seen) // every event is a request
	if l.unordered {
		l.gen.homeIs(&l.home)
	}
	l.s.goProduce("generator", l.gen.run)
	return nil
}

func (l *mockOpen) upcall(u *engine.Upcall) { l.came(byUpcall, u.Events()) }

// came is told of events, however they came out.
func (l *mockOpen) came(how origin, evs []engine.Event) {
	now := l.s.clk.Now()
	l.s.con.take(how, evs)
	for i := range evs {
		// The number of the only producer is 0: the sequence number is all there is.
		l.gen.completed(evs[i].WRID, now, &l.win)
	}
	l.s.con.done()
	if l.unordered {
		l.home.Store(l.s.con.First(0))
	}
}

func (l *mockOpen) expected() uint64 { return l.s.accepted() }
func (l *mockOpen) flush() error     { return nil }
func (l *mockOpen) close() error     { return l.dev.close() }

func (l *mockOpen) report(r *Report) {
	const end = " to the entry of the upcall for it; a schedule says when requests are made, and the response time is from then"
	switch {
	case l.s.cfg.OneWay:
		r.Measures = "one way, open loop: from just before a goroutine posts a software event" + end
	case l.dev.inline:
		r.Measures = "open loop: from just before a work request is submitted, whose completion is there at once," + end
	default:
		r.Measures = "open loop: from just before a work request is submitted" + end
	}
	r.Measures += l.s.scn.measures(l.s.cfg)
	l.gen.report(r, &l.win)
	l.dev.report(r)
	l.cq.report(r)
	l.s.reportFaults(r)
}
