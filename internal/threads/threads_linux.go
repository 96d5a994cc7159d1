package threads

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Each calls f for each thread of this process, once; also for those made
// meanwhile. Threads that end meanwhile are of no matter. It ends with the first
// other error.
func Each(f func(tid int) error) error {
	done := map[int]bool{}
	for again := true; again; {
		again = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil || done[tid] {
				continue
			}
			done[tid], again = true, true
			if err := f(tid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}
