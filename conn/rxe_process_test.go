//go:build linux && (amd64 || arm64)

package conn_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// Another process is this test binary, told by this variable what to be:
// "role manager address".
const roleEnv = "EVD_CONN_ROLE"

// child starts another process. It is killed with the test.
func child(t *testing.T, role string, m conn.Manager, addr string) (cmd *exec.Cmd, output func() string) {
	t.Helper()
	name := "cm"
	if _, ok := m.(*conn.Exchange); ok {
		name = "exchange"
	}
	cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRXEChild$", "-test.v")
	cmd.Env = append(os.Environ(), roleEnv+"="+strings.Join([]string{role, name, addr}, " "))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	wait := sync.OnceFunc(func() { _ = cmd.Wait() })
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		wait()
	})
	return cmd, func() string {
		wait()
		return out.String()
	}
}

// TestRXEChild is the other process's main function.
func TestRXEChild(t *testing.T) {
	f := strings.Fields(os.Getenv(roleEnv))
	if len(f) != 3 {
		require.Empty(t, f)
		return // not asked for: this is the parent's own run of all tests
	}
	d := needRXE(t)
	var m conn.Manager = conn.NewExchange()
	if f[1] == "cm" {
		cm, err := conn.OpenCM(d)
		require.NoError(t, err)
		defer cm.Close()
		m = cm
	}
	s := newSide(t, d)
	switch f[0] {
	case "echo":
		c := s.dial(m, f[2], s.config(1, 5))
		s.wait(s.cm, engine.Established)
		s.done(1, 5)
		for range 5 {
			s.send(c)
		}
		s.done(2, 5)
		require.NoError(t, c.Disconnect())
		s.wait(s.cm, engine.Disconnected)
	case "flood": // until it is killed
		c := s.dial(m, f[2], s.config(1, 5))
		s.wait(s.cm, engine.Established)
		for {
			s.send(c)
			s.done(2, 1)
		}
	case "sink": // receives and says nothing until it is killed
		s.dial(m, f[2], s.config(1, 1000))
		s.wait(s.cm, engine.Established)
		select {}
	case "credentials":
		credentials(t, s, m, f[2])
	}
}

// TestRXETwoProcesses: the end in order, seen from the other process.
func TestRXETwoProcesses(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		s := newSide(t, d)
		l := s.listen(m, addr)
		_, output := child(t, "echo", m, l.Addr())
		c := s.accept(l, s.config(3, 8))
		s.wait(s.cm, engine.Established)
		for range 5 {
			s.send(c)
		}
		s.done(1, 5) // received, others sent between
		require.EqualValues(t, 3, s.wait(s.cm, engine.Disconnected).WRID)
		require.False(t, c.Endpoint().Connected())
		require.Contains(t, output(), "--- PASS: TestRXEChild")
		require.NoError(t, c.Close())
		s.quiet(s.cm)
	})
}

// TestRXEPeerKilled: a process that dies in the middle of traffic, from it or to
// it. The connection ends once, and everything posted completes.
func TestRXEPeerKilled(t *testing.T) {
	for _, role := range []string{"flood", "sink"} {
		t.Run(role, func(t *testing.T) {
			managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) { killed(t, d, m, addr, role) })
		})
	}
}

