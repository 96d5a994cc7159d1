package host

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
)

var clockChecks = []check{
	{"clocksource", clockSource},
	{"clock", clock},
	{"jitter", jitter},
}

func clockSource(x *exam) Finding {
	const dir = "sys/devices/system/clocksource/clocksource0/"
	current := x.root.Text(dir + "current_clocksource")
	switch {
	case current == "tsc", current == "arch_sys_counter":
		return ok("clocksource %s", current)
	case current == "":
		return x.unseen("clocksource")
	}
	f := warn("clocksource %s: slower to read than the CPU's own counter, and often a system call", current)
	if slices.Contains(strings.Fields(x.root.Text(dir+"available_clocksource")), "tsc") {
		return f.fix("echo tsc > /%scurrent_clocksource (root)", dir)
	}
	return f.fix("boot with tsc=reliable, if the CPU's counter is invariant")
}

// A reading that costs more than this is a large part of a latency over mock.
const dearClock = 60

func clock(x *exam) Finding {
	c := x.Env.Clock
	switch {
	case math.Abs(c.Drift) > 200:
		return warn("the clock was off by %+.0f ppm against CLOCK_MONOTONIC: times are as much off", c.Drift).
			fix("let nothing else run meanwhile, and look again; a counter that is really off is the hypervisor's")
	case c.Cost > dearClock:
		return warn("a reading of the clock costs %d ns (%s): latencies contain one", c.Cost, source(c)).
			fix("see clocksource")
	case c.Source != bench.SourceTSC:
		return note("the clock is CLOCK_MONOTONIC, %d ns a reading: %s", c.Cost, c.Why)
	}
	return ok("a reading of the clock costs %d ns (%s), %+.1f ppm against CLOCK_MONOTONIC", c.Cost, source(c), c.Drift)
}

func source(c bench.ClockEnv) string {
	if c.Source == bench.SourceTSC {
		return "the CPU's counter"
	}
	return "CLOCK_MONOTONIC"
}

// Limits of the jitter of a host that is good, and of one that is of some use.
const (
	goodFloor = 20 * time.Microsecond
	useFloor  = time.Millisecond
)

func jitter(x *exam) Finding {
	f := x.Floor
	if f == nil {
		return note("jitter not measured")
	}
	text := "a goroutine that only spins is late by " + f.String()
	fix := "evdbench jitter --cpus " + orAll(x.host.Allowed) + " finds the quietest CPUs for --pin; see load, steal, idle and isolation"
	switch p := time.Duration(f.P999); {
	case p <= goodFloor:
		return ok("%s", text)
	case p <= useFloor:
		return warn("%s: tails of latencies are the host's", text).fix("%s", fix)
	}
	return fail("%s: no tail measured here says anything about the engine", text).fix("%s", fix)
}

func orAll(cpus string) string {
	if cpus == "" {
		return "0"
	}
	return cpus
}
