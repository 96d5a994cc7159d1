package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

func TestRXEUpUsage(t *testing.T) {
	for args, want := range map[string]string{
		"rxe up --dev a/b":                     `--dev = "a/b": must be a name of 1..63 characters`,
		"rxe down --dev ..":                    `--dev = "..": must be a name of 1..63 characters`,
		"rxe up --netdev sixteencharacter":     `--netdev = "sixteencharacter": must be a name of 1..15 characters`,
		"rxe up --addr 10.99.0.1":              `--addr = "10.99.0.1": must be an address with prefix length`,
		"rxe up --addr x/24":                   `--addr = "x/24": must be an address with prefix length`,
		"rxe down --addr 10.99.0.1/24":         "unknown flag: --addr",
		"rxe up --netdev= --dev= --addr=1/999": `--netdev = "": must be`,
	} {
		status, _, stderr := evdbench(t.Context(), strings.Fields(args)...)
		assert.Equal(t, exitUsage, status, args)
		assert.Contains(t, stderr, want)
	}
}

func TestExplainNetlink(t *testing.T) {
	l := &link{dev: "rxe0", netdev: "dummy0"}
	for errno, want := range map[unix.Errno]string{
		unix.EPERM:           "rxe: do it: hwcq: unavailable: this needs root (CAP_NET_ADMIN): operation not permitted",
		unix.EPROTONOSUPPORT: "the kernel has no RDMA: load ib_core and rdma_rxe",
		unix.EOPNOTSUPP:      "the kernel lacks the module for it (modprobe rdma_rxe, modprobe dummy)",
	} {
		err := l.explain("do it", errno)
		assert.ErrorIs(t, err, hwcq.ErrUnavailable)
		assert.ErrorIs(t, err, errno)
		assert.ErrorContains(t, err, want)
	}
	assert.NotErrorIs(t, l.explain("do it", unix.EEXIST), hwcq.ErrUnavailable)
}

// The tests below change the network of the machine they run on, or need an
// rxe device: they are for a guest made for it, where EVD_RXE_REQUIRED=1.
func needGuest(t *testing.T) {
	t.Helper()
	if os.Getenv("EVD_RXE_REQUIRED") != "1" {
		t.Skip("changes the network: for a guest, with EVD_RXE_REQUIRED=1")
	}
}

func TestRXEUpDown(t *testing.T) {
	needGuest(t)
	args := []string{"--dev", "rxe7", "--netdev", "dummy7"}
	up := func() string {
		status, _, stderr := evdbench(t.Context(), append([]string{"rxe", "up", "--addr", "10.97.0.1/24"}, args...)...)
		require.Zero(t, status, stderr)
		return stderr
	}
	down := func() string {
		status, _, stderr := evdbench(t.Context(), append([]string{"rxe", "down"}, args...)...)
		require.Zero(t, status, stderr)
		return stderr
	}
	assert.Equal(t, "evdbench: made dummy7\nevdbench: made rxe7 on dummy7\n", up())
	assert.Equal(t, "evdbench: rxe7 is there already\n", up())
	status, stdout, stderr := evdbench(t.Context(), "lat", "--cq", "rxe", "--dev", "rxe7", "--mode", "event", "--count", "20", "--stall", "60s")
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "OK, all in order")
	status, stdout, _ = evdbench(t.Context(), "cqs")
	assert.Zero(t, status)
	assert.Regexp(t, `--dev .*\brxe7\b`, stdout)
	assert.Equal(t, "evdbench: removed rxe7\nevdbench: removed dummy7\n", down())
	assert.Empty(t, down())
	_, err := os.Stat("/sys/class/net/dummy7")
	assert.ErrorIs(t, err, os.ErrNotExist)

	status, _, stderr = evdbench(t.Context(), "rxe", "up", "--netdev", "eth77")
	assert.Equal(t, exitUnavailable, status)
	assert.Contains(t, stderr, "there is no network device eth77")
}

// Ping-pong with the C program, in both roles.
func TestRXEPeerIsC(t *testing.T) {
	needGuest(t)
	path, err := exec.LookPath("ibv_rc_pingpong")
	require.NoError(t, err, "Debian: ibverbs-utils")
	dev, err := rxe.Open(rxe.Config{})
	require.NoError(t, err)
	g, err := dev.DefaultGID()
	require.NoError(t, err)
	name := dev.Info().Name
	require.NoError(t, dev.Close())
	const count = "300"
	for i, mode := range []string{"spin", "event"} {
		for j, role := range []string{"server", "client"} {
			t.Run(mode+"/"+role, func(t *testing.T) {
				port := fmt.Sprint(18700 + 2*i + j)
				c := []string{"-d", name, "-g", fmt.Sprint(g.Index), "-s", "64", "-n", count, "-p", port}
				if mode == "event" {
					c = append(c, "-e")
				}
				addr := "127.0.0.1:" + port
				args := []string{"lat", "--cq", "rxe", "--mode", mode, "--count", count, "--stall", "60s", "-q", "--peer", addr}
				if role == "server" {
					args[len(args)-2] = "--peer-listen"
					c = append(c, "127.0.0.1")
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				if role == "client" {
					out := startC(ctx, path, c)
					status, stdout, stderr := evdbench(ctx, args...)
					checkPeers(t, status, stdout, stderr, <-out)
					return
				}
				type result struct {
					status         int
					stdout, stderr string
				}
				done := make(chan result, 1)
				go func() {
					s, o, e := evdbench(ctx, args...)
					done <- result{s, o, e}
				}()
				awaitListener(t, ctx, port)
				out := <-startC(ctx, path, c)
				r := <-done
				checkPeers(t, r.status, r.stdout, r.stderr, out)
			})
		}
	}
}

func startC(ctx context.Context, path string, args []string) <-chan string {
	out := make(chan string, 1)
	go func() {
		b, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
		out <- fmt.Sprintf("%s\n%v", b, err)
	}()
	return out
}

// awaitListener looks into the kernel's tables: to connect would take the
// place of the peer.
func awaitListener(t *testing.T, ctx context.Context, port string) {
	n := 0
	_, err := fmt.Sscan(port, &n)
	require.NoError(t, err)
	want := fmt.Appendf(nil, ":%04X ", n)
	for ctx.Err() == nil {
		for _, f := range []string{"tcp", "tcp6"} {
			b, _ := os.ReadFile(filepath.Join("/proc/net", f))
			if bytes.Contains(b, want) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody listens")
}

func checkPeers(t *testing.T, status int, stdout, stderr, c string) {
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "OK, all in order")
	assert.Contains(t, stdout, "QP 0 sends: attempted 300 = accepted 300 + rejected 0, seen 300")
	assert.Contains(t, c, "300 iters in")
	assert.Contains(t, c, "<nil>")
}
