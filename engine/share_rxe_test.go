//go:build linux && (amd64 || arm64)

package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/atom"
)

// Two queue pairs on one CQ of soft-RoCE, each of another EVD.
func TestSharedRXE(t *testing.T) {
	const each = 300
	b := newRXEBed(t, semRXE(t))
	near, err := b.pd.OpenQP(rxe.QPConfig{SendCQ: b.cq, RecvCQ: b.farCQ, SendDepth: 64})
	require.NoError(t, err)
	far, err := b.pd.OpenQP(rxe.QPConfig{SendCQ: b.farCQ, Remote: rxe.RemoteWrite})
	require.NoError(t, err)
	require.NoError(t, rxe.ConnectPair(near, far, rxe.ConnectConfig{}))
	defer func() {
		require.NoError(t, near.Close())
		require.NoError(t, far.Close())
	}()
	e, err := engine.New(engine.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	s, err := e.NewSharedCQ(engine.SharedCQConfig{CQ: b.cq})
	require.NoError(t, err)
	var got [2]atom.Counter
	for i, qp := range []*rxe.QP{b.near, near} {
		d, err := e.NewEVD(engine.EVDConfig{
			Streams: engine.DTO, Policy: engine.SingleInstance,
			Upcall: func(u *engine.Upcall) {
				for _, ev := range u.Events() {
					if want := got[i].Load() + 1; ev.QPNum != qp.Num() || ev.WRID != want || ev.Status != hwcq.StatusSuccess {
						t.Errorf("EVD %d: completion %d of queue pair %d, %v, where %d was due", i, ev.WRID, ev.QPNum, ev.Status, want)
					}
					got[i].Add(1)
				}
			},
		})
		require.NoError(t, err)
		c, err := d.Join(s, qp.Num(), 32)
		require.NoError(t, err)
		t.Run("", func(t *testing.T) {
			for id := uint64(1); id <= each; id++ {
				semUntil(t, func() bool { return c.Acquire(1) == nil })
				wr := b.write(id, b.mr.RKey())
				require.NoError(t, qp.PostSend(&wr))
			}
			semUntil(t, func() bool { return got[i].Load() == each && c.Free() == 32 })
		})
	}
	require.Zero(t, s.Stats().Unrouted)
	require.EqualValues(t, 2*each, s.Stats().Polled)
}
