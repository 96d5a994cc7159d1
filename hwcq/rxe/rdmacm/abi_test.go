//go:build linux && (amd64 || arm64)

package rdmacm

import (
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// The sizes that the kernel's structures have.
func TestCommandSizes(t *testing.T) {
	a, p := netip.MustParseAddrPort("10.99.0.1:7471"), &Param{}
	for name, c := range map[string]struct {
		b    []byte
		want int
	}{
		"create ID":    {encCreateID(1, 2), 24},
		"bind":         {encBind(1, a), 136},
		"resolve addr": {encResolveAddr(1, a, a, 1), 272},
		"connect":      {encConnect(1, p), 280},
		"accept":       {encAccept(1, 2, p), 288},
		"establish":    {encAccept(1, 2, nil), 288},
		"reject":       {encReject(1, nil), 264},
	} {
		require.Len(t, c.b, c.want, name)
		require.Less(t, hdrSize+len(c.b), answerOff, name)
	}
	require.Zero(t, encAccept(1, 2, nil)[8+271], "an establish has no parameters")
	require.EqualValues(t, 1, encAccept(1, 2, p)[8+271])
}

func TestAddresses(t *testing.T) {
	for _, s := range []string{"10.99.0.1:7471", "[fe80::1]:1", "[::]:0", "0.0.0.0:65535"} {
		a := netip.MustParseAddrPort(s)
		b := make([]byte, addrSize)
		require.Contains(t, []uint16{16, 28}, putAddr(b, a))
		require.Equal(t, a, getAddr(b))
	}
	require.False(t, getAddr(make([]byte, addrSize)).IsValid())
	b := encBind(3, netip.MustParseAddrPort("10.99.0.1:7471"))
	require.Equal(t, []byte{3, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0x1d, 0x2f, 10, 99, 0, 1}, b[:16])
}

// What one side encodes the other decodes: an event carries the same structure.
func TestEventDecodes(t *testing.T) {
	want := Param{QPNum: 0x123456, PrivateData: []byte("hello"), ResponderResources: 3, InitiatorDepth: 4, Retries: 5, RNRRetries: 6}
	b := words([]uint64{77}, 8, uint32(ConnectRequest), 0xffffffff)
	b = appendParam(b, &want)
	b = append(b, make([]byte, eventSize-len(b))...)
	e, err := decEvent(b)
	require.NoError(t, err)
	require.EqualValues(t, 77, e.uid)
	require.EqualValues(t, 8, e.id)
	require.Equal(t, ConnectRequest, e.Type)
	require.EqualValues(t, -1, e.Status)
	require.Equal(t, want, e.Peer)

	_, err = decEvent(b[:eventSize-13])
	require.ErrorIs(t, err, ErrCorrupt)
	le.PutUint32(b[12:], 16)
	_, err = decEvent(b)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestParamCheck(t *testing.T) {
	for _, p := range []Param{{QPNum: 1 << 24}, {PrivateData: make([]byte, 57)}, {Retries: 8}, {RNRRetries: 8}} {
		require.Error(t, p.check("test", MaxConnectData))
	}
	require.NoError(t, (&Param{PrivateData: make([]byte, 56), Retries: 7, RNRRetries: 7}).check("test", MaxConnectData))
}

func TestDeviceOf(t *testing.T) {
	sys := fstest.MapFS{
		"class/infiniband/rxe0/node_guid": {Data: []byte("0242:acff:fe11:0002\n")},
		"class/infiniband/rxe1/node_guid": {Data: []byte("nonsense\n")},
		"class/infiniband/rxe2/node_guid": {Data: []byte("0242:acff:fe11:0003\n")},
	}
	name, err := deviceOf(sys, [8]byte{2, 0x42, 0xac, 0xff, 0xfe, 0x11, 0, 3})
	require.NoError(t, err)
	require.Equal(t, "rxe2", name)
	_, err = deviceOf(sys, [8]byte{1})
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = deviceOf(fstest.MapFS{}, [8]byte{1})
	require.Error(t, err)
}

// No bytes of the kernel's make a decoder read beyond them or panic, and what is
// decoded is in its limits.
func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, eventSize))
	f.Add(make([]byte, querySize))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decEvent(b); err == nil {
			require.LessOrEqual(t, len(e.Peer.PrivateData), maxData)
			require.NoError(t, e.Peer.check("test", maxData))
			require.Less(t, int(e.Type), len(eventNames))
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
		}
		if _, err := decRoute(b); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}
