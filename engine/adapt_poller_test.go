//go:build !explore

package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// A poller's patience runs out while its CQ is idle, and the counters tell.
func TestPollerPatience(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{SpinBudget: time.Nanosecond, Watchdog: NoWatchdog})
	var got atom.Counter
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: ModeAdaptive, Policy: SingleInstance,
		Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
	})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Sleeps > 0 })
	st, err := d.CQStats(0)
	require.NoError(t, err)
	require.Equal(t, time.Nanosecond, st.Budget)
	for i := uint64(1); d.Stats().Shrunk == 0; i++ {
		waitFor(t, func() bool { return d.Stats().Sleeps >= i })
		time.Sleep(10*WakeCost() + time.Millisecond) // an idle CQ
		_, err := cq.Complete(hwcq.WC{WRID: i}, false)
		require.NoError(t, err)
		waitFor(t, func() bool { return got.Load() == i })
	}
	st, err = d.CQStats(0)
	require.NoError(t, err)
	require.Zero(t, st.Budget)
	require.Less(t, st.Shrunk-st.Grown, uint64(2))
	waitFor(t, func() bool { st, _ = d.CQStats(0); return !st.Polling })
	require.NoError(t, d.SetMode(ModeSpin))
	waitFor(t, func() bool { st, _ = d.CQStats(0); return st.Polling })
}
