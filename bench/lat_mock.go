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
	hist *Hist
	sent Ticks // when the request in flight was submitted
}

func (l *mockPingPong) open(s *session) (engine.EVDConfig, error) {
	l.s, l.hist, l.pace = s, NewHist(), newPace(s.cfg, s.clk, &s.phase)
	if err := l.dev.open(s, s.units[0]); err != nil {
		return engine.EVDConfig{}, err
	}
	l.book = s.book("work requests", false)
	s.produce(1)
	ec := s.cfg.evd()
	ec.CQs = []hwcq.CQ{l.dev.c}
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
	return l.dev.qp.Submit(wr)
}

func (l *mockPingPong) upcall(u *engine.Upcall) { l.came(byUpcall, u.Events()) }

// came is told of the completion, however it came out.
func (l *mockPingPong) came(how origin, evs []engine.Event) {
	now := l.s.clk.Now()
	l.s.con.take(how, evs)
	record, more := l.pace.round(now)
	if record {
		l.hist.Record(l.s.clk.Nanos(now - l.sent))
	}
	l.s.con.done()
	if !more {
		l.s.producerEnded()
		return
	}
	wr := mock.WR{WRID: l.book.Next(), Opcode: hwcq.OpSend}
	l.book.Offered(1, 1)
	l.sent = l.s.clk.Now()
	if err := l.dev.qp.Submit(wr); err != nil {
		l.book.Accepted--
		l.book.Rejected++
		l.s.fault("Submit: %v", err)
		l.s.producerEnded()
	}
}

func (l *mockPingPong) expected() uint64 { return l.s.accepted() }
func (l *mockPingPong) flush() error     { return nil }
func (l *mockPingPong) close() error     { return l.dev.close() }

func (l *mockPingPong) report(r *Report) {
	r.Measures = "round trip: from just before a work request is submitted to the entry of the upcall for its completion; one in flight, the upcall submits the next"
	reportLatency(r, l.pace, l.hist)
	r.Measures += l.s.scn.measures(l.s.cfg)
	l.dev.report(r)
	l.s.reportFaults(r)
}

func reportLatency(r *Report, p *pace, h *Hist) {
	sum := h.Summary()
	r.Results.Latency = &sum
	r.Results.Operations = p.n
	r.Results.Elapsed = p.elapsed()
}
