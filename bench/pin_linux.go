package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/threads"
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

// pinProcess makes all threads of this process run on these CPUs alone; threads
// made later inherit it from those that make them. restore gives back what each
// thread had, and those made meanwhile what the first had.
func pinProcess(cpus []int) (restore func(), err error) {
	var first, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &first); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	for _, n := range cpus {
		set.Set(n)
	}
	old := map[int]unix.CPUSet{}
	restore = func() {
		_ = threads.Each(func(tid int) error {
			back, ok := old[tid]
			if !ok {
				back = first
			}
			_ = unix.SchedSetaffinity(tid, &back) // and go on: the others get theirs back
			return nil
		})
	}
	err = threads.Each(func(tid int) error {
		var was unix.CPUSet
		if err := unix.SchedGetaffinity(tid, &was); err != nil {
			return err
		}
		old[tid] = was
		return unix.SchedSetaffinity(tid, &set)
	})
	if err != nil {
		restore()
		return nil, os.NewSyscallError("sched_setaffinity", err)
	}
	return restore, nil
}

// nanosleep sleeps in the system call.
var nanosleep = func(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&ts, &ts) == unix.EINTR {
	}
}
