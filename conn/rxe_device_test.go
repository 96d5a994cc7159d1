//go:build linux && (amd64 || arm64)

package conn_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// second makes another soft-RoCE device, at this address. Only in a guest: a host
// has its network for other things.
const secondAddr = "10.97.0.1"

func second(t *testing.T) *rxe.Device {
	t.Helper()
	if os.Getenv("EVD_RXE_REQUIRED") != "1" {
		t.Skip("makes network interfaces: only in a guest, with EVD_RXE_REQUIRED=1")
	}
	run := func(line string) {
		f := strings.Fields(line)
		out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
	}
	run("ip link add evdconn type dummy")
	t.Cleanup(func() { run("ip link del evdconn") })
	run("ip link set evdconn mtu 4200 up")
	run("ip addr add " + secondAddr + "/24 dev evdconn")
	run("rdma link add evdconn0 type rxe netdev evdconn")
	d, err := rxe.Open(rxe.Config{Device: "evdconn0"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// TestRXEOtherDevice: a manager's connections go along its own device.
func TestRXEOtherDevice(t *testing.T) {
	d := needRXE(t)
	other := second(t)
	m, err := conn.OpenCM(d)
	require.NoError(t, err)
	defer m.Close()
	a, b := newSide(t, d), newSide(t, other)

	_, err = m.Dial(address(t, d)+":1", b.config(1, 0))
	require.ErrorContains(t, err, "PD")
	require.ErrorContains(t, err, "evdconn0")

	c := a.dial(m, secondAddr+":7471", a.config(1, 0))
	a.wait(a.cm, engine.Unreachable)
	require.ErrorContains(t, c.Err(), "device evdconn0")

	// A listener of all devices rejects who comes by another.
	l := a.listen(m, "0.0.0.0:0")
	_, port, _ := strings.Cut(l.Addr(), ":")
	om, err := conn.OpenCM(other)
	require.NoError(t, err)
	defer om.Close()
	b.dial(om, secondAddr+":"+port, b.config(1, 0))
	b.wait(b.cm, engine.PeerRejected)
	a.dial(m, address(t, d)+":"+port, a.config(1, 0))
	require.NoError(t, a.request(l).Reject(nil))
	a.wait(a.cm, engine.PeerRejected)
}

// TestRXEDeviceRemoved under connections and a listener: each is told once, and
// all can be closed. Only then the removal ends: an rxe device waits for its users.
func TestRXEDeviceRemoved(t *testing.T) {
	needRXE(t)
	d := second(t)
	remove := exec.Command("rdma", "link", "delete", "evdconn0")
	t.Cleanup(func() {
		require.NoError(t, d.Close())
		if remove.Process != nil {
			require.NoError(t, remove.Wait())
		}
	})
	m, err := conn.OpenCM(d)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	a, b := newSide(t, d), newSide(t, d)
	l := b.listen(m, secondAddr+":0")
	ca := a.dial(m, l.Addr(), a.config(1, 4))
	cb := b.accept(l, b.config(2, 4))
	a.wait(a.cm, engine.Established)
	b.wait(b.cm, engine.Established)
	require.NoError(t, remove.Start())
	for _, s := range []*side{a, b} {
		// Both ends are here: which goes first is chance, and the other may
		// hear its goodbye.
		require.Contains(t, []engine.EventNumber{engine.Broken, engine.Disconnected}, s.next(s.cm).Number)
	}
	b.wait(b.e.Async(), engine.DeviceRemoved)
	require.NoError(t, ca.Close())
	require.NoError(t, cb.Close())
	a.quiet(a.cm)
	b.quiet(b.cm)
}

// TestRXEMerged: on one EVD of both streams a connection's events stand where
// they belong among its completions.
func TestRXEMerged(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		const n = 20
		a, b := newSide(t, d), newSide(t, d)
		cq, err := d.OpenCQ(rxe.CQConfig{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cq.Close()) })
		all, err := a.e.NewEVD(engine.EVDConfig{Streams: engine.DTO | engine.Connection, CQs: []hwcq.CQ{cq}})
		require.NoError(t, err)
		cfg := a.config(1, n)
		cfg.QP.SendCQ = cq
		cfg.Endpoint = engine.EndpointConfig{Recv: all, Request: all, Connect: all}
		l := b.listen(m, addr)
		c, err := m.Dial(l.Addr(), cfg)
		require.NoError(t, err)
		cb := b.accept(l, b.config(2, 0))
		b.wait(b.cm, engine.Established)
		for range n {
			b.send(cb)
		}
		b.done(2, n)
		require.NoError(t, cb.Disconnect())

		a.wait(all, engine.Established)
		for range n {
			ev := a.wait(all, engine.DTOCompletion)
			require.Equal(t, hwcq.StatusSuccess, ev.Status)
		}
		a.wait(all, engine.Disconnected)
		require.NoError(t, c.Close())
		require.NoError(t, all.Close())
	})
}
