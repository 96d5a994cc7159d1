package bench

import (
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// mockPingPong: the upcall for a completion submits the next work request.
//
// All fields but those of open belong to whoever runs the upcall.
type mockPingPong struct {
	s    *session
	dev  mockDevice
	book *Producer
	pace *pace
	sent Ticks // when the request in flight was submitted

	cq    *countedCQ
	split *split // nil: not asked for
	slow  seeded
}

func (l *mockPingPong) open(s *session) (engine.EVDConfig, error) {
	l.s, l.pace = s, s.pace()
	if err := l.dev.open(s, s.units[0]); err != nil {
		return engine.EVDConfig{}, err
	}
	l.book = s.book("work requests", false)
	s.produce(1)
	ec := s.cfg.evd()
	l.cq = &countedCQ{CQ: l.dev.c}
	ec.CQs = []hwcq.CQ{l.cq}
	if s.cfg.Stages {
		p := newProbe(l.cq, s.clk)
		ec.CQs[0], l.split = p, newSplit(s.clk, p, s.cfg.Dispatch)
	}
	ec.Upcall = l.upcall
	s.units[0].sink = l.came
	return ec, nil
}

func (l *mockPingPong) start() error {
	now := l.s.clk.Now()
	l.pace.begin(now)
	// The book first: the upcall may run before Submit returns.
	wr := mock.WR{WRID: l.book.Next(), Opcode: hwcq.OpSend}
	l.book.Offered(1, 1)
	l.sent = now
	l.split.begin(now)
	return l.dev.qp.Submit(wr)
}

func (l *mockPingPong) upcall(u *engine.Upcall) { l.came(byUpcall, u.Events()) }

// came is told of the completion, however it came out.
func (l *mockPingPong) came(how origin, evs []engine.Event) {
	now := l.slow.latency(l.s.clk, l.sent, l.s.clk.Now())
	l.split.arrived(now)
	l.s.con.take(how, evs)
	record, more := l.pace.round(now)
	if record {
		l.pace.rec.record(now, l.s.clk.Nanos(now-l.sent))
		l.split.end()
	}
	l.s.con.done()
	if !more {
		l.s.producerEnded()
		return
	}
	wr := mock.WR{WRID: l.book.Next(), Opcode: hwcq.OpSend}
	l.book.Offered(1, 1)
	l.sent = l.s.clk.Now()
	l.split.begin(l.sent)
	if err := l.dev.qp.Submit(wr); err != nil {
		l.book.Accepted--
		l.book.Rejected++
		l.s.fault("Submit: %v", err)
		l.s.producerEnded()
	}
	l.split.posted()
}

func (l *mockPingPong) expected() uint64 { return l.s.accepted() }
func (l *mockPingPong) flush() error     { return nil }
func (l *mockPingPong) close() error     { return l.dev.close() }

func (l *mockPingPong) report(r *Report) {
	r.Measures = "round trip: from just before a work request is submitted to the entry of the upcall for its completion; one in flight, the upcall submits the next"
	reportLatency(r, l.pace)
	l.split.report(r)
	r.Measures += l.s.scn.measures(l.s.cfg)
	l.dev.report(r)
	l.cq.report(r)
	l.s.reportFaults(r)
}

func reportLatency(r *Report, p *pace) {
	sum := p.rec.total.service.Summary(r.Config.Percentiles...)
	r.Results.Latency = &sum
	r.Results.Operations = p.n
	r.Results.Elapsed = p.elapsed()
}
