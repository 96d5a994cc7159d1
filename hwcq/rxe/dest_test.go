//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"

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
	require.NoError(t, d.Close())
	k.gone()
}
