package engine

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// fds is how many descriptors the process has.
func fds(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(all)
}

// What a poller opens it closes, whoever leaves first, and whether it was ever used.
func TestPollerLeaksNoDescriptor(t *testing.T) {
	newEventFD(t) // the runtime's own
	before := fds(t)
	for i := range 20 {
		e, err := New(Config{Watchdog: NoWatchdog})
		require.NoError(t, err)
		g := newPoller(t, e)
		cq := newEventFD(t)
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: Mode(i % 3), Poller: g})
		require.NoError(t, err)
		_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{newEventFD(t), plain{cq}}, Poller: g})
		require.ErrorIs(t, err, ErrNotSupported)
		switch i % 4 {
		case 0:
			require.NoError(t, cq.Close())
		case 1:
			require.NoError(t, d.Close())
			require.NoError(t, g.Close())
		case 2:
			require.NoError(t, e.Close())
		}
		require.NoError(t, e.Close())
	}
	require.LessOrEqual(t, fds(t), before+20*2, "the CQs are closed by the cleanup")
}

// Who tells of something while the poller is closed writes to no descriptor that is
// another's by then.
func TestPollerWakeAfterClose(t *testing.T) {
	b, err := newEpoll()
	require.NoError(t, err)
	number := b.bell
	require.NoError(t, b.close())
	other, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	require.NoError(t, err)
	if other != number {
		require.NoError(t, unix.Dup3(other, number, unix.O_CLOEXEC))
		require.NoError(t, unix.Close(other))
	}
	b.wake()
	var buf [8]byte
	_, err = unix.Read(number, buf[:])
	require.ErrorIs(t, err, unix.EAGAIN, "it was rung")
	require.NoError(t, unix.Close(number))
}

// Who is told of by a descriptor waits for no more than a few budgets of those that are
// polled.
func TestPollerFairToDescriptors(t *testing.T) {
	const budget = 64
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	cq := newEventFD(t)
	var flooded, told, waited atom.Counter // events of the flood; of the descriptor; between the signal and that
	var signalled uint64
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Poller: g, Policy: SingleInstance, Upcall: func(*Upcall) {
		if n := flooded.Load() - signalled; n > waited.Load() {
			waited.Store(n)
		}
		told.Add(1)
	}})
	require.NoError(t, err)
	idle(t, g)
	var flood *counted
	sent := uint64(0)
	flood = newCounted(t, e, EVDConfig{Poller: g, Mode: ModeAdaptive, Budget: budget, Batch: 8, Upcall: func(u *Upcall) {
		for range u.Events() {
			flooded.Add(1)
			if told.Load() == sent && sent < 50 && flooded.Load()%1000 == 0 && d.links()[0].state.Load()&lHW != 0 {
				sent++
				signalled = flooded.Load()
				_ = cq.Signal(1)
			}
			if told.Load() < 50 {
				_, _ = flood.cq.Complete(hwcq.WC{}, false)
			}
		}
	}}, mock.Config{})
	for range 8 {
		flood.send(t)
	}
	waitFor(t, func() bool { return told.Load() == 50 })
	require.LessOrEqual(t, waited.Load(), uint64(4*budget))
	idle(t, g)
}

// Nor for those that are told of by calls, again and again, so that the goroutine never
// sleeps: two members that cause each other's events.
func TestPollerFairBesideCalls(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	cq := newEventFD(t)
	var told atom.Counter
	_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Poller: g, Policy: SingleInstance, Upcall: func(*Upcall) { told.Add(1) }})
	require.NoError(t, err)
	var pair [2]*counted
	var stop atom.Bool
	for i := range pair {
		pair[i] = newCounted(t, e, EVDConfig{Poller: g, Mode: ModeEvent, Upcall: func(*Upcall) {
			if !stop.Load() {
				_, _ = pair[1-i].cq.Complete(hwcq.WC{}, false)
			}
		}}, mock.Config{})
	}
	idle(t, g)
	for range 4 {
		pair[0].send(t)
	}
	for n := range uint64(20) {
		require.NoError(t, cq.Signal(1))
		waitFor(t, func() bool { return told.Load() == n+1 })
	}
	stop.Store(true)
	idle(t, g)
}
