package engine

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/eventfd"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

func newEventFD(t testing.TB) *eventfd.CQ {
	t.Helper()
	cq, err := eventfd.New(eventfd.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cq.Close()) })
	return cq
}

// Descriptors and calls wake the same goroutine, and none is lost: each signal is
// waited for, while others come and somebody else reads the counters too.
func TestPollerDescriptors(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Watchdog: NoWatchdog})
			g := newPoller(t, e)
			called := newCounted(t, e, EVDConfig{Poller: g, Mode: mode}, mock.Config{})
			idle(t, g) // it sleeps without descriptors
			var wg sync.WaitGroup
			for range 8 {
				cq := newEventFD(t)
				var sum atom.Counter
				_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: mode, Poller: g, Policy: SingleInstance, Upcall: func(u *Upcall) {
					for _, ev := range u.Events() {
						sum.Add(uint64(ev.ByteLen))
					}
				}})
				require.NoError(t, err)
				wg.Go(func() {
					for i := range 100 {
						if err := cq.Signal(1); err != nil {
							t.Error(err)
						}
						if i%3 == 0 {
							cq.Pending() // reads the counter before the poller does
						}
						waitFor(t, func() bool { return sum.Load() == uint64(i+1) })
					}
				})
			}
			wg.Go(func() {
				for range 100 {
					called.send(t)
					waitFor(t, func() bool { return called.got.Load() == called.sent })
				}
			})
			wg.Wait()
			idle(t, g)
			require.Zero(t, g.Stats().Errors)
		})
	}
}

// A CQ that is closed before its EVD, against the rules, and one that takes its
// descriptor's number.
func TestPollerDescriptorReused(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	var sum atom.Counter
	made := func() (*eventfd.CQ, *EVD) {
		cq := newEventFD(t)
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Poller: g, Policy: SingleInstance, Upcall: func(u *Upcall) {
			sum.Add(uint64(len(u.Events())))
		}})
		require.NoError(t, err)
		return cq, d
	}
	first, d := made()
	number := first.FD()
	idle(t, g)
	require.NoError(t, first.Close())
	second, _ := made()
	require.Equal(t, number, second.FD(), "the test wants it")
	require.NoError(t, d.Close()) // does not take the second one's out
	require.NoError(t, second.Signal(1))
	waitFor(t, func() bool { return sum.Load() == 1 })
}

// A CQ of one thread cannot be one of many, and nothing is left of the attempt.
func TestPollerRefusesThreadBound(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g, cq := newPoller(t, e), newBoundCQ(t)
	_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g})
	require.ErrorIs(t, err, ErrNotSupported)
	require.ErrorContains(t, err, "belongs to one OS thread")
	_, err = e.NewSharedCQ(SharedCQConfig{CQ: cq, Poller: g})
	require.ErrorIs(t, err, ErrNotSupported)
	require.Zero(t, g.Stats().Members)
	require.Zero(t, cq.binds.Load())
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
	require.NoError(t, err, "the CQ is free again")
	require.NoError(t, d.Close())
}
