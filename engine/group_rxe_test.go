//go:build linux && (amd64 || arm64)

package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/atom"
)

// CQs of soft-RoCE with every kind of wait, on one Poller: each completion comes, once
// and in order, in every mode, and the goroutine sleeps in between.
func TestPollerRXE(t *testing.T) {
	const each = 100
	dev := semRXE(t)
	e, err := engine.New(engine.Config{Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	g, err := e.NewPoller(engine.PollerConfig{})
	require.NoError(t, err)
	for _, how := range []rxe.WaitMethod{rxe.WaitAuto, rxe.WaitPoll, rxe.WaitRuntime} {
		for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive, engine.ModeSpin} {
			t.Run(fmt.Sprintf("%v-%v", how, mode), func(t *testing.T) {
				b := newRXEBedOf(t, dev, rxe.CQConfig{Wait: how}, rxe.ConnectConfig{})
				var got atom.Counter
				d, err := e.NewEVD(engine.EVDConfig{
					CQs: []hwcq.CQ{b.cq}, Poller: g, Mode: mode, Policy: engine.SingleInstance,
					Upcall: func(u *engine.Upcall) {
						for _, ev := range u.Events() {
							if n := got.Add(1); ev.WRID != n || ev.Status != hwcq.StatusSuccess {
								t.Errorf("completion %d, %v, where %d was due", ev.WRID, ev.Status, n)
							}
						}
					},
				})
				require.NoError(t, err)
				for id := uint64(1); id <= each; id++ {
					wr := b.write(id, b.mr.RKey())
					require.NoError(t, b.near.PostSend(&wr))
					semUntil(t, func() bool { return got.Load() == id })
				}
				require.NoError(t, d.Close()) // before the bed closes the CQ
			})
		}
	}
	require.Zero(t, g.Stats().Members)
	require.Zero(t, g.Stats().Errors)
	require.Positive(t, g.Stats().Sleeps)
}
