//go:build linux && (amd64 || arm64)

package engine_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// semRXE opens the soft-RoCE device. Without one the test is skipped, unless
// EVD_RXE_REQUIRED=1 says that there must be one.
func semRXE(t *testing.T) *rxe.Device {
	t.Helper()
	d, err := rxe.Open(rxe.Config{})
	if err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs an rxe device: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// rxeBed is a connection of a device with itself. The CQ under test is that of
// the near queue pair, whose work requests are RDMA writes: they ask nothing of
// the far one.
type rxeBed struct {
	cq, farCQ *rxe.CQ
	pd        *rxe.PD
	buf       *rxe.Buffer
	mr        *rxe.MR
	near, far *rxe.QP
	lost      uint64 // completions that are meant to overrun the CQ
}

func newRXEBed(t *testing.T, d *rxe.Device) *rxeBed {
	t.Helper()
	return newRXEBedOf(t, d, rxe.CQConfig{}, rxe.ConnectConfig{})
}

func newRXEBedOf(t *testing.T, d *rxe.Device, cq rxe.CQConfig, how rxe.ConnectConfig) *rxeBed {
	t.Helper()
	b := &rxeBed{}
	var err error
	b.cq, err = d.OpenCQ(cq)
	require.NoError(t, err)
	b.farCQ, err = d.OpenCQ(rxe.CQConfig{Depth: 16})
	require.NoError(t, err)
	b.pd, err = d.OpenPD()
	require.NoError(t, err)
	b.buf, err = rxe.OpenBuffer(4096)
	require.NoError(t, err)
	b.mr, err = b.pd.Reg(b.buf, rxe.LocalWrite|rxe.RemoteWrite)
	require.NoError(t, err)
	// More than any test has outstanding, less than the CQ holds.
	b.near, err = b.pd.OpenQP(rxe.QPConfig{SendCQ: b.cq, RecvCQ: b.farCQ, SendDepth: 512})
	require.NoError(t, err)
	b.far, err = b.pd.OpenQP(rxe.QPConfig{SendCQ: b.farCQ, Remote: rxe.RemoteWrite})
	require.NoError(t, err)
	require.NoError(t, rxe.ConnectPair(b.near, b.far, how))
	t.Cleanup(func() { b.close(t) })
	return b
}

func (b *rxeBed) close(t *testing.T) {
	require.Equal(t, b.lost, b.cq.Overruns())
	require.NoError(t, b.near.Close())
	require.NoError(t, b.far.Close())
	require.NoError(t, b.cq.Close())
	require.NoError(t, b.farCQ.Close())
	require.NoError(t, b.mr.Close())
	require.NoError(t, b.buf.Close())
	require.NoError(t, b.pd.Close())
}

func (b *rxeBed) CQ() hwcq.CQ { return b.cq }

func (b *rxeBed) QPNum() uint32 { return b.near.Num() }

func (b *rxeBed) Complete(t *testing.T, wrids ...uint64) {
	t.Helper()
	wrs := make([]rxe.SendWR, len(wrids))
	for i, id := range wrids {
		wrs[i] = b.write(id, b.mr.RKey())
	}
	semUntil(t, func() bool {
		n, err := b.near.PostSends(wrs)
		if wrs = wrs[n:]; !errors.Is(err, hwcq.ErrFull) {
			require.NoError(t, err)
		}
		return len(wrs) == 0
	})
}

func (b *rxeBed) Fail(t *testing.T, wrid uint64) {
	t.Helper()
	wr := b.write(wrid, b.mr.RKey()^0xff) // nobody's memory
	require.NoError(t, b.near.PostSend(&wr))
}

func (b *rxeBed) write(wrid uint64, rkey uint32) rxe.SendWR {
	return rxe.SendWR{
		WRID: wrid, Op: rxe.OpWrite, Flags: rxe.Signaled, SGL: []rxe.SGE{b.mr.SGE(0, 8)},
		RemoteAddr: b.mr.Addr() + 2048, RKey: rkey,
	}
}

func TestSemanticsRXE(t *testing.T) {
	d := semRXE(t)
	semantics(t, func(t *testing.T) semBed { return newRXEBed(t, d) })
}
