//go:build linux && (amd64 || arm64)

package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// TestFaultsRXE: the faults that soft-RoCE can be made to produce. docs/FAULTS.md
// says why it cannot produce the others.
func TestFaultsRXE(t *testing.T) {
	d := semRXE(t)
	send := func(b *rxeFaultBed, id uint64, n int) rxe.SendWR {
		return rxe.SendWR{WRID: id, Op: rxe.OpSend, Flags: rxe.Signaled, SGL: []rxe.SGE{b.mr.SGE(0, n)}}
	}
	faults(t, faultKind{
		"overrun": func(t *testing.T) faultBed {
			return &rxeFaultBed{rxeBed: newRXEBedOf(t, d, rxe.CQConfig{Depth: 4}, rxe.ConnectConfig{})}
		},
		"flush": rxeFailure(d, rxe.ConnectConfig{}, func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR {
			require.NoError(t, b.near.SetError())
			return b.write(id, b.mr.RKey())
		}),
		hwcq.StatusRemAccessErr.String(): rxeFailure(d, rxe.ConnectConfig{}, func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR {
			return b.write(id, b.mr.RKey()^0xff)
		}),
		hwcq.StatusRemOpErr.String(): rxeFailure(d, rxe.ConnectConfig{}, func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR {
			require.NoError(t, b.far.PostRecv(&rxe.RecvWR{SGL: []rxe.SGE{b.mr.SGE(1024, 8)}}))
			return send(b, id, 16) // longer than the receive
		}),
		hwcq.StatusRNRRetryExcErr.String(): rxeFailure(d, rxe.ConnectConfig{RNRRetries: -1}, func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR {
			return send(b, id, 8) // and no receive
		}),
		hwcq.StatusRetryExcErr.String(): rxeFailure(d, rxe.ConnectConfig{Retries: 2, AckTimeout: 4 * time.Millisecond}, func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR {
			require.NoError(t, b.far.Close())
			return b.write(id, b.mr.RKey())
		}),
	})
}

// rxeFaultBed is a connection that goes wrong: by a work request that fails, or,
// without one, by a CQ that is too small.
type rxeFaultBed struct {
	*rxeBed
	failing func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR
	failed  uint64
}

func rxeFailure(d *rxe.Device, how rxe.ConnectConfig, failing func(t *testing.T, b *rxeFaultBed, id uint64) rxe.SendWR) func(t *testing.T) faultBed {
	return func(t *testing.T) faultBed {
		return &rxeFaultBed{rxeBed: newRXEBedOf(t, d, rxe.CQConfig{}, how), failing: failing}
	}
}

// Strike, where nobody takes from the CQ if that is too small.
func (b *rxeFaultBed) Strike(t *testing.T, wrids ...uint64) (stored []uint64) {
	t.Helper()
	if b.failing == nil {
		depth := b.cq.Capabilities().Depth
		b.lost = uint64(len(wrids) - depth)
		b.Complete(t, wrids...)
		return wrids[:depth]
	}
	wr := b.failing(t, b, wrids[0])
	require.NoError(t, b.near.PostSend(&wr))
	b.failed++
	b.Complete(t, wrids[1:]...)
	return wrids
}

func (b *rxeFaultBed) Struck() uint64 { return b.failed + b.cq.Overruns() }
