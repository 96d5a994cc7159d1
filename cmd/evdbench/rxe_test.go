package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/evdengine/evd/hwcq/rxe"
)

// Without a device the status is 3, with a hint; with one the run takes place.
func TestRXEUnavailable(t *testing.T) {
	args := []string{"lat", "--cq", "rxe", "--mode", "event", "--count", "10", "--stall", "60s", "-q"}
	status, _, stderr := evdbench(t.Context(), append(args, "--dev", "no-such-device")...)
	assert.Equal(t, exitUnavailable, status, stderr)
	assert.Contains(t, stderr, "hint: ")

	status, stdout, stderr := evdbench(t.Context(), args...)
	if d, err := rxe.Open(rxe.Config{}); err == nil {
		assert.NoError(t, d.Close())
		assert.Zero(t, status, stderr)
		assert.Contains(t, stdout, "OK, all in order")
		return
	}
	assert.Equal(t, exitUnavailable, status)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, `hint: "evdbench rxe up"`)
}
