//go:build linux && (amd64 || arm64)

package rxe

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

const cProgram = "ibv_rc_pingpong"

func needC(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(cProgram); err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs %s (Debian: ibverbs-utils): %v", cProgram, err)
	}
}

// TestRXEInterop runs ping-pongs against the C program of rdma-core, in both
// roles, polling and by events.
func TestRXEInterop(t *testing.T) {
	d := needRXE(t)
	needC(t)
	for i, mode := range []string{"polling", "events"} {
		for j, role := range []string{"server", "client"} {
			t.Run(mode+"/Go is "+role, func(t *testing.T) {
				interop(t, d, role == "server", mode == "events", 18600+2*i+j)
			})
		}
	}
}

func interop(t *testing.T, d *Device, server, events bool, port int) {
	const size, iters, depth = 64, 300, 100
	g, err := d.DefaultGID()
	require.NoError(t, err)
	args := []string{
		"-d", d.Info().Name, "-g", strconv.Itoa(g.Index), "-p", strconv.Itoa(port),
		"-s", strconv.Itoa(size), "-n", strconv.Itoa(iters),
	}
	if events {
		args = append(args, "-e")
	}
	e := newEnd(t, d, endConfig{qp: QPConfig{RecvDepth: depth, SendDepth: 16}})
	for range depth {
		e.recv(t, 1, size)
	}
	if events {
		e.arm(t, false)
	}
	local, err := e.qp.Dest()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	connect := func(r Dest) error { return e.qp.Connect(r, ConnectConfig{}) }

	addr := fmt.Sprintf("127.0.0.1:%d", port)
	var c *exec.Cmd
	out := make(chan string, 1)
	start := func(extra ...string) {
		c = exec.CommandContext(ctx, cProgram, append(args, extra...)...)
		go func() {
			b, err := c.CombinedOutput()
			out <- fmt.Sprintf("%v\n%s", err, b)
		}()
	}
	if server {
		ln, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		defer ln.Close()
		start("127.0.0.1")
		_, err = ExchangeAccept(ctx, ln, local, connect)
		require.NoError(t, err)
	} else {
		start()
		for {
			_, err = ExchangeClient(ctx, addr, local, connect)
			if err == nil || ctx.Err() != nil || e.qp.State() != StateInit {
				break
			}
			// It does not listen yet: that it fails for good shows in ctx.
		}
		require.NoError(t, err)
		e.send(t, 2, size, Signaled)
	}
	sent, got := 0, 0
	if !server {
		sent = 1
	}
	for done := 0; got < iters || done < iters; {
		for _, wc := range e.next(t, events) {
			require.Equal(t, hwcq.StatusSuccess, wc.Status, "%+v", wc)
			if wc.WRID == 2 {
				done++
				continue
			}
			require.EqualValues(t, size, wc.ByteLen)
			got++
			e.recv(t, 1, size)
			if sent < iters {
				e.send(t, 2, size, Signaled)
				sent++
			}
		}
	}
	report := <-out
	require.Contains(t, report, "<nil>")
	require.Contains(t, report, fmt.Sprintf("%d iters in", iters))
	t.Log(report)
}

// next returns at least one completion.
func (e *end) next(t *testing.T, events bool) []hwcq.WC {
	var dst [16]hwcq.WC
	for {
		if n := e.cq.Poll(dst[:]); n > 0 {
			return dst[:n:n]
		}
		if !events {
			return e.expect(t, 1)
		}
		if !e.arm(t, false) {
			e.wait(t)
		}
	}
}
