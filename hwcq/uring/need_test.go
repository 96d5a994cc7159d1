//go:build linux && (amd64 || arm64)

package uring

import (
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// Need is need, for the tests outside the package.
var (
	Need     = need
	HaveRing = haveRing
)

// need stops a test that has no ring. Where the host does not let it have one (a
// container's seccomp profile, a sysctl, no io_uring in the kernel) the test is skipped,
// with the reason; in the guest, where all of them run too, nothing may be skipped.
func need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
}

// haveRing is need, for a test that opens its rings by and by.
func haveRing(t testing.TB) {
	t.Helper()
	r, err := Open(Config{})
	need(t, err)
	require.NoError(t, r.Close())
}

// Examples cannot skip themselves.
func TestMain(m *testing.M) {
	flag.Parse()
	r, err := Open(Config{})
	switch {
	case err == nil:
		_ = r.Close()
	case errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported):
		_ = flag.Set("test.skip", "^Example")
	}
	os.Exit(m.Run())
}
