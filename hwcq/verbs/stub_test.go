//go:build !verbs || !cgo || !linux

package verbs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// Without libibverbs everything says how to get it.
func TestWithoutLibibverbs(t *testing.T) {
	require.False(t, Available)
	_, err := Open(Config{})
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	require.ErrorContains(t, err, "-tags verbs")
	_, err = Devices()
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	_, err = OpenBuffer(1)
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	_, err = (&CQ{}).Events().Wait()
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
}
