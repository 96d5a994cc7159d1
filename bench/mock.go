package bench

import (
	"errors"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// mockDevice is a mock CQ with a loopback QP on it.
type mockDevice struct {
	s  *session
	c  *mock.CQ
	qp *mock.QP

	fill   func(*hwcq.WC) // tampers with completions, in tests
	inline bool           // who submits plays the device, unless that takes time over a request

	// Of a throughput run. Owner: whoever consumes.
	share    share
	ended    bool
	inFlight int
	wrs      []mock.WR
}

func (m *mockDevice) open(s *session) (err error) {
	m.s = s
	service, err := ParseDist(s.cfg.Service)
	if err != nil {
		return err
	}
	if m.c, err = mock.New(mock.Config{Depth: s.cfg.Depth, Seed: s.cfg.Seed}); err != nil {
		return err
	}
	m.inline = m.inline && service.Kind == mock.DistNone && m.fill == nil
	m.qp, err = m.c.NewQP(mock.QPConfig{
		QPNum: 1, Inline: m.inline, Service: service, Seed: s.cfg.Seed, Depth: max(s.cfg.Outstanding, 1), Fill: m.fill,
	})
	return err
}

func (m *mockDevice) cq() hwcq.CQ { return m.c }

func (m *mockDevice) close() error {
	if m.c == nil {
		return nil
	}
	return m.c.Close()
}

func (m *mockDevice) report(r *Report) {
	st := m.c.Stats()
	r.CQ.Completions, r.CQ.Overruns, r.CQ.Stalls = st.Completions, st.Overruns, m.qp.Stalls()
}

func (m *mockDevice) measures() string {
	return "events delivered: completions of work requests, many in flight, whose upcall submits the next"
}

func (m *mockDevice) expected() uint64 { return m.s.accepted() }

func (m *mockDevice) flush() error { return nil }

func (m *mockDevice) prime(b *throughput) error {
	m.share = b.share(b.s.book("work requests", false))
	m.wrs = make([]mock.WR, min(m.s.cfg.Outstanding, 256))
	return m.submit()
}

func (m *mockDevice) completed(evs []engine.Event) error {
	for i := range evs {
		if evs[i].Stream == engine.DTO {
			m.inFlight--
		}
	}
	if m.ended {
		return nil
	}
	return m.submit()
}

// submit fills up the requests in flight.
func (m *mockDevice) submit() error {
	book := m.share.book
	for {
		n := min(m.s.cfg.Outstanding-m.inFlight, len(m.wrs))
		if n == 0 {
			return nil
		}
		if n = m.share.left(n); n == 0 {
			m.ended = true
			m.s.producerEnded()
			return nil
		}
		for i := range n {
			m.wrs[i] = mock.WR{WRID: book.At(i), Opcode: hwcq.OpSend}
		}
		k, err := m.qp.SubmitN(m.wrs[:n])
		book.Offered(n, k)
		m.inFlight += k
		if errors.Is(err, hwcq.ErrFull) {
			return nil // with the next completion
		}
		if err != nil {
			m.ended = true
			m.s.producerEnded()
			return err
		}
	}
}
