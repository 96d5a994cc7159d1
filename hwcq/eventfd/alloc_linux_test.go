//go:build !race

package eventfd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// The race detector's instrumentation allocates, hence the build tag.
func TestNoAllocations(t *testing.T) {
	c, err := New(Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	dst := make([]hwcq.WC, 1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = c.Signal(1)
		_ = c.Poll(dst)
	}))
	require.EqualValues(t, 1, dst[0].ByteLen)
}
