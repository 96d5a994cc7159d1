package engine

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
	for _, n := range []int{-1, -2, 1 << 20} {
		err := OnCPU(n).check(op, "CPU")
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorContains(t, err, "NewEVD: CPU = "+OnCPU(n).String())
		require.ErrorContains(t, err, ranges(cpus))
	}
	require.Equal(t, "any CPU", AnyCPU.String())
	require.Equal(t, "CPU 0", OnCPU(0).String())
	require.Equal(t, "CPU -1", OnCPU(-1).String())
	require.Equal(t, "0-2,5,7-8", ranges([]int{0, 1, 2, 5, 7, 8}))
	require.Empty(t, ranges(nil))
}
