//go:build !explore

package engine

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A waiter whose time is over while it still spins has spun in vain, too: if it is so
// each time it comes to rest.
func TestWaitSpinVain(t *testing.T) {
	d := spinEVD(t, WaitAdaptive)
	buf := make([]Event, 1)
	for _, end := range []struct {
		name string
		wait func() error
	}{
		{"latency", func() error {
			_, _, err := d.WaitBatch(context.Background(), 1, 10*time.Microsecond, buf)
			return err
		}},
		{"ctx", func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Microsecond)
			defer cancel()
			_, _, err := d.Wait(ctx, 1, buf)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			return nil
		}},
	} {
		d.spinner.patience.set(d.spinner.patience.limit)
		waitFor(t, func() bool { // on a slow machine the time may be over before it looks
			require.NoError(t, end.wait(), end.name)
			return d.spinner.patience.now == 0
		})
		require.Zero(t, d.Query().WaitBudget)
	}
}

// A sleep that no event has ended is no reason to spin for longer.
func TestWaitSleepVain(t *testing.T) {
	d := spinEVD(t, WaitAdaptive)
	d.spinner.patience.set(0)
	d.spinner.budget.Store(0)
	buf := make([]Event, 1)
	waitFor(t, func() bool { // on a slow machine the time may be over before it sleeps
		n, _, err := d.WaitBatch(context.Background(), 1, 50*time.Microsecond, buf)
		require.NoError(t, err)
		require.Zero(t, n)
		return d.Stats().Ends.Parked >= 10
	})
	got := make(chan error)
	go func() {
		_, _, err := d.Wait(limit(t), 1, buf)
		got <- err
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	require.NoError(t, d.Wake())
	require.ErrorIs(t, <-got, ErrWoken)
	require.Zero(t, d.Query().WaitBudget)
}

// A waiter that spins on a goroutine which is locked to its thread lets others run, with
// one P too; and so do more of them than there are Ps.
func TestWaitSpinLetsRun(t *testing.T) {
	const waiters = 4
	a := spinEVD(t, WaitSpin)
	evds := []*EVD{a}
	for len(evds) < waiters {
		d, err := a.e.NewEVD(EVDConfig{WaitMode: WaitSpin})
		require.NoError(t, err)
		evds = append(evds, d)
	}
	got := make(chan error, waiters)
	for i, d := range evds {
		go func() {
			if i == 0 {
				runtime.LockOSThread() // ends with the goroutine
			}
			var err error
			for n := 0; n < 20 && err == nil; n++ {
				_, _, err = d.Wait(limit(t), 1, make([]Event, 1))
			}
			got <- err
		}()
	}
	for range 20 {
		for _, d := range evds {
			spins(t, d)
			require.NoError(t, d.Post(Event{}))
			waitFor(t, func() bool { return d.Query().Pending == 0 })
		}
	}
	for range waiters {
		require.NoError(t, <-got)
	}
}

// Shutdown does not wait for a waiter that spins and has nothing.
func TestWaitSpinShutdownEmpty(t *testing.T) {
	for _, begun := range []bool{true, false} {
		d := spinEVD(t, WaitSpin)
		got := make(chan error)
		wait := func() {
			_, _, err := d.Wait(limit(t), 3, make([]Event, 3))
			got <- err
		}
		if begun {
			go wait()
			spins(t, d)
			require.True(t, d.Query().Waiting)
		} else {
			d.seal()
			go wait()
			spins(t, d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		require.NoError(t, d.Shutdown(ctx))
		cancel()
		require.ErrorIs(t, <-got, ErrClosed)
	}
}
