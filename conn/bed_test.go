//go:build linux && (amd64 || arm64)

package conn_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// patience is how long something that must happen may take: a guest without
// hardware virtualisation on a busy host is slow.
const patience = 60 * time.Second

// needRXE opens the soft-RoCE device. Without one the test is skipped, unless
// EVD_RXE_REQUIRED=1 says that there must be one.
func needRXE(t testing.TB) *rxe.Device {
	t.Helper()
	d, err := rxe.Open(rxe.Config{})
	if err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs an rxe device: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// side is a program's half of connections: an engine, a device with memory, one
// EVD of completions, one of connection events, one of requests.
type side struct {
	t         testing.TB
	dev       *rxe.Device
	e         *engine.Engine
	cq        *rxe.CQ
	pd        *rxe.PD
	buf       *rxe.Buffer
	mr        *rxe.MR
	dto       *engine.EVD
	cm, crs   *engine.EVD
	collected map[*engine.EVD][]engine.Event
}

func newSide(t testing.TB, d *rxe.Device) *side {
	t.Helper()
	s := &side{t: t, dev: d, collected: map[*engine.EVD][]engine.Event{}}
	var err error
	s.e, err = engine.New(engine.Config{})
	require.NoError(t, err)
	s.cq, err = d.OpenCQ(rxe.CQConfig{Depth: 8191})
	require.NoError(t, err)
	s.pd, err = d.OpenPD()
	require.NoError(t, err)
	s.buf, err = rxe.OpenBuffer(8192)
	require.NoError(t, err)
	s.mr, err = s.pd.Reg(s.buf, rxe.LocalWrite|rxe.RemoteWrite|rxe.RemoteRead)
	require.NoError(t, err)
	s.dto, err = s.e.NewEVD(engine.EVDConfig{Name: "dto", Streams: engine.DTO, Capacity: 1024, CQs: []hwcq.CQ{s.cq}})
	require.NoError(t, err)
	s.cm, err = s.e.NewEVD(engine.EVDConfig{Name: "cm", Streams: engine.Connection, Capacity: 256})
	require.NoError(t, err)
	s.crs, err = s.e.NewEVD(engine.EVDConfig{Name: "crs", Streams: engine.CR, Capacity: 256})
	require.NoError(t, err)
	t.Cleanup(s.close)
	return s
}

func (s *side) close() {
	require.NoError(s.t, s.e.Close())
	require.NoError(s.t, s.cq.Close())
	require.NoError(s.t, s.mr.Close())
	require.NoError(s.t, s.buf.Close())
	require.NoError(s.t, s.pd.Close())
}

const msgSize = 100

// config describes a connection with recvs receives posted, of WRID 1.
func (s *side) config(cookie uint64, recvs int) conn.Config {
	return conn.Config{
		Engine: s.e, PD: s.pd, Timeout: patience,
		QP:       rxe.QPConfig{SendCQ: s.cq, RecvDepth: max(recvs, 1), SendDepth: 32},
		Endpoint: engine.EndpointConfig{Recv: s.dto, Request: s.dto, Connect: s.cm, Cookie: cookie},
		Prepare: func(c *conn.Conn) error {
			for range recvs {
				if err := c.QP().PostRecv(&rxe.RecvWR{WRID: 1, SGL: []rxe.SGE{s.mr.SGE(0, msgSize)}}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// send posts a send of WRID 2.
func (s *side) send(c *conn.Conn) {
	s.t.Helper()
	require.NoError(s.t, c.QP().PostSend(&rxe.SendWR{WRID: 2, Op: rxe.OpSend, Flags: rxe.Signaled, SGL: []rxe.SGE{s.mr.SGE(4096, msgSize)}}))
}

// next waits for one event of d.
func (s *side) next(d *engine.EVD) engine.Event {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var ev [1]engine.Event
	n, _, err := d.Wait(ctx, 1, ev[:])
	require.NoError(s.t, err, "no event on %s", d.Name())
	require.Equal(s.t, 1, n)
	s.collected[d] = append(s.collected[d], ev[0])
	return ev[0]
}

// wait waits for one event of a number.
func (s *side) wait(d *engine.EVD, n engine.EventNumber) engine.Event {
	s.t.Helper()
	ev := s.next(d)
	require.Equal(s.t, n, ev.Number, "%v instead of %v", ev.Number, n)
	return ev
}

// done waits for n successful completions of that WRID, others may be between.
func (s *side) done(wrid uint64, n int) {
	s.t.Helper()
	for n > 0 {
		ev := s.next(s.dto)
		require.Equal(s.t, hwcq.StatusSuccess, ev.Status, "%+v", ev)
		if ev.WRID == wrid {
			n--
		}
	}
}

// flushed waits for n flushes.
func (s *side) flushed(n int) {
	s.t.Helper()
	for range n {
		require.Equal(s.t, hwcq.StatusWRFlushErr, s.next(s.dto).Status)
	}
}

// quiet says that nothing more has come to d.
func (s *side) quiet(d *engine.EVD) {
	s.t.Helper()
	var ev [4]engine.Event
	n, err := d.Dequeue(ev[:])
	require.NoError(s.t, err)
	require.Zero(s.t, n, "%v", ev[:n])
}

// accept takes one request of l and accepts it.
func (s *side) accept(l *conn.Listener, cfg conn.Config) *conn.Conn {
	s.t.Helper()
	c, err := s.request(l).Accept(cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, c.Close()) })
	return c
}

func (s *side) request(l *conn.Listener) *conn.Request {
	s.t.Helper()
	ev := s.wait(s.crs, engine.ConnectionRequest)
	r := l.Request(&ev)
	require.NotNil(s.t, r)
	require.Nil(s.t, l.Request(&ev), "a request is found once")
	return r
}

func (s *side) listen(m conn.Manager, addr string) *conn.Listener {
	s.t.Helper()
	l, err := m.Listen(addr, conn.ListenConfig{Requests: s.crs})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, l.Close()) })
	return l
}

func (s *side) dial(m conn.Manager, addr string, cfg conn.Config) *conn.Conn {
	s.t.Helper()
	c, err := m.Dial(addr, cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, c.Close()) })
	return c
}

// address is the device's IP address.
func address(t testing.TB, d *rxe.Device) string {
	t.Helper()
	g, err := d.DefaultGID()
	require.NoError(t, err)
	return g.GID.Addr().String()
}

// managers runs a test with each.
func managers(t *testing.T, f func(t *testing.T, d *rxe.Device, m conn.Manager, addr string)) {
	d := needRXE(t)
	t.Run("cm", func(t *testing.T) {
		m, err := conn.OpenCM(d)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		f(t, d, m, address(t, d)+":0")
	})
	t.Run("exchange", func(t *testing.T) { f(t, d, conn.NewExchange(), "127.0.0.1:0") })
}
