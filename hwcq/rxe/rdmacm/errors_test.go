//go:build linux && (amd64 || arm64)

package rdmacm

import (
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

func TestOpenErrors(t *testing.T) {
	require.ErrorIs(t, openError(unix.ENOENT), hwcq.ErrUnavailable)
	require.ErrorContains(t, openError(unix.ENOENT), "modprobe rdma_ucm")
	require.ErrorIs(t, openError(unix.EACCES), hwcq.ErrUnavailable)
	require.ErrorIs(t, openError(unix.EACCES), fs.ErrPermission)
	if _, err := os.Stat(node); err != nil {
		_, err := Open()
		require.ErrorIs(t, err, hwcq.ErrUnavailable)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	err := opError("x", unix.EACCES)
	require.ErrorIs(t, err, unix.EACCES)
	require.ErrorContains(t, err, "credentials changed after Open")
	require.ErrorIs(t, opError("x", unix.EADDRINUSE), hwcq.ErrBusy)
	require.ErrorContains(t, opError("x", unix.ENODEV), "no RDMA device")
}
