//go:build linux && (amd64 || arm64)

package conn_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
)

// program starts a C program. Its report comes when it has ended.
func program(t *testing.T, pkg, name string, args ...string) (report func() string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs %s (Debian: %s): %v", name, pkg, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	out := make(chan string, 1)
	go func() {
		b, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
		if err != nil {
			b = append(b, err.Error()...)
		}
		out <- string(b)
	}()
	return func() string { return <-out }
}

// untilUp dials until the program listens.
func untilUp(t *testing.T, s *side, m conn.Manager, addr string, cfg conn.Config) *conn.Conn {
	t.Helper()
	for {
		c, err := m.Dial(addr, cfg)
		require.NoError(t, err)
		err = c.Wait(t.Context())
		if ev := s.next(s.cm); ev.Number == engine.Established {
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			return c
		}
		require.ErrorIs(t, err, conn.ErrRejected)
		s.flushed(cfg.QP.RecvDepth) // before Close, which would lose the rest
		require.NoError(t, c.Close())
	}
}

// TestRXEUcmatose talks to librdmacm's program: the server sends ten messages
// first, receives ten, and disconnects.
func TestRXEUcmatose(t *testing.T) {
	const messages = 10
	d := needRXE(t)
	m, err := conn.OpenCM(d)
	require.NoError(t, err)
	defer m.Close()
	ip := address(t, d)

	t.Run("Go is server", func(t *testing.T) {
		s := newSide(t, d)
		l := s.listen(m, ip+":0")
		_, port, err := net.SplitHostPort(l.Addr())
		require.NoError(t, err)
		report := program(t, "rdmacm-utils", "ucmatose", "-s", ip, "-p", port)
		c := s.accept(l, s.config(1, messages))
		s.wait(s.cm, engine.Established)
		for range messages {
			s.send(c)
		}
		s.done(1, messages)
		require.NoError(t, c.Disconnect())
		s.wait(s.cm, engine.Disconnected)
		out := report()
		require.Contains(t, out, "data transfers complete")
		require.Contains(t, out, "return status 0")
	})
	t.Run("Go is client", func(t *testing.T) {
		s := newSide(t, d)
		report := program(t, "rdmacm-utils", "ucmatose", "-p", "18700")
		c := untilUp(t, s, m, ip+":18700", s.config(1, messages))
		s.done(1, messages)
		for range messages {
			s.send(c)
		}
		s.done(2, messages)
		s.wait(s.cm, engine.Disconnected)
		out := report()
		require.Contains(t, out, "data transfers complete")
		require.Contains(t, out, "return status 0")
	})
}

// TestRXEPingpong talks to rdma-core's program by the exchange. It hangs up when
// that is over, which is not the end of the connection.
func TestRXEPingpong(t *testing.T) {
	const iters, size = 50, msgSize
	d := needRXE(t)
	m := conn.NewExchange()
	g, err := d.DefaultGID()
	require.NoError(t, err)
	args := []string{"-d", d.Info().Name, "-g", strconv.Itoa(g.Index), "-s", strconv.Itoa(size), "-n", strconv.Itoa(iters), "-p"}

	play := func(s *side, c *conn.Conn, serve bool) {
		if serve {
			s.done(1, 1)
		}
		for i := range iters {
			s.send(c)
			if !serve || i < iters-1 {
				s.done(1, 1)
			}
		}
		require.True(t, c.Endpoint().Connected(), "its TCP connection is over, not the other")
		s.quiet(s.cm)
	}
	t.Run("Go is server", func(t *testing.T) {
		s := newSide(t, d)
		l := s.listen(m, "127.0.0.1:0")
		_, port, err := net.SplitHostPort(l.Addr())
		require.NoError(t, err)
		report := program(t, "ibverbs-utils", "ibv_rc_pingpong", append(args, port, "127.0.0.1")...)
		c := s.accept(l, s.config(1, iters))
		s.wait(s.cm, engine.Established)
		play(s, c, true)
		require.Contains(t, report(), strconv.Itoa(iters)+" iters in")
	})
	t.Run("Go is client", func(t *testing.T) {
		s := newSide(t, d)
		report := program(t, "ibverbs-utils", "ibv_rc_pingpong", append(args, "18701")...)
		c := untilUp(t, s, m, "127.0.0.1:18701", s.config(1, iters))
		play(s, c, false)
		require.Contains(t, report(), strconv.Itoa(iters)+" iters in")
	})
}

// TestRXERping is a client of rping's server: it tells where its memory is, the
// server reads a message from there and writes it back.
func TestRXERping(t *testing.T) {
	d := needRXE(t)
	m, err := conn.OpenCM(d)
	require.NoError(t, err)
	defer m.Close()
	s := newSide(t, d)
	report := program(t, "rdmacm-utils", "rping", "-s", "-a", address(t, d), "-p", "18702", "-C", "3")
	cfg := s.config(1, 8)
	cfg.QP.Remote = rxe.RemoteRead | rxe.RemoteWrite
	c := untilUp(t, s, m, address(t, d)+":18702", cfg)
	mem := s.buf.Bytes()
	const text, back, advert = 1024, 2048, 4096 // places in it
	tell := func(at int) {                      // struct rping_rdma_info, big endian
		be(mem[advert:], s.mr.Addr()+uint64(at), uint64(s.mr.RKey())<<32|64)
		require.NoError(t, c.QP().PostSend(&rxe.SendWR{WRID: 2, Op: rxe.OpSend, Flags: rxe.Signaled, SGL: []rxe.SGE{s.mr.SGE(advert, 16)}}))
		s.done(1, 1) // the server says go on
	}
	for i := range 3 {
		copy(mem[text:], "rdma-ping-"+strconv.Itoa(i)+": evd\x00")
		clear(mem[back:][:64])
		tell(text)
		tell(back)
		require.Equal(t, mem[text:][:16], mem[back:][:16])
	}
	require.NoError(t, c.Disconnect())
	s.wait(s.cm, engine.Disconnected)
	t.Log(report())
}

// be writes numbers as networks do.
func be(dst []byte, vs ...uint64) {
	for i, v := range vs {
		for j := range 8 {
			dst[8*i+j] = byte(v >> (56 - 8*j))
		}
	}
}
