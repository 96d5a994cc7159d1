//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// The peer is told the GID that the QP will send from, however that is named.
func TestDestFor(t *testing.T) {
	d, k, err := openFake(t, nil)
	require.NoError(t, err)
	v6 := GIDEntry{GID: GID{0xfe, 0x80, 15: 1}, Index: 0, Port: 1, Type: GIDTypeRoCEv2}
	v4 := GIDEntry{GID: GID{10: 0xff, 11: 0xff, 12: 10, 15: 1}, Index: 1, Port: 1, Type: GIDTypeRoCEv2}
	other := GIDEntry{GID: GID{10: 0xff, 11: 0xff, 12: 10, 15: 2}, Index: 2, Port: 1, Type: GIDTypeRoCEv2}
	k.gids = []GIDEntry{v6, v4, other}
	pd, err := d.OpenPD()
	require.NoError(t, err)
	cq, err := d.OpenCQ(CQConfig{Depth: 7, Wait: WaitPoll})
	require.NoError(t, err)
	qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 7, RecvDepth: 7})
	require.NoError(t, err)
	for _, x := range []struct{ give, want GIDEntry }{
		{GIDEntry{}, v4}, {v6, v6}, {other, other}, {GIDEntry{Index: 2}, other}, {GIDEntry{Index: 1}, v4},
	} {
		got, err := qp.DestFor(ConnectConfig{SGID: x.give})
		require.NoError(t, err)
		require.Equal(t, Dest{QPN: qp.Num(), PSN: got.PSN, GID: x.want.GID}, got)
	}
	for _, g := range []GIDEntry{{Index: 3}, {Index: 1, GID: other.GID}} {
		_, err = qp.DestFor(ConnectConfig{SGID: g})
		require.ErrorIs(t, err, param.ErrInvalid)
	}

	// The two ends of a connection are of one kind.
	err = qp.Connect(Dest{GID: v6.GID}, ConnectConfig{SGID: other})
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, "remote.GID = fe80::1: must be of the kind, IPv4 or IPv6, of the local GID ::ffff:10.0.0.2")
	_, err = pd.OpenAH(AHConfig{Remote: v4.GID, SGID: v6})
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, "Remote = ")

	// What the way fails with is said, and is not the device's removal.
	for e, want := range map[unix.Errno]string{
		unix.ETIMEDOUT: "does not answer", unix.ENETUNREACH: "no route", unix.EHOSTUNREACH: "no route", unix.ENODEV: "no route",
	} {
		k.mangle = func(cmd uint32, _, _ []byte) unix.Errno {
			if cmd == cmdModifyQP {
				return e
			}
			return 0
		}
		err = qp.Connect(Dest{GID: v4.GID}, ConnectConfig{})
		require.ErrorIs(t, err, e)
		require.NotErrorIs(t, err, hwcq.ErrRemoved)
		require.ErrorContains(t, err, want)
		require.Equal(t, StateInit, qp.State())
	}
	require.NoError(t, d.Close())
	k.gone()
}
