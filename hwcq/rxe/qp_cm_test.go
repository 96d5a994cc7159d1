//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The CM's attributes end in the places where Connect puts the same ones.
func TestCMAttrBecomesModify(t *testing.T) {
	want := qpModify{
		handle: 5, mask: qpState | qpAV | qpPathMTU | qpDestQPN, state: StateRTR,
		access: RemoteWrite, path: pathAttr{remote: GID{1, 2, 3, 15: 16}, sgid: 3, flow: 0x54321, tclass: 7},
		remote: Dest{QPN: 0x123456, PSN: 7, LID: 9}, localPSN: 8, qkey: 0x1234,
		mtu: 4, timeout: 14, retry: 6, rnr: 5, minRNR: 12, initRD: 2, destRD: 3,
	}
	var a CMAttr
	le.PutUint32(a[0:], want.mask)
	le.PutUint32(a[4:], uint32(StateRTR))
	le.PutUint32(a[12:], 4)
	le.PutUint32(a[24:], want.remote.PSN)
	le.PutUint32(a[28:], want.localPSN)
	le.PutUint32(a[32:], want.remote.QPN)
	le.PutUint32(a[36:], uint32(want.access))
	le.PutUint32(a[20:], want.qkey)
	copy(a[40:], want.path.remote[:])
	le.PutUint32(a[56:], want.path.flow)
	a[60], a[61], a[62] = want.path.sgid, hopLimit, want.path.tclass
	le.PutUint16(a[64:], want.remote.LID)
	a[69], a[70] = 1, portNum // is_global
	a[130], a[131], a[133] = want.initRD, want.destRD, portNum
	a.SetMinRNRTimer(want.minRNR)
	a[134], a[135], a[136] = want.timeout, want.retry, want.rnr
	got, to, err := a.modify(5)
	require.NoError(t, err)
	require.Equal(t, StateRTR, to)
	require.Equal(t, want.encode(), got)
}

func FuzzCMAttr(f *testing.F) {
	f.Add(make([]byte, 144))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a CMAttr
		copy(a[:], b)
		body, to, err := a.modify(9)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		require.Len(t, body, 112)
		require.EqualValues(t, 9, le.Uint32(body[64:]))
		require.LessOrEqual(t, to, StateErr)
	})
}
