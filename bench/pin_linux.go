package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// errNoCPU: there is no such CPU, or this process may not run there.
var errNoCPU = errors.New("no such CPU for this process")

// pinThread makes the calling goroutine run on these CPUs alone, on a thread of its
// own. restore undoes that, on the same goroutine; where it cannot, the goroutine
// stays locked, and its thread ends with it.
func pinThread(cpus ...int) (restore func(), err error) {
	runtime.LockOSThread()
	var old, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	for _, n := range cpus {
		set.Set(n)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		runtime.UnlockOSThread()
		if err == unix.EINVAL {
			return nil, fmt.Errorf("%w: %w", errNoCPU, os.NewSyscallError("sched_setaffinity", err))
		}
		return nil, os.NewSyscallError("sched_setaffinity", err)
	}
	return func() {
		if unix.SchedSetaffinity(0, &old) == nil {
			runtime.UnlockOSThread()
		}
	}, nil
}

// nanosleep sleeps in the system call.
var nanosleep = func(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&ts, &ts) == unix.EINTR {
	}
}
