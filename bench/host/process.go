package host

import (
	"strconv"
	"strings"
)

var processChecks = []check{
	{"memlock", memlock},
	{"nofile", nofile},
	{"timerslack", timerSlack},
	{"go", goSettings},
}

// limit is a soft limit of this process; unlimited is -1.
func (x *exam) limit(name string) (n int64, known bool) {
	for line := range strings.Lines(x.root.Text("proc/self/limits")) {
		rest, is := strings.CutPrefix(line, name)
		f := strings.Fields(rest)
		if !is || len(f) < 2 {
			continue
		}
		if f[0] == "unlimited" {
			return -1, true
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Queues and messages of the largest configuration fit into this.
const enoughLocked = 64 << 20

func memlock(x *exam) Finding {
	n, known := x.limit("Max locked memory")
	switch {
	case !known:
		return x.unseen("RLIMIT_MEMLOCK")
	case n < 0:
		return ok("RLIMIT_MEMLOCK unlimited")
	case x.Privileged:
		return ok("RLIMIT_MEMLOCK %d KiB, which root need not mind", n>>10)
	case n < enoughLocked:
		return warn("RLIMIT_MEMLOCK %d KiB: large queues of rxe and uring, and --lock-memory, may be refused", n>>10).
			fix("ulimit -l unlimited (root), or LimitMEMLOCK=infinity in the unit")
	}
	return ok("RLIMIT_MEMLOCK %d KiB", n>>10)
}

func nofile(x *exam) Finding {
	n, known := x.limit("Max open files")
	switch {
	case !known:
		return x.unseen("RLIMIT_NOFILE")
	case n < 0:
		return ok("RLIMIT_NOFILE unlimited")
	case n < 1024:
		return warn("RLIMIT_NOFILE %d: each CQ needs one or two descriptors", n).fix("ulimit -n 65536")
	}
	return ok("RLIMIT_NOFILE %d", n)
}

// usualSlack is what a process has that nobody has changed, in ns.
const usualSlack = 50_000

func timerSlack(x *exam) Finding {
	n, known := x.root.Int("proc/self/timerslack_ns")
	switch {
	case !known:
		return x.unseen("timer slack")
	case n > usualSlack:
		return warn("timer slack %d us: sleeps are late by as much", n/1000).
			fix("--prio fifo:10, which has none; or start evdbench from another parent")
	}
	return ok("timer slack %d us", n/1000)
}

// disturbing are words of GODEBUG that change how Go runs or what it writes.
var disturbing = []string{
	"gctrace", "schedtrace", "scheddetail", "asyncpreemptoff", "gcstoptheworld", "inittrace",
	"allocfreetrace", "clobberfree", "gccheckmark", "cgocheck", "madvdontneed", "sbrk", "dontfreezetheworld",
}

func goSettings(x *exam) Finding {
	for _, w := range disturbing {
		if strings.Contains(x.Env.GODEBUG, w+"=") && !strings.Contains(x.Env.GODEBUG, w+"=0") {
			return warn("GODEBUG=%s changes how Go runs", x.Env.GODEBUG).fix("unset GODEBUG")
		}
	}
	switch {
	case x.Env.GOGC >= 0 && x.Env.GOGC < 50:
		return warn("GOGC=%d: the garbage collector runs often", x.Env.GOGC).fix("unset GOGC, or --gc percent=100")
	case x.Env.GOGC < 0:
		return ok("the garbage collector is off")
	}
	limit := ""
	if x.Env.MemLimit > 0 {
		limit = ", GOMEMLIMIT " + strconv.FormatInt(x.Env.MemLimit>>20, 10) + " MiB"
	}
	return ok("%s, GOGC %d%s", x.Env.Go, x.Env.GOGC, limit)
}
