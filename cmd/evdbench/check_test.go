package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/check"
)

func TestCheck(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "check", "--cq", "timer", "--short", "--duration", "20ms")
	require.Zero(t, status, stdout+stderr)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "completions come oldest first: ok\n")
	assert.Regexp(t, `never\s+loses a completion: ok,\s+100 rounds\n`, stdout)
	assert.Regexp(t, `\d+ promises, [\d ]+ rounds, .*: all hold\n$`, stdout)

	for args, want := range map[string]string{
		"--cq xdp": `--cq = "xdp": must be mock, timer, eventfd, uring or rxe`,
		"--dev x":  "--dev = x: must be left out with cq mock", "--duration 1ms": "--duration = 1ms: must be 10ms to 24h",
		"--patience 1ms": "--patience = 1ms", "extra": "unknown command",
	} {
		status, _, stderr := evdbench(t.Context(), append([]string{"check"}, strings.Fields(args)...)...)
		assert.Equal(t, exitUsage, status)
		assert.Contains(t, stderr, want)
	}
	status, stdout, stderr = evdbench(t.Context(), "check", "--cq", "rxe", "--dev", "no-such-device")
	assert.NotZero(t, status)
	assert.Empty(t, stdout)
	assert.NotEmpty(t, stderr)
}

func TestCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	status, stdout, stderr := evdbench(ctx, "check", "--duration", "1h", "-o", "json")
	assert.Equal(t, exitInterrupted, status, stderr)
	var r struct {
		Schema int
		OK     bool
		check.Report
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	assert.Equal(t, checkSchema, r.Schema)
	assert.True(t, r.Interrupted)
	assert.False(t, r.OK)
	assert.NotEmpty(t, r.Results)
}

func TestCheckText(t *testing.T) {
	var b strings.Builder
	require.NoError(t, writeResult(&b, check.Result{
		Promise: "arming after an empty poll, and looking again, never loses a completion", Verdict: check.Holds, Rounds: 12_000,
	}))
	require.NoError(t, writeResult(&b, check.Result{
		Promise: "completions come oldest first", Verdict: check.Broken, Promised: "hwcq.CQ.Poll: oldest first",
		Details: []string{"WRID 2 came, 1 was next", "hangs:\ngoroutine 1"},
	}))
	require.NoError(t, writeResult(&b, check.Result{
		Promise: "a failed request wakes a sleeper", Verdict: check.Excepted, Details: []string{"rxe does not"},
	}))
	r := &check.Report{Results: []check.Result{{Verdict: check.Broken, Rounds: 1000}, {Verdict: check.Holds}}, Untested: []string{"this and that"}}
	require.NoError(t, writeVerdict(&b, r))
	assert.Equal(t, `arming after an empty poll, and looking again, never loses a completion: ok,
    12 000 rounds
completions come oldest first: BROKEN
    WRID 2 came, 1 was next
    hangs:
    promised by hwcq.CQ.Poll: oldest first
a failed request wakes a sleeper: known
    rxe does not

not tested: this and that
2 promises, 1 000 rounds, 0s: 1 are BROKEN
`, b.String())
}

func TestCQs(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "cqs", "-o", "json")
	require.Zero(t, status, stderr)
	var list struct {
		Schema  int
		Drivers []driver
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	assert.Equal(t, 1, list.Schema)
	names := map[string]driver{}
	for _, d := range list.Drivers {
		names[d.Name] = d
		assert.Equal(t, d.Available, d.Why == "", "%s: what is not available says why", d.Name)
		assert.Equal(t, d.Available, d.Do == "", "%s: and what to do", d.Name)
		assert.NotEmpty(t, d.Commands, d.Name)
		if d.Available && d.Name != "verbs" {
			assert.Positive(t, d.Can.Depth, d.Name)
		}
	}
	assert.Len(t, names, 6)
	for _, name := range []string{"mock", "timer"} {
		assert.True(t, names[name].Available, "%s is everywhere", name)
	}
	_, stdout, _ = evdbench(t.Context(), "cqs")
	assert.Contains(t, stdout, "mock     available   simulated hardware in this process (lat, bw, wake, check)\n")
	for line := range strings.Lines(stdout) {
		assert.LessOrEqual(t, len([]rune(line)), lineWidth+1, line)
	}
}
