package host

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/evdengine/evd/internal/hostinfo"
)

const cpuDir = "sys/devices/system/cpu/"

var cpuChecks = []check{
	{"cpus", cpus},
	{"quota", quota},
	{"gomaxprocs", gomaxprocs},
	{"smt", smt},
	{"governor", governor},
	{"turbo", turbo},
	{"idle", idle},
	{"isolation", isolation},
	{"numa", numa},
	{"hypervisor", hypervisor},
	{"mitigations", mitigations},
}

// allowed are the CPUs that this process may run on.
func (x *exam) allowed() []int { return hostinfo.List(x.host.Allowed) }

func cpus(x *exam) Finding {
	switch n := len(x.allowed()); n {
	case 0:
		return x.unseen("CPUs")
	case 1:
		return fail("one CPU (%s): poller and producer take turns, and each figure has the scheduler in it", x.host.Allowed).
			fix("give the process a second one: taskset -c %s .., or docker run --cpuset-cpus", orAll(x.host.Online))
	case 2:
		return note("two CPUs (%s): poller and producer leave none for the rest of the system", x.host.Allowed)
	default:
		return ok("%d CPUs (%s) of %s", n, x.host.Allowed, x.host.Online)
	}
}

func quota(x *exam) Finding {
	q := x.host.Quota
	if q == 0 {
		return ok("no CPU quota")
	}
	f := warn("the control group may use %s CPUs' time: spinning threads are stopped for the rest of each period", trim(q))
	if q < 2 {
		f.Level = Fail
	}
	return f.fix("docker run --cpuset-cpus in place of --cpus; in Kubernetes whole CPUs and the static policy; systemctl set-property UNIT CPUQuota=")
}

func gomaxprocs(x *exam) Finding {
	procs, q, n := x.Env.GOMAXPROCS, x.host.Quota, len(x.allowed())
	switch {
	case q > 0 && float64(procs) > math.Ceil(q):
		return warn("GOMAXPROCS %d with a quota of %s CPUs: more threads run than may", procs, trim(q)).
			fix("--gomaxprocs %d", int(math.Ceil(q)))
	case n > 0 && procs > n:
		return warn("GOMAXPROCS %d on %d CPUs: Go's threads take turns", procs, n).fix("--gomaxprocs %d", n)
	case procs == 1 && n > 1:
		return warn("GOMAXPROCS 1 on %d CPUs: poller and producer take turns", n).fix("--gomaxprocs %d", n)
	}
	return ok("GOMAXPROCS %d", procs)
}

func smt(x *exam) Finding {
	groups := x.host.Siblings
	if len(groups) == 0 {
		if x.host.Cores == 0 {
			return x.unseen("CPUs that share a core are")
		}
		return ok("no CPUs share a core")
	}
	f := warn("CPUs share a core (%s): one slows the other", strings.Join(groups[:min(len(groups), 8)], " and "))
	if a, b, ok := x.apart(); ok {
		f = f.fix("--pin poller=%d,producer=%d", a, b)
	}
	return f.fix("echo off > /%ssmt/control (root)", cpuDir)
}

// apart are two CPUs that this process may use and that do not share a core, the
// highest ones: the lowest get the interrupts.
func (x *exam) apart() (a, b int, ok bool) {
	cpus := x.allowed()
	with := map[int]string{}
	for _, g := range x.host.Siblings {
		for _, n := range hostinfo.List(g) {
			with[n] = g
		}
	}
	for i := len(cpus) - 1; i > 0; i-- {
		for j := i - 1; j >= 0; j-- {
			if g := with[cpus[i]]; g == "" || g != with[cpus[j]] {
				return cpus[i], cpus[j], true
			}
		}
	}
	return 0, 0, false
}

func governor(x *exam) Finding {
	g := x.host.Governor
	switch g {
	case "performance":
		return ok("governor performance (%s)", x.host.FreqDriver)
	case "":
		return x.unseen("governor")
	}
	return warn("governor %s (%s): the frequency follows the load, and lags behind it", g, x.host.FreqDriver).
		fix("cpupower frequency-set -g performance (root)").
		fix("echo performance | tee /%scpu*/cpufreq/scaling_governor (root)", cpuDir)
}

