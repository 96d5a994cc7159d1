package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// The mode changes between completions that come one by one, so that each mode is
// slept and polled in, and then among such that come as fast as they can.
func semSwitch(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance, Batch: 3, Budget: 6})
	const total, slow = 200, 60
	for id := uint64(1); id <= slow; id++ {
		require.NoError(t, d.SetMode(semModes[id*id%3]))
		k.bed.Complete(t, id)
		k.logged(t, int(id))
	}
	for id, n := uint64(slow+1), uint64(1); id <= total; id, n = id+n, n%7+1 {
		k.bed.Complete(t, semSeq(id, min(id+n-1, total))...)
		require.NoError(t, d.SetCQMode(0, semModes[n%3]))
	}
	require.Equal(t, semSeq(1, total), k.logged(t, total))
	require.Len(t, d.Query().Modes, 1)
	semEmpty(t, d)
	st := d.Stats()
	require.EqualValues(t, total, st.Polled)
	require.EqualValues(t, total, st.Delivered)
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.SetMode(engine.ModeSpin), engine.ErrClosed)
}
