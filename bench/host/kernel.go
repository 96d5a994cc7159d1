package host

import (
	"strings"
)

var kernelChecks = []check{
	{"thp", thp},
	{"swap", swap},
	{"irqbalance", irqbalance},
	{"perf", perf},
	{"io_uring", ioUring},
	{"rdma_rxe", rdmaRXE},
}

func thp(x *exam) Finding {
	text := x.root.Text("sys/kernel/mm/transparent_hugepage/enabled")
	_, rest, _ := strings.Cut(text, "[")
	mode, _, found := strings.Cut(rest, "]")
	switch {
	case !found:
		return note("transparent huge pages unknown on this host")
	case mode == "always":
		return warn("transparent huge pages always: the kernel stops a thread to put pages together").
			fix("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (root)")
	}
	return ok("transparent huge pages %s", mode)
}

func swap(x *exam) Finding {
	lines := strings.Split(x.root.Text("proc/swaps"), "\n")
	used := 0
	for _, l := range lines[1:] {
		if f := strings.Fields(l); len(f) >= 4 && f[3] != "0" {
			used++
		}
	}
	switch {
	case len(lines) < 2:
		return ok("no swap")
	case used == 0:
		return ok("swap is there and not used")
	}
	return warn("swap is used: a page of this process may have to be read from a disk").
		fix("--lock-memory").fix("swapoff -a (root)")
}

func irqbalance(x *exam) Finding {
	for _, pid := range x.root.Names("proc") {
		if pid[0] >= '1' && pid[0] <= '9' && x.root.Text("proc/"+pid+"/comm") == "irqbalance" {
			return warn("irqbalance runs: interrupts move from CPU to CPU, to the poller's too").
				fix("systemctl stop irqbalance (root)")
		}
	}
	return ok("irqbalance does not run")
}

func perf(x *exam) Finding {
	n, known := x.root.Int("proc/sys/kernel/perf_event_paranoid")
	switch {
	case !known:
		return note("perf_event_paranoid unknown: this kernel may have no performance counters")
	case n > 2 && !x.Privileged:
		return warn("perf_event_paranoid %d: no performance counters for this user", n).
			fix("sysctl -w kernel.perf_event_paranoid=1 (root)")
	}
	return ok("perf_event_paranoid %d", n)
}

func ioUring(x *exam) Finding {
	n, known := x.root.Int("proc/sys/kernel/io_uring_disabled")
	switch {
	case !known, n == 0:
		return ok("io_uring is not disabled")
	case n == 1 && x.Privileged:
		return ok("io_uring is for root, and this is root")
	}
	return warn("io_uring is disabled (kernel.io_uring_disabled = %d): no --cq uring", n).
		fix("sysctl -w kernel.io_uring_disabled=0 (root)")
}

func rdmaRXE(x *exam) Finding {
	if x.root.Exists("sys/module/rdma_rxe") {
		return ok("rdma_rxe is loaded: evdbench rxe up")
	}
	dir := "lib/modules/" + x.Env.Kernel
	for _, list := range []string{"modules.dep", "modules.builtin"} {
		if strings.Contains(x.root.Text(dir+"/"+list), "/rdma_rxe.ko") {
			return ok("rdma_rxe can be loaded: modprobe rdma_rxe, then evdbench rxe up (root)")
		}
	}
	return warn("no rdma_rxe module for this kernel (%s): no --cq rxe", x.Env.Kernel).
		fix("install it: the package linux-modules-extra or kernel-modules-extra of the distribution").
		fix("make rxe runs the benchmark in a guest that has one; or --cq mock")
}
