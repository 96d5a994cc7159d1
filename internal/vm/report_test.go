package vm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseReport(t *testing.T) {
	for in, want := range map[string]report{
		"hello 6.12.117+deb12-amd64": {kind: "hello", text: "6.12.117+deb12-amd64"},
		"ready 5.25":                 {kind: "ready", up: 5250 * time.Millisecond},
		"exit 0 7.5\r":               {kind: "exit", up: 7500 * time.Millisecond},
		"exit 137 7.5":               {kind: "exit", code: 137, up: 7500 * time.Millisecond},
		"fail cannot add rxe0: x y":  {kind: "fail", text: "cannot add rxe0: x y"},
	} {
		got, err := parseReport(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{
		"", "ready", "ready soon", "ready -1", "ready NaN", "exit", "exit 0", "exit x 1", "exit 256 1",
		"exit -1 1", "exit 0 x", "fail", "hello", "what 1",
	} {
		_, err := parseReport(in)
		require.Error(t, err, "%q", in)
	}
}

func TestKernelAlerts(t *testing.T) {
	log := "[    1.5] usual line about BUG: reports\r\n" +
		"[    9.180665] WARNING: CPU: 0 PID: 1 at net/x.c:1\n" +
		"[    9.180665] WARNING: CPU: 0 PID: 1 at net/x.c:1\n" +
		"<3>[   10.0][  T12] BUG: kernel NULL pointer dereference\n" +
		"[   11.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
	alerts, dead := kernelAlerts(log)
	require.False(t, dead)
	require.Equal(t, []string{
		"WARNING: CPU: 0 PID: 1 at net/x.c:1",
		"BUG: kernel NULL pointer dereference",
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
	}, alerts)
	alerts, dead = kernelAlerts("[    9.1] Kernel panic - not syncing: sysrq triggered crash\n")
	require.True(t, dead)
	require.Len(t, alerts, 1)
}

func TestVerdict(t *testing.T) {
	exited := errors.New("signal: killed")
	for _, c := range []struct {
		name    string
		g       guest
		cause   error
		console string
		want    error
		text    string
	}{
		{name: "exit", g: guest{ready: true, exited: true}},
		{name: "power-off hung after the answer", g: guest{ready: true, exited: true}, cause: ErrLost},
		{name: "time limit", g: guest{ready: true}, cause: ErrTimeout, want: ErrTimeout},
		{name: "boot limit", cause: ErrBoot, want: ErrBoot},
		{name: "guest's reason", g: guest{failed: "cannot add rxe0"}, want: ErrBoot, text: "cannot add rxe0"},
		{name: "no guest", want: ErrBoot, text: "signal: killed"},
		{name: "vanished", g: guest{ready: true}, want: ErrLost},
		{
			name: "panic", g: guest{ready: true}, console: "[ 1.0] Kernel panic - not syncing: x\n",
			want: ErrKernel, text: "not syncing: x",
		},
		{
			name: "panic during the boot", console: "[ 1.0] Kernel panic - not syncing: x\n",
			want: ErrKernel, text: ErrBoot.Error(),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.g.verdict(c.cause, exited, c.console, "qemu says")
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "qemu says")
		})
	}
}

func TestControlMovesTheLimit(t *testing.T) {
	fired := make(chan error, 1)
	g := &guest{timeout: time.Nanosecond, start: time.Now(), timer: time.NewTimer(time.Hour)}
	g.cancel = func(err error) { fired <- err }
	g.control(strings.NewReader("hello 6.12\nready 1.0\n"))
	require.ErrorIs(t, <-fired, ErrTimeout)
	g.timeout = time.Hour
	g.control(strings.NewReader("ready 1.0\nexit 3 2.5\nsomething else\n"))
	g.timer.Stop()
	require.True(t, g.exited)
	require.Equal(t, 3, g.res.ExitCode)
	require.Equal(t, 1500*time.Millisecond, g.res.Job)
	require.Equal(t, "6.12", g.res.Release)
	require.Contains(t, g.failed, "something else")
}

func TestTail(t *testing.T) {
	w := &tail{max: 4}
	for _, s := range []string{"abc", "def", "\r\n", "ghij"} {
		n, err := w.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
	require.True(t, strings.HasSuffix(w.String(), "ghij"))
	require.LessOrEqual(t, len(w.String()), 8)
	require.Equal(t, "c\nd", lastLines("a\nb\nc\r\nd\n", 2))
	require.Equal(t, "a", lastLines("a", 5))
}
