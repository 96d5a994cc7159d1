//go:build linux && (amd64 || arm64)

package uring_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// TestTakenElsewhere: somebody else than the owner of a ring takes its completions, and
// the owner has the kernel make them, whatever it is doing itself.
func TestTakenElsewhere(t *testing.T) {
	for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive, engine.ModeSpin} {
		t.Run(mode.String(), func(t *testing.T) {
			ring, err := uring.Open(uring.Config{Shape: uring.Owner})
			uring.Need(t, err)
			e, err := engine.New(engine.Config{Watchdog: engine.NoWatchdog})
			require.NoError(t, err)
			d, err := e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{ring}, Mode: mode})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var evs [4]engine.Event
			for i := range uint64(50) {
				q := uring.Nop()
				q.WRID = i
				q.Async = i%2 == 0
				_, err := ring.Submit([]uring.Request{q})
				require.NoError(t, err)
				n, _, err := d.Wait(ctx, 1, evs[:])
				require.NoError(t, err)
				require.Equal(t, 1, n)
				require.Equal(t, i, evs[0].WRID)
			}
			require.NoError(t, e.Close())
			require.NoError(t, ring.Close())
		})
	}
}
