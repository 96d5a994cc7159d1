//go:build !explore && !race

package engine

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// A waiter that spins, its wake-up and the post to it allocate nothing.
func TestWaitSpinAllocs(t *testing.T) {
	for _, m := range []WaitMode{WaitSpin, WaitAdaptive} {
		d := spinEVD(t, m)
		buf := make([]Event, 1)
		var stop atom.Bool
		over := make(chan struct{})
		go func() {
			defer close(over)
			for !stop.Load() {
				if d.load()&bOWN != 0 && d.ring.Idle() {
					_ = d.Post(Event{})
				}
				runtime.Gosched()
			}
		}()
		ctx := limit(t)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if _, _, err := d.Wait(ctx, 1, buf); err != nil {
				panic(err)
			}
		}), m.String())
		stop.Store(true)
		<-over
		require.NotZero(t, d.Stats().Ends.Spun)
		require.Zero(t, d.Stats().Ends.Parked)
	}
}