func killed(t *testing.T, d *rxe.Device, m conn.Manager, addr, role string) {
	const recvs = 64
	s := newSide(t, d)
	l := s.listen(m, addr)
	cmd, _ := child(t, role, m, l.Addr())
	c := s.accept(l, s.config(3, recvs))
	s.wait(s.cm, engine.Established)
	posted, completed := recvs, 0
	take := func(n int) {
		for _, ev := range s.drain(n) {
			require.Contains(t, []hwcq.Status{hwcq.StatusSuccess, hwcq.StatusWRFlushErr}, ev.Status)
			completed++
		}
	}
	if role == "flood" {
		take(10)
	} else {
		for range 20 {
			s.send(c)
			posted++
		}
		take(10)
	}
	require.NoError(t, cmd.Process.Kill())
	if role == "sink" { // some to the dead, or flushed if we know already
		for range 10 {
			s.send(c)
			posted++
		}
	}
	ev := s.next(s.cm)
	if _, ok := m.(*conn.CM); ok { // the kernel says goodbye for the dead
		require.Equal(t, engine.Disconnected, ev.Number)
	} else {
		require.Equal(t, engine.Broken, ev.Number)
	}
	take(posted - completed)
	require.NoError(t, c.Close())
	s.quiet(s.cm)
	s.quiet(s.dto)
}

// TestRXECredentials: what a change of credentials does to an open CM, and that
// one opened after it works.
func TestRXECredentials(t *testing.T) {
	d := needRXE(t)
	m, err := conn.OpenCM(d)
	require.NoError(t, err)
	defer m.Close()
	s := newSide(t, d)
	l := s.listen(m, address(t, d)+":0")
	_, output := child(t, "credentials", m, l.Addr())
	r := s.request(l)
	require.NoError(t, r.Reject(nil))
	require.Contains(t, output(), "--- PASS: TestRXEChild")
}

// credentials is a process of its own: a change is for ever. It does not post:
// for that see package rxe.
func credentials(t *testing.T, s *side, m conn.Manager, addr string) {
	l, err := m.Listen(address(t, s.dev)+":0", conn.ListenConfig{Requests: s.crs})
	require.NoError(t, err)
	require.NoError(t, syscall.Setuid(os.Getuid())) // to the same
	_, err = m.Dial(addr, s.config(1, 0))
	require.ErrorIs(t, err, syscall.EACCES)
	require.ErrorContains(t, err, "credentials changed after Open")
	require.ErrorIs(t, l.Close(), syscall.EACCES)

	after, err := conn.OpenCM(s.dev)
	require.NoError(t, err)
	defer after.Close()
	s.dial(after, addr, s.config(1, 0))
	s.wait(s.cm, engine.PeerRejected)
}

// TestRXEManyConnections: opened and closed by several goroutines at once; every
// connection has its events, each once, and no descriptor is left.
func TestRXEManyConnections(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		const callers, each = 4, 6
		a, b := newSide(t, d), newSide(t, d)
		l := b.listen(m, addr)
		before := descriptors(t)
		var wg sync.WaitGroup
		for g := range callers {
			wg.Go(func() {
				for i := range each {
					c, err := m.Dial(l.Addr(), a.config(uint64(g*each+i), 1))
					if err != nil {
						t.Error(err)
						return
					}
					if err := c.Wait(t.Context()); err != nil {
						t.Error(err)
					}
					if i%2 == 0 {
						if err := c.Disconnect(); err != nil {
							t.Error(err)
						}
					}
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		byCookie := map[uint64]*conn.Conn{}
		for i := range callers * each {
			c, err := b.request(l).Accept(b.config(uint64(i), 1))
			require.NoError(t, err)
			byCookie[uint64(i)] = c
		}
		up, down := 0, 0
		for up < callers*each || down < callers*each {
			switch ev := b.next(b.cm); ev.Number {
			case engine.Established:
				up++
			case engine.Disconnected, engine.Broken:
				down++
			default:
				require.Fail(t, "unexpected", "%v", ev)
			}
		}
		wg.Wait()
		for _, c := range byCookie {
			require.NoError(t, c.Close())
		}
		b.quiet(b.cm)
		for up = 0; up < callers*each; {
			if a.next(a.cm).Number == engine.Established {
				up++
			}
		}
		require.Eventually(t, func() bool { return descriptors(t) <= before }, patience, 10*time.Millisecond,
			"%d descriptors, %d before", descriptors(t), before)
	})
}

func descriptors(t *testing.T) int {
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(fds)
}
