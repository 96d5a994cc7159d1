package engine

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// threadCPUs is where the calling thread may run.
func threadCPUs(t *testing.T) unix.CPUSet {
	t.Helper()
	var set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &set))
	return set
}

func TestPin(t *testing.T) {
	cpus, err := usableCPUs()
	require.NoError(t, err)
	require.NotEmpty(t, cpus)
	runtime.LockOSThread() // so that it is the same thread before and after
	defer runtime.UnlockOSThread()
	before := threadCPUs(t)
	for _, cpu := range cpus {
		tid := unix.Gettid()
		restore, err := pin(cpu)
		require.NoError(t, err)
		now := threadCPUs(t)
		require.Equal(t, 1, now.Count())
		require.True(t, now.IsSet(cpu))
		require.Equal(t, tid, unix.Gettid())
		restore()
		require.Equal(t, before, threadCPUs(t))
	}
	for _, cpu := range []int{-1, 1023, 1 << 20} {
		_, err = pin(cpu)
		require.ErrorIs(t, err, unix.EINVAL, "CPU %d", cpu)
		require.Equal(t, before, threadCPUs(t), "nothing has changed")
	}
}

func TestCPUCheck(t *testing.T) {
	const op = "engine: NewEVD"
	cpus, err := usableCPUs()
	require.NoError(t, err)
	require.NoError(t, AnyCPU.check(op, "CPU"))
	for _, n := range cpus {
		require.NoError(t, OnCPU(n).check(op, "CPU"))
		require.Equal(t, n, OnCPU(n).number())
	}
	for _, n := range []int{-1, -2, 1 << 20, math.MaxInt - 1, math.MinInt} {
		err := OnCPU(n).check(op, "CPU")
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("NewEVD: CPU = CPU %d:", n))
		require.ErrorContains(t, err, ranges(cpus))
	}
	require.Equal(t, OnCPU(math.MaxInt-1), OnCPU(math.MaxInt), "not a negative one")
	require.Equal(t, "any CPU", AnyCPU.String())
	require.Equal(t, "CPU 0", OnCPU(0).String())
	require.Equal(t, "CPU -1", OnCPU(-1).String())
	require.Equal(t, "0-2,5,7-8", ranges([]int{0, 1, 2, 5, 7, 8}))
	require.Empty(t, ranges(nil))
}

// A pinned poller stays on its thread and CPU, and inline upcalls with it, whatever its
// mode; others are not concerned.
func TestPinnedPoller(t *testing.T) {
	cpus, err := usableCPUs()
	require.NoError(t, err)
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	for _, mode := range []Mode{ModeAdaptive, ModeEvent, ModeSpin} {
		for _, cpu := range cpus[:min(2, len(cpus))] {
			cq := newTestCQ(t, mock.Config{})
			type place struct {
				tid  int
				cpus unix.CPUSet
			}
			got := make(chan place, 1)
			d, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Mode: mode, CPU: OnCPU(cpu), Policy: SingleInstance,
				Upcall: func(*Upcall) {
					p := place{tid: unix.Gettid()}
					_ = unix.SchedGetaffinity(0, &p.cpus)
					got <- p
				},
			})
			require.NoError(t, err)
			tid := 0
			for range 5 {
				_, err := cq.Complete(hwcq.WC{}, false)
				require.NoError(t, err)
				p := <-got
				require.Equal(t, 1, p.cpus.Count())
				require.True(t, p.cpus.IsSet(cpu))
				require.True(t, tid == 0 || tid == p.tid, "the same thread")
				tid = p.tid
			}
			require.NoError(t, d.Close())
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := threadCPUs(t)
	require.Equal(t, len(cpus), set.Count())
}

// The same of a shared CQ; and a CPU that is not there is refused by name.
func TestPinnedErrors(t *testing.T) {
	cpus, err := usableCPUs()
	require.NoError(t, err)
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTestCQ(t, mock.Config{})
	newTestShared(t, e, SharedCQConfig{CQ: cq, CPU: OnCPU(cpus[0])})
	for _, err := range []error{
		EVDConfig{CQs: []hwcq.CQ{cq}, CPU: OnCPU(4000)}.Validate(),
		SharedCQConfig{CQ: cq, CPU: OnCPU(4000)}.Validate(),
	} {
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorContains(t, err, "CPU = CPU 4000")
		require.ErrorContains(t, err, ranges(cpus))
	}
	require.ErrorContains(t, EVDConfig{CPU: OnCPU(cpus[0])}.Validate(), "no CQs")
	// One that is gone when the poller begins: NewEVD's error, and nothing is left.
	other := newTestCQ(t, mock.Config{})
	d, err := e.newEVD(EVDConfig{CQs: []hwcq.CQ{other}, CPU: OnCPU(4000)})
	require.NoError(t, err)
	require.NoError(t, d.begin(nil))
	err = d.bindCQs("engine: NewEVD")
	require.ErrorIs(t, err, unix.EINVAL)
	require.ErrorContains(t, err, "NewEVD: CQs[0]: CPU 4000: sched_setaffinity")
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{other}})
	require.NoError(t, err, "the CQ is free again")
}

// An upcall that ends the goroutine ends its pinned thread's, and the next one is pinned
// again.
func TestPinnedGoexit(t *testing.T) {
	cpus, err := usableCPUs()
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	got := make(chan unix.CPUSet, 1)
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, CPU: OnCPU(cpus[0]), Policy: SingleInstance, Upcall: func(*Upcall) {
		var set unix.CPUSet
		_ = unix.SchedGetaffinity(0, &set)
		got <- set
		runtime.Goexit()
	}})
	require.NoError(t, err)
	for range 3 {
		_, err := cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		set := <-got
		require.Equal(t, 1, set.Count())
		waitFor(t, func() bool { return d.load()&(runMask|bQUED) == 0 }) // a worker has looked: it is not pinned
	}
}

// No thread of the process is left pinned when pollers have ended, however they did.
func TestPinnedLeavesNoThread(t *testing.T) {
	cpus, err := usableCPUs()
	require.NoError(t, err)
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	for _, mode := range []Mode{ModeSpin, ModeEvent} {
		for _, leave := range []func(){func() {}, runtime.Goexit, func() { panic("upcall") }} {
			cq := newTestCQ(t, mock.Config{})
			done := make(chan struct{}, 1)
			d, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Mode: mode, CPU: OnCPU(cpus[0]), Exclusive: true, Policy: SingleInstance,
				Upcall: func(*Upcall) {
					done <- struct{}{}
					leave()
				},
			})
			require.NoError(t, err)
			_, err = cq.Complete(hwcq.WC{}, false)
			require.NoError(t, err)
			<-done
			require.NoError(t, d.Close())
		}
	}
	waitFor(t, func() bool { // a thread that ends with its goroutine ends a little later
		tasks, err := os.ReadDir("/proc/self/task")
		require.NoError(t, err)
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			require.NoError(t, err)
			var set unix.CPUSet
			if unix.SchedGetaffinity(tid, &set) == nil && set.Count() != len(cpus) {
				return false
			}
		}
		return true
	})
}
