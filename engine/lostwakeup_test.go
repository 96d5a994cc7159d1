package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// The lost wake-up of the 2005 patch: the completion handler called the upcall
// until the CQ was empty, and then armed the CQ. A completion between the last
// poll and the arm raises nothing, and nobody looks again.
//
// The mock CQ has a seam at exactly that place: a hook that runs in Arm before
// the arm word is written. The completion put there is lost by the order of the
// patch, every time, and delivered by the engine.

// windowCQ returns a CQ that stores one completion in the window of its nth arm.
func windowCQ(t *testing.T, nth int) *mock.CQ {
	t.Helper()
	var cq *mock.CQ
	arms := 0
	cq, err := mock.New(mock.Config{Depth: 16, Hooks: mock.Hooks{BeforeArm: func() {
		if arms++; arms == nth {
			_, err := cq.Complete(hwcq.WC{WRID: 2}, false)
			require.NoError(t, err)
		}
	}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cq.Close()) })
	return cq
}

func TestR02PatchOrderLoses(t *testing.T) {
	cq := windowCQ(t, 2)
	var got []uint64
	handler := func() { // upcall until empty, then arm: the patch
		var wcs [4]hwcq.WC
		for {
			n := cq.Poll(wcs[:])
			if n == 0 {
				break
			}
			for _, wc := range wcs[:n] {
				got = append(got, wc.WRID)
			}
		}
		_, err := cq.Arm(false)
		require.NoError(t, err)
	}
	_, err := cq.Arm(false)
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{WRID: 1}, false)
	require.NoError(t, err)
	for {
		event, err := cq.Events().TryWait()
		require.NoError(t, err)
		if !event {
			break // the handler would sleep here, for ever
		}
		handler()
	}
	require.Equal(t, []uint64{1}, got)
	require.True(t, cq.Pending(), "completion 2 is on the CQ, which is armed, and nobody will be told")
}

func TestR02ShippedOrderDoesNot(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
			t.Run(mode.String()+"/"+disp.String(), func(t *testing.T) {
				cq := windowCQ(t, 2)
				e := newTestEngine(t, Config{SpinBudget: 1})
				all := atom.NewToken()
				var got []uint64
				d, err := e.NewEVD(EVDConfig{
					CQs: []hwcq.CQ{cq}, Mode: mode, Dispatch: disp, Policy: SingleInstance,
					Upcall: func(u *Upcall) {
						for _, ev := range u.Events() {
							if got = append(got, ev.WRID); len(got) == 2 {
								all.Signal()
							}
						}
					},
				})
				require.NoError(t, err)
				waitFor(t, func() bool { return d.Stats().Arms == 1 })
				_, err = cq.Complete(hwcq.WC{WRID: 1}, false)
				require.NoError(t, err)
				all.Wait()
				require.NoError(t, d.Close())
				require.Equal(t, []uint64{1, 2}, got)
				require.Zero(t, cq.Stats().ArmAgain, "no double arm")
			})
		}
	}
}
