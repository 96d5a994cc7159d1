//go:build !linux || !(amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func TestNotSupported(t *testing.T) {
	_, err := Open(Config{})
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	require.ErrorContains(t, err, "rxe: not supported on this platform")
	_, err = Devices()
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	_, err = OpenBuffer(1)
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
}
