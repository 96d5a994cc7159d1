package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/host"
)

func TestDoctor(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "doctor", "-o", "json")
	require.Zero(t, status, stderr)
	assert.Empty(t, stderr)
	var d diagnosis
	require.NoError(t, json.Unmarshal([]byte(stdout), &d))
	assert.Equal(t, doctorSchema, d.Schema)
	assert.Len(t, d.Findings, len(host.Names()))
	assert.NotNil(t, d.Env.Floor)
	assert.Equal(t, host.Worst(d.Findings), d.Verdict)

	// Of this host nothing is known here, but that strictness and verdict agree.
	for level, least := range map[string]host.Level{"--strict": host.Warn, "--strict=fail": host.Fail} {
		status, stdout, stderr := evdbench(t.Context(), "doctor", level)
		bad := strings.Contains(stdout, "FAIL  ") || least == host.Warn && strings.Contains(stdout, "WARN  ")
		assert.Equal(t, map[bool]int{true: exitUnavailable, false: exitOK}[bad], status)
		assert.Equal(t, bad, strings.Contains(stderr, "this host is not fit: "), stderr)
		assert.NotContains(t, stderr, "hint:")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	status, stdout, _ = evdbench(ctx, "doctor")
	assert.Equal(t, exitInterrupted, status)
	assert.Empty(t, stdout)
}

func TestDoctorText(t *testing.T) {
	d := &diagnosis{Findings: []host.Finding{
		{Check: "clocksource", Says: "clocksource tsc"},
		{
			Check: "smt", Level: host.Warn, Says: "CPUs share a core (0,2 and 1,3): one slows the other, and this goes on",
			Fixes: []string{"--pin poller=3,producer=2", "echo off > /sys/devices/system/cpu/smt/control (root), or boot with nosmt"},
		},
	}}
	var b strings.Builder
	require.NoError(t, d.text(&b))
	assert.Equal(t, `ok    clocksource  clocksource tsc
WARN  smt          CPUs share a core (0,2 and 1,3): one slows the other, and
                   this goes on
                   fix: --pin poller=3,producer=2
                   fix: echo off > /sys/devices/system/cpu/smt/control (root),
                        or boot with nosmt
`, b.String())
	assert.Equal(t, "smt", d.worst(host.Warn))
	assert.Empty(t, d.worst(host.Fail))
}

func TestJitterCommand(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "jitter", "--duration", "5ms", "--no-sleep")
	require.Zero(t, status, stderr)
	assert.Equal(t, "evdbench: jitter for 5ms\n", stderr)
	assert.Contains(t, stdout, "late (ns)")
	status, stdout, stderr = evdbench(t.Context(), "jitter", "--duration", "5ms", "-q", "-o", "json")
	require.Zero(t, status, stderr)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, `"command": "jitter"`)
	for args, want := range map[string]string{
		"--cpus x":      `--cpus = "x": must be a list of CPUs, each once, such as 2 or 0-3,6`,
		"--cpus 3-1":    "must be a list of CPUs",
		"--cpus 1,1":    "must be a list of CPUs",
		"--cpus 9999":   "must be a list of CPUs",
		"--cpus 0,":     "must be a list of CPUs",
		"--period 5s":   "--period = 5s: must be 1us to 1s",
		"--sleep 1h":    "--sleep = 1h0m0s: must be 1us to 1s",
		"--duration 1":  `--duration = "1": must be a time above 0`,
		"extra":         `unknown command "extra"`,
		"--output wide": "--output",
	} {
		status, _, stderr := evdbench(t.Context(), append([]string{"jitter"}, strings.Fields(args)...)...)
		assert.Equal(t, exitUsage, status, args)
		assert.Contains(t, stderr, want, args)
	}
}

// The floor is measured before lat, and stands in its result.
func TestFloorOfARun(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "lat", "--count", "100", "-q")
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "\njitter        a goroutine that only spins is late by p99.9 ")
	status, stdout, stderr = evdbench(t.Context(), "bw", "--count", "100", "-q")
	require.Zero(t, status, stderr)
	assert.NotContains(t, stdout, "\njitter ")
}
