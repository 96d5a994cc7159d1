package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// An adaptive poller goes from polling to sleeping and back, both are counted,
// and while it polls the hardware is not armed.
func TestAdaptiveTransitions(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{SpinBudget: time.Nanosecond})
	var got atom.Counter
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: ModeAdaptive, Policy: SingleInstance,
		Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
	})
	require.NoError(t, err)
	for i := uint64(1); i <= 10; i++ {
		waitFor(t, func() bool { return d.Stats().Sleeps >= i })
		_, err := cq.Complete(hwcq.WC{WRID: i}, false)
		require.NoError(t, err)
		waitFor(t, func() bool { return got.Load() == i && d.Stats().Wakes >= i })
	}
	require.NoError(t, d.Close())
	st := d.Stats()
	require.LessOrEqual(t, st.Arms, st.Sleeps+1, "armed only on the way to sleep")
	require.EqualValues(t, 10, st.Events)
	require.Zero(t, cq.Stats().ArmAgain)
}

// A spinning poller never arms and never sleeps.
func TestSpinNeverArms(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	var got atom.Counter
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: ModeSpin, Policy: SingleInstance,
		Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
	})
	require.NoError(t, err)
	for i := uint64(1); i <= 100; i++ {
		_, err := cq.Complete(hwcq.WC{WRID: i}, false)
		require.NoError(t, err)
		waitFor(t, func() bool { return got.Load() == i })
	}
	require.NoError(t, d.Close())
	st := d.Stats()
	require.Zero(t, st.Arms)
	require.Zero(t, st.Sleeps)
	require.Zero(t, cq.Stats().Arms)
}

// Upcalls that are disabled while completions pile up do not keep an adaptive
// poller from sleeping.
func TestAdaptiveSleepsWhileDisabled(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{SpinBudget: time.Nanosecond})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeAdaptive})
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{WRID: 1}, false)
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Sleeps >= 1 })
	var buf [4]Event
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}), ErrEventsPending)
	n, err := d.Dequeue(buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}))
}
