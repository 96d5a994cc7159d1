//go:build guest

package vm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests boot real guests: `make test` and `make guest-test` run them.
// Without what a guest needs they fail, they never skip.

func guestRun(t *testing.T, c Config, j Job) (res Result, out, errs string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	j.Stdout, j.Stderr = &stdout, &stderr
	c.Log = t.Output()
	res, err = Run(t.Context(), c, j)
	t.Logf("boot %v, job %v, %s", res.Boot.Round(time.Millisecond), res.Job, res.Release)
	return res, stdout.String(), stderr.String(), err
}

// TestGuestJob checks all that a job may rely on, in one boot.
func TestGuestJob(t *testing.T) {
	dir, share := t.TempDir(), t.TempDir() // under /tmp, which the guest covers
	script := filepath.Join(dir, "job.sh")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), nil, 0o644))
	require.NoError(t, os.WriteFile(script, []byte(`#!/bin/bash
echo "A=$A kernel=$EVD_VM dev=$EVD_RXE_DEV"
pwd
cat /sys/class/infiniband/rxe0/ports/1/state
cat /sys/class/net/dummy0/mtu
test -c /dev/infiniband/uverbs0 && echo uverbs
test -d /sys/module/sch_netem && echo netem
echo reopened >/dev/stderr
touch "$0.new" 2>/dev/null || echo read-only
head -c 3000000 /dev/zero | tr '\0' x
echo result >"$EVD_SHARE/file"
dd if=/dev/urandom of=/tmp/here bs=1k count=1 2>/dev/null && echo tmp
printf '\000\377\n' >&2
sleep 1000 &
echo '<0>evd: not job output' >/dev/kmsg
exit 42
`), 0o755))
	res, out, errs, err := guestRun(t, Config{Modules: []string{"sch_netem"}},
		Job{Args: []string{"./job.sh"}, Dir: dir, Share: share, Env: []string{"A=it's $x"}})
	require.NoError(t, err)
	require.Equal(t, 42, res.ExitCode)
	lines := strings.Split(out, "\n")
	require.Equal(t, []string{
		"A=it's $x kernel=" + res.Release + " dev=rxe0", dir, "4: ACTIVE", "4200", "uverbs", "netem", "read-only",
		strings.Repeat("x", 3000000) + "tmp", "",
	}, lines)
	require.Equal(t, "reopened\n\x00\xff\n", errs)
	require.Contains(t, res.Dmesg, "evd: not job output")
	require.Empty(t, res.Alerts)
	require.Positive(t, res.Boot)
	require.True(t, strings.HasPrefix(res.Release, DefaultKernel+"."))
	b, err := os.ReadFile(filepath.Join(share, "file"))
	require.NoError(t, err)
	require.Equal(t, "result\n", string(b))
	require.NoFileExists(t, script+".new")
}

func TestGuestOldKernelWithoutRXE(t *testing.T) {
	res, out, _, err := guestRun(t, Config{Kernel: "6.1", NoRXE: true, ICount: true},
		Job{Args: []string{"sh", "-c", "uname -r; nproc; ls /sys/class/infiniband"}})
	require.NoError(t, err)
	require.Zero(t, res.ExitCode)
	require.Equal(t, res.Release+"\n1\n", out)
	require.True(t, strings.HasPrefix(out, "6.1."))
}

func TestGuestTimeLimit(t *testing.T) {
	_, _, _, err := guestRun(t, Config{NoRXE: true, Timeout: time.Second}, Job{Args: []string{"sleep", "1000"}})
	require.ErrorIs(t, err, ErrTimeout)
}

// onWrite calls its function with all that was written so far.
type onWrite struct {
	buf bytes.Buffer
	fn  func(all string)
}

func (w *onWrite) Write(p []byte) (int, error) {
	w.buf.Write(p)
	w.fn(w.buf.String())
	return len(p), nil
}

// TestGuestIsLiveAndEnds: output arrives while the job runs, and the end of
// the context is the end of the guest.
func TestGuestIsLiveAndEnds(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	out := &onWrite{fn: func(all string) {
		if all == "live\n" {
			cancel(enough)
		}
	}}
	job := Job{Args: []string{"sh", "-c", "echo live; sleep 1000"}, Stdout: out}
	_, err := Run(ctx, Config{NoRXE: true, Log: t.Output()}, job)
	require.ErrorIs(t, err, enough)
}

func TestGuestPanic(t *testing.T) {
	res, _, _, err := guestRun(t, Config{NoRXE: true},
		Job{Args: []string{"sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000"}})
	require.ErrorIs(t, err, ErrKernel)
	require.ErrorContains(t, err, "sysrq triggered crash")
	require.NotEmpty(t, res.Alerts)
}

func TestGuestDoesNotBoot(t *testing.T) {
	_, _, _, err := guestRun(t, Config{BootTimeout: 100 * time.Millisecond}, Job{Args: []string{"true"}})
	require.ErrorIs(t, err, ErrBoot)
}

// TestGuestPair: two guests talk over the cable, and the death of one is
// nothing to the other.
func TestGuestPair(t *testing.T) {
	var said [2]bytes.Buffer
	dead := make(chan struct{})
	kill := sync.OnceFunc(func() { close(dead) })
	first := Job{
		Args:   []string{"sh", "-c", `test -d /sys/class/infiniband/rxe0 && echo $EVD_NODE; echo hello | busybox nc -l -p 4000; sleep 1000`},
		Stdout: &said[0], Kill: dead,
	}
	second := Job{
		Args: []string{"sh", "-c", `until busybox nc $EVD_PEER_ADDR 4000; do sleep 0.1; done; tc qdisc add dev eth0 root netem loss 1%; echo $?; sleep 2; echo alone; exit 7`},
		Stdout: &onWrite{fn: func(all string) {
			said[1].Reset()
			said[1].WriteString(all)
			if strings.HasPrefix(all, "hello\n0\n") {
				kill()
			}
		}},
	}
	answers, err := RunPair(t.Context(), Config{Log: t.Output()}, [2]Job{first, second})
	require.NoError(t, err)
	require.ErrorIs(t, answers[0].Err, ErrKilled)
	require.Equal(t, "1\n", said[0].String())
	require.NoError(t, answers[1].Err)
	require.Equal(t, 7, answers[1].Result.ExitCode)
	require.Equal(t, "hello\n0\nalone\n", said[1].String())
}
