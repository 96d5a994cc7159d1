//go:build linux && (amd64 || arm64)

package uring_test

import (
	"context"
	"fmt"
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

// TestExclusive: the thread of a ring has its EVD to itself, and hears of requests of
// others, of posts, and of the end.
func TestExclusive(t *testing.T) {
	for _, mode := range []engine.Mode{engine.ModeEvent, engine.ModeAdaptive, engine.ModeSpin} {
		for _, shape := range []uring.Shape{uring.Owner, uring.Portable} {
			t.Run(fmt.Sprintf("%v %v", mode, shape), func(t *testing.T) {
				ring, err := uring.Open(uring.Config{Shape: shape})
				uring.Need(t, err)
				e, err := engine.New(engine.Config{Watchdog: engine.NoWatchdog})
				require.NoError(t, err)
				got := make(chan uint64, 128)
				var errs []error
				d, err := e.NewEVD(engine.EVDConfig{
					CQs: []hwcq.CQ{ring}, Streams: engine.DTO | engine.Software, Mode: mode, Exclusive: true,
					Policy: engine.SingleInstance, Upcall: func(u *engine.Upcall) {
						for _, ev := range u.Events() {
							if ev.Stream == engine.DTO && ev.WRID < 100 { // once more, from inside
								q := uring.Nop()
								q.WRID = ev.WRID + 100
								if _, err := ring.Submit([]uring.Request{q}); err != nil {
									errs = append(errs, err)
								}
							}
							got <- ev.WRID
						}
					},
				})
				require.NoError(t, err)
				for i := range uint64(50) {
					q := uring.Nop()
					q.WRID = i
					q.Async = i%2 == 0
					_, err := ring.Submit([]uring.Request{q})
					require.NoError(t, err)
					require.Equal(t, i, next(t, got))
					require.Equal(t, i+100, next(t, got))
					require.NoError(t, d.Post(engine.Event{WRID: i}))
					require.Equal(t, i, next(t, got))
				}
				require.NoError(t, d.Shutdown(t.Context()))
				require.Empty(t, errs)
				require.EqualValues(t, 100, d.Stats().Polled)
				require.NoError(t, e.Close())
				require.NoError(t, ring.Close())
			})
		}
	}
}

// next is what comes next. The limit only turns a hang into a failure.
func next(t *testing.T, from chan uint64) uint64 {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		require.FailNow(t, "waited 20 seconds in vain")
		return 0
	}
}

// TestPoller: many rings on one goroutine; one is closed under its EVD, and one EVD before
// its ring, while requests are under way. An owner's ring has a thread of its own.
func TestPoller(t *testing.T) {
	e, err := engine.New(engine.Config{Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	g, err := e.NewPoller(engine.PollerConfig{})
	require.NoError(t, err)
	var rings []*uring.Ring
	var evds []*engine.EVD
	got := make([]chan uint64, 9)
	for i := range got {
		ring, err := uring.Open(uring.Config{Shape: uring.Portable})
		uring.Need(t, err)
		got[i] = make(chan uint64, 256)
		d, err := e.NewEVD(engine.EVDConfig{
			CQs: []hwcq.CQ{ring}, Poller: g, Mode: engine.Mode(i % 3), Policy: engine.SingleInstance,
			Upcall: func(u *engine.Upcall) {
				for _, ev := range u.Events() {
					got[i] <- ev.WRID
				}
			},
		})
		require.NoError(t, err)
		rings, evds = append(rings, ring), append(evds, d)
	}
	send := func(i int, id uint64) {
		q := uring.Nop()
		q.WRID, q.Async = id, id%2 == 0
		_, err := rings[i].Submit([]uring.Request{q})
		require.NoError(t, err)
	}
	for id := range uint64(50) {
		for i := range rings {
			send(i, id)
		}
		for i := range rings {
			require.Equal(t, id, next(t, got[i]), "ring %d", i)
		}
	}
	for i := range 3 {
		for id := range uint64(20) {
			send(i, id)
			send(i+3, id)
		}
		require.NoError(t, rings[i].Close())
		require.NoError(t, evds[i].Close())
		require.NoError(t, evds[i+3].Close())
		require.NoError(t, rings[i+3].Close())
	}
	require.Equal(t, 3, g.Stats().Members)
	for i := 6; i < 9; i++ {
		send(i, 7)
		require.EqualValues(t, 7, next(t, got[i]))
	}
	owner, err := uring.Open(uring.Config{Shape: uring.Owner})
	uring.Need(t, err)
	_, err = e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{owner}, Poller: g})
	require.ErrorIs(t, err, engine.ErrNotSupported)
	require.NoError(t, owner.Close())
	require.NoError(t, e.Close())
	for _, ring := range rings {
		require.NoError(t, ring.Close())
	}
}