func turbo(x *exam) Finding {
	switch x.host.Turbo {
	case "off":
		return ok("turbo off")
	case "":
		return x.unseen("turbo")
	}
	f := warn("turbo on: the frequency depends on the temperature and on what the other CPUs do")
	if x.root.Exists(cpuDir + "intel_pstate/no_turbo") {
		return f.fix("echo 1 > /%sintel_pstate/no_turbo (root)", cpuDir)
	}
	return f.fix("echo 0 > /%scpufreq/boost (root)", cpuDir)
}

// Leaving an idle state that takes longer than this shows in a latency.
const deepIdle = 10

func idle(x *exam) Finding {
	const dir = cpuDir + "cpu0/cpuidle"
	worst, name := int64(-1), ""
	for _, s := range x.root.Names(dir) {
		at := dir + "/" + s + "/"
		lat, known := x.root.Int(at + "latency")
		if off, _ := x.root.Int(at + "disable"); known && off == 0 && lat > worst {
			worst, name = lat, x.root.Text(at+"name")
		}
	}
	switch {
	case worst < 0:
		return x.unseen("idle states are")
	case worst <= deepIdle:
		return ok("idle states are left within %d us", worst)
	}
	return warn("idle states up to %s, which takes %d us to leave: a latency at a low rate is worse than one at a high rate", name, worst).
		fix("--cpu-dma-latency 0 (root)").fix("--mode spin, which never idles")
}

func isolation(x *exam) Finding {
	iso, full := x.host.Isolated, x.host.NoHzFull
	switch {
	case iso == "":
		return note("no CPU is isolated: the scheduler may put other threads beside the poller")
	case full == "":
		return ok("CPUs %s are isolated (with nohz_full they would have no timer ticks either): use them with --pin", iso)
	}
	return ok("CPUs %s are isolated, %s without timer ticks: use them with --pin", iso, full)
}

func numa(x *exam) Finding {
	n := x.host.NUMANodes
	if n == 0 {
		return x.unseen("NUMA nodes are")
	}
	if n == 1 {
		return ok("one NUMA node")
	}
	if on, _ := x.root.Int("proc/sys/kernel/numa_balancing"); on != 0 {
		return warn("%d NUMA nodes, and the kernel moves pages between them", n).
			fix("sysctl -w kernel.numa_balancing=0 (root)").fix("numactl --cpunodebind=0 --membind=0 evdbench ..")
	}
	return note("%d NUMA nodes: CPUs and memory of one are best", n).fix("numactl --cpunodebind=0 --membind=0 evdbench ..")
}

func hypervisor(x *exam) Finding {
	switch h := x.host.Hypervisor; h {
	case "":
		return ok("no hypervisor")
	case "yes":
		return warn("a virtual machine: the hypervisor may stop a CPU at any time").fix("measure on the bare machine, or read tails with that in mind")
	default:
		return warn("a virtual machine (%s): the hypervisor may stop a CPU at any time", h).fix("measure on the bare machine, or read tails with that in mind")
	}
}

func mitigations(x *exam) Finding {
	const dir = cpuDir + "vulnerabilities"
	var on []string
	names := x.root.Names(dir)
	for _, v := range names {
		if strings.HasPrefix(x.root.Text(dir+"/"+v), "Mitigation") {
			on = append(on, v)
		}
	}
	switch {
	case names == nil:
		return x.unseen("mitigations are")
	case len(on) == 0:
		return ok("no mitigations of CPU faults are active")
	}
	return note("mitigations of CPU faults make system calls and wake-ups dearer: %s", strings.Join(on, ", ")).
		fix("compare only hosts that have the same ones")
}

func trim(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func percent(part, whole float64) string { return fmt.Sprintf("%.0f %%", 100*part/whole) }
