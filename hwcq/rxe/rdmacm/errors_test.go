//go:build linux && (amd64 || arm64)

package rdmacm

import (
	"io/fs"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
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

// A zone has no place in the commands: what names one would go elsewhere.
func TestAddressesRefused(t *testing.T) {
	id, fine := &ID{}, netip.MustParseAddrPort("10.99.0.1:7471")
	for _, s := range []string{"[fe80::1%eth0]:7471", "[fe80::1%2]:7471"} {
		zoned := netip.MustParseAddrPort(s)
		for _, err := range []error{id.Bind(zoned), id.ResolveAddr(netip.AddrPort{}, zoned, time.Second), id.ResolveAddr(zoned, fine, time.Second)} {
			require.ErrorIs(t, err, param.ErrInvalid)
			require.ErrorContains(t, err, s)
		}
	}
	for _, err := range []error{
		id.Bind(netip.AddrPort{}),
		id.ResolveAddr(fine, netip.AddrPort{}, time.Second),
		id.ResolveAddr(fine, netip.AddrPortFrom(fine.Addr(), 0), time.Second),
		id.ResolveAddr(fine, fine, 0),
	} {
		require.ErrorIs(t, err, param.ErrInvalid)
	}
}

// A channel that cannot read events tells those who wait for one, and takes no
// more of them.
func TestChannelFailed(t *testing.T) {
	c := &Channel{ids: map[uint64]*ID{}}
	var told []EventType
	h := func(_ *ID, ev Event) { told = append(told, ev.Type) }
	require.NoError(t, c.register(&ID{c: c}, h))
	c.end(ErrCorrupt)
	require.Equal(t, []EventType{ChannelFailed}, told)
	_, err := c.NewID(h)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, (&ID{c: c}).Accept(Param{}, h), ErrCorrupt)
	require.Len(t, told, 1)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	err := opError("x", unix.EACCES)
	require.ErrorIs(t, err, unix.EACCES)
	require.ErrorContains(t, err, "credentials changed after Open")
	require.ErrorIs(t, opError("x", unix.EADDRINUSE), hwcq.ErrBusy)
	require.ErrorContains(t, opError("x", unix.ENODEV), "no RDMA device")
}
