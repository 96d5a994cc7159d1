// Explored, a poller lets others run at every poll.

//go:build !explore

package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// A lingering poller that is locked to its thread does not yield to goroutines with
// every few polls: for it that is a switch of threads, which the kernel counts.
func TestExclusivePinnedYields(t *testing.T) {
	cpus, err := usableCPUs()
	require.NoError(t, err)
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	cq := &polledCQ{CQ: newTestCQ(t, mock.Config{})}
	type place struct{ polls, switches uint64 }
	got := make(chan place, 1)
	d, err := e.NewEVD(EVDConfig{
		Exclusive: true, CQs: []hwcq.CQ{cq}, CPU: OnCPU(cpus[len(cpus)-1]), Mode: ModeSpin, Policy: SingleInstance,
		Upcall: func(*Upcall) {
			var u unix.Rusage
			_ = unix.Getrusage(unix.RUSAGE_THREAD, &u)
			got <- place{cq.n.Load(), uint64(u.Nvcsw)}
		},
	})
	require.NoError(t, err)
	defer d.Close()
	one(t, cq.CQ.(*mock.CQ), 1)
	from := <-got
	waitFor(t, func() bool { return cq.n.Load() > from.polls+100*osYieldEvery })
	one(t, cq.CQ.(*mock.CQ), 2)
	to := <-got
	require.Less(t, to.switches-from.switches, (to.polls-from.polls)/yieldEvery/4, "in %d polls", to.polls-from.polls)
}
