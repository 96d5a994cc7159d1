package rxe

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGRHSource(t *testing.T) {
	b := make([]byte, 64)
	require.True(t, GRHSource(b).IsZero())
	require.True(t, GRHSource(nil).IsZero())
	b[20] = 0x45
	copy(b[32:], []byte{10, 99, 0, 1})
	require.Equal(t, netip.MustParseAddr("10.99.0.1"), GRHSource(b).Addr())
	require.True(t, GRHSource(b[:39]).IsZero(), "too short")
	b[0] = 0x60
	src := netip.MustParseAddr("fe80::17").As16()
	copy(b[8:], src[:])
	require.Equal(t, GID(src), GRHSource(b))
}
