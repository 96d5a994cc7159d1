//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// A device that was closed took its objects along: what is left of them can
// still be closed, and gives back what it holds.
func TestCloseAfterTheDevice(t *testing.T) {
	d := &Device{control: control{closed: true}}
	pd := &PD{dev: d}
	buf, err := OpenBuffer(1)
	require.NoError(t, err)
	_, _, err = buf.hold()
	require.NoError(t, err)
	require.NoError(t, pd.use.acquire("test"))
	mr := &MR{pd: pd, mem: buf}

	require.ErrorIs(t, buf.Close(), hwcq.ErrBusy)
	require.ErrorIs(t, pd.Close(), hwcq.ErrBusy)
	for range 2 {
		require.NoError(t, mr.Close())
	}
	require.NoError(t, pd.Close())
	require.NoError(t, buf.Close())
}

// The parameter that was wrong is named, not one that follows it by default.
func TestOpenQPNamesTheForeignCQ(t *testing.T) {
	d := new(Device)
	pd, own, foreign := &PD{dev: d}, &CQ{dev: d}, &CQ{dev: new(Device)}
	for range 20 {
		_, err := pd.OpenQP(QPConfig{SendCQ: foreign})
		require.ErrorContains(t, err, "SendCQ = ")
	}
	_, err := pd.OpenQP(QPConfig{SendCQ: own, RecvCQ: foreign})
	require.ErrorContains(t, err, "RecvCQ = ")
}
