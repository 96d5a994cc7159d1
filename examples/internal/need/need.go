//go:build linux

// Package need is for the tests of the examples.
package need

import (
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// Ring skips a test where the host does not let it have an io_uring (a container's
// seccomp profile, a sysctl, no io_uring in the kernel), with the reason.
func Ring(t testing.TB) {
	t.Helper()
	ring, err := uring.Open(uring.Config{})
	if errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported) {
		t.Skip(err)
	}
	if err == nil {
		err = ring.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
