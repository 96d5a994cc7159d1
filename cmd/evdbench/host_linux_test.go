package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/tune"
)

func TestHostFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--pin x=1":               `--pin = "x=1": must be poller=CPUs, producer=CPUs and other=CPUs`,
		"--pin poller=8000":       "--pin = poller=8000: must be CPUs that this process may run on",
		"--pin poller=0 --oneway": "--pin = poller=0: must be without poller with oneway",
		"--gc on":                 `--gc = "on": must be off or percent=1..100000`,
		"--prio fifo:0":           `--prio = "fifo:0": must be fifo:1..99`,
		"--cpu-dma-latency -1us":  "must be 0 or whole microseconds up to 1s",
		"--cpu-dma-latency 1ns":   "must be 0 or whole microseconds up to 1s",
	} {
		status, stdout, stderr := evdbench(t.Context(), append([]string{"lat", "--count", "10", "-q"}, strings.Fields(args)...)...)
		assert.Equal(t, exitUsage, status, args)
		assert.Contains(t, stderr, want)
		assert.Empty(t, stdout)
	}
	status, stdout, stderr := evdbench(t.Context(), "lat", "--count", "10", "-q", "-o", "json", "--gc", "off,limit=1TiB")
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, `"gc": "off,limit=1024GiB"`)
	assert.Contains(t, stdout, `"gogc": -1`, "the environment is that of the run")
}

// What the host refuses is status 3, and says what it needs.
func TestHostRefuses(t *testing.T) {
	err := hostFailed(fmt.Errorf("prio = fifo:99: %w: operation not permitted: it needs root", tune.ErrRefused))
	require.ErrorIs(t, err, tune.ErrRefused)
	var b strings.Builder
	assert.Equal(t, exitUnavailable, explain(&b, command(t, "lat"), err))
	assert.Equal(t, "evdbench lat: --prio = fifo:99: not permitted here: operation not permitted: it needs root\n", b.String())
	assert.NoError(t, hostFailed(nil))
}
