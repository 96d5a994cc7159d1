package engine

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// pin locks the calling goroutine to its OS thread and the thread to one CPU, as
// the system numbers them from 0. restore undoes both, on the same goroutine. Where
// the old CPUs cannot be had back (they have been taken from the process) the
// goroutine stays locked, so that the thread ends with it: no other goroutine is
// to run on a thread that is pinned. (Nor does the runtime make new threads from a
// locked one, which would have its CPU too.)
//
// After an error nothing has changed.
// Source: sched_setaffinity(2), which is of threads: EINVAL is a CPU that does not
// exist, or that the process's cpuset does not have.
func pin(cpu int) (restore func(), err error) {
	runtime.LockOSThread()
	var old, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("sched_setaffinity", err)
	}
	return func() {
		if unix.SchedSetaffinity(0, &old) == nil {
			runtime.UnlockOSThread()
		}
	}, nil
}

// atStart is where the process might run when it began. Later its first thread may
// be one that somebody has pinned.
var atStart, errAtStart = affinity()

func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cpus []int
	for i := 0; len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// usableCPUs are those that the process may use, ascending; those that it might
// when it began, as runtime.NumCPU counts them.
func usableCPUs() ([]int, error) { return atStart, errAtStart }
