package bench

import (
	"syscall"
	"time"
)

// napSlack is how much longer than asked for a nap takes, mostly.
const napSlack = 200 * time.Microsecond

// nap sleeps in the kernel. The timers of Go round up to a millisecond whenever the
// runtime has nothing else to do, since that is the resolution of epoll_wait.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // interrupted: the caller looks at the clock anyway
}
