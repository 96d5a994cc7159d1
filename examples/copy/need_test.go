//go:build linux

package main

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// TestMain runs the tests where there is io_uring to run them on.
func TestMain(m *testing.M) {
	ring, err := uring.Open(uring.Config{})
	if err == nil {
		err = ring.Close()
	}
	noRing = err
	os.Exit(m.Run())
}

var noRing error

// need skips a test where the host does not let it have an io_uring (a container's
// seccomp profile, a sysctl, no io_uring in the kernel).
func need(t *testing.T) {
	t.Helper()
	if errors.Is(noRing, hwcq.ErrUnavailable) || errors.Is(noRing, hwcq.ErrNotSupported) {
		t.Skip(noRing)
	}
	require.NoError(t, noRing)
}
