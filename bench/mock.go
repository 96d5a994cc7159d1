package bench

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// mockDevice is a mock CQ with a loopback QP on it.
type mockDevice struct {
	s      *session
	u      *unit // where its completions come out
	number int   // of the devices of a run
	c      *mock.CQ
	qp     *mock.QP

	fill   func(*hwcq.WC) // tampers with completions, in tests
	inline bool           // who submits plays the device, unless that takes time over a request

	// Of a throughput run. Owner: whoever consumes.
	share    share
	ended    bool
	inFlight int
	dropped  uint64 // of those in flight once: they are gone, as the script has it
	wrs      []mock.WR
}

func (m *mockDevice) open(s *session, u *unit) (err error) {
	m.s, m.u = s, u
	service, err := ParseDist(s.cfg.Service)
	if err != nil {
		return err
	}
	seed := s.cfg.Seed + uint64(m.number)
	if m.c, err = mock.New(mock.Config{Depth: s.cfg.Depth, Seed: seed, Faults: s.scn.faults}); err != nil {
		return err
	}
	// A completion within Submit meets no fate.
	m.inline = m.inline && service.Kind == mock.DistNone && m.fill == nil && s.scn.faults.String() == ""
	m.qp, err = m.c.NewQP(mock.QPConfig{
		QPNum: uint32(1 + m.number), Inline: m.inline, Service: service, Seed: seed, Depth: max(s.cfg.Outstanding, 1), Fill: m.fill,
		Overrun: s.scn.lossy(), // otherwise the device would offer again what the script drops
	})
	s.scn.devs = append(s.scn.devs, m)
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
	r.CQ.Completions += st.Completions
	r.CQ.Overruns += st.Overruns
	r.CQ.Stalls += m.qp.Stalls()
}

func (m *mockDevice) measures() string {
	return "events delivered: completions of work requests, many in flight, whose upcall submits the next"
}

// expected: what was accepted, but for what the script has the device drop.
func (m *mockDevice) expected() uint64 { return m.share.book.Accepted - m.lost() }

// lost is how many of the requests will never complete, as far as is known.
func (m *mockDevice) lost() uint64 {
	if !m.s.scn.lossy() {
		return 0
	}
	st := m.c.Stats()
	if st.Removals > 0 {
		return m.share.book.Accepted - st.Completions // what was not stored by now never will be
	}
	return st.Overruns
}

func (m *mockDevice) flush() error { return nil }

func (m *mockDevice) prime(b *throughput) error {
	name := "work requests"
	if b.s.cfg.EVDs*b.s.cfg.CQs > 1 {
		name = fmt.Sprintf("work requests %d", m.number)
	}
	m.share = b.share(m.u.book(name, false))
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
	if m.s.scn.lossy() {
		m.mourn()
	}
	return m.submit()
}

// mourn takes what the device has dropped for no longer in flight. One whose device was
// removed makes no more requests.
func (m *mockDevice) mourn() {
	st := m.c.Stats()
	m.inFlight -= int(st.Overruns - m.dropped)
	m.dropped = st.Overruns
	if st.Removals > 0 {
		m.end()
	}
}

func (m *mockDevice) end() {
	if !m.ended {
		m.ended = true
		m.s.producerEnded()
	}
}

// submit fills up the requests in flight.
func (m *mockDevice) submit() error {
	book := m.share.book
	for {
		n := min(m.s.cfg.Outstanding-m.inFlight, len(m.wrs))
		if n == 0 || m.ended {
			return nil
		}
		if n = m.share.left(n); n == 0 {
			m.end()
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
			m.end()
			return err
		}
	}
}
