package hostinfo

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strconv"
	"strings"
)

const cpuDir = "sys/devices/system/cpu"

// Host is what decides how fast and how steady a host is. What is not known is
// zero.
type Host struct {
	// Machine tells hosts apart: a hash of the machine's ID and its CPU model, from
	// which neither can be had back.
	Machine string `json:"machine"`

	Online     string   `json:"online"`     // CPUs, such as 0-3
	Allowed    string   `json:"allowed"`    // those this process may run on
	Quota      float64  `json:"quota_cpus"` // how many CPUs' time the control group may use; 0: no limit
	Sockets    int      `json:"sockets"`
	Cores      int      `json:"cores"`
	Siblings   []string `json:"siblings,omitempty"` // CPUs that share a core, such as 0,2
	NUMANodes  int      `json:"numa_nodes"`
	Governor   string   `json:"governor"` // "": unknown, as in most virtual machines
	FreqDriver string   `json:"freq_driver"`
	Turbo      string   `json:"turbo"` // "on", "off"
	Isolated   string   `json:"isolated"`
	NoHzFull   string   `json:"nohz_full"`
	Hypervisor string   `json:"hypervisor"` // "": none that shows
}

// Read reads a few files, and three for each CPU.
func (r Root) Read(model string) Host {
	online := List(r.Text(cpuDir + "/online"))
	cmdline := r.Text("proc/cmdline")
	h := Host{
		Machine:    r.machine(model),
		Online:     Ranges(online),
		Allowed:    r.status("Cpus_allowed_list"),
		Quota:      r.Quota(),
		NUMANodes:  len(List(r.Text("sys/devices/system/node/online"))),
		Governor:   strings.Join(r.perCPU(online, "cpufreq/scaling_governor"), ","),
		FreqDriver: strings.Join(r.perCPU(online, "cpufreq/scaling_driver"), ","),
		Turbo:      r.turbo(),
		Isolated:   r.Text(cpuDir + "/isolated"),
		NoHzFull:   r.Text(cpuDir + "/nohz_full"),
		Hypervisor: r.hypervisor(),
	}
	h.Sockets = len(r.perCPU(online, "topology/physical_package_id"))
	groups := r.perCPU(online, "topology/thread_siblings_list")
	h.Cores = len(groups)
	for _, g := range groups {
		if len(List(g)) > 1 {
			h.Siblings = append(h.Siblings, g)
		}
	}
	if v := word(cmdline, "isolcpus"); h.Isolated == "" && v != "" {
		h.Isolated = v
	}
	if strings.Trim(h.NoHzFull, "()") == "null" { // what the kernel prints of none
		h.NoHzFull = ""
	}
	if v := word(cmdline, "nohz_full"); h.NoHzFull == "" && v != "" {
		h.NoHzFull = v
	}
	return h
}

// machine is a hash of what identifies the machine.
func (r Root) machine(model string) string {
	id := ""
	for _, f := range []string{"etc/machine-id", "var/lib/dbus/machine-id", "proc/sys/kernel/hostname"} {
		if id = r.Text(f); id != "" {
			break
		}
	}
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("evdbench\x00" + id + "\x00" + model))
	return hex.EncodeToString(sum[:6])
}

// status is a line of /proc/self/status.
func (r Root) status(key string) string {
	for line := range strings.Lines(r.Text("proc/self/status")) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (r Root) turbo() string {
	if n, ok := r.Int(cpuDir + "/intel_pstate/no_turbo"); ok {
		return onOff(n == 0)
	}
	if n, ok := r.Int(cpuDir + "/cpufreq/boost"); ok {
		return onOff(n != 0)
	}
	return ""
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// hypervisor is a name of it, or "yes".
func (r Root) hypervisor() string {
	vendor := strings.TrimSpace(r.Text("sys/class/dmi/id/sys_vendor") + " " + r.Text("sys/class/dmi/id/product_name"))
	known := slices.ContainsFunc([]string{"QEMU", "KVM", "VMware", "VirtualBox", "Xen", "Amazon EC2", "Google Compute", "Bochs", "Virtual Machine"},
		func(s string) bool { return strings.Contains(vendor, s) && !strings.Contains(vendor, "metal") })
	switch {
	case r.Text("sys/hypervisor/type") != "":
		return r.Text("sys/hypervisor/type")
	case !r.flag("hypervisor") && !known && !r.Exists("proc/device-tree/hypervisor"):
		return ""
	case vendor != "":
		return vendor
	}
	return "yes"
}

// flag tells whether the first CPU has a flag.
func (r Root) flag(name string) bool {
	for line := range strings.Lines(r.Text("proc/cpuinfo")) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "flags" {
			return slices.Contains(strings.Fields(v), name)
		}
	}
	return false
}

// Quota is how many CPUs' time the control groups of this process may use: the
// least of them, from its own up to the root. 0: no limit.
func (r Root) Quota() (least float64) {
	add := func(quota, period string) {
		q, err1 := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err1 == nil && err2 == nil && q > 0 && p > 0 && (least == 0 || q/p < least) {
			least = q / p
		}
	}
	for line := range strings.Lines(r.Text("proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		v2, v1 := parts[0] == "0", slices.Contains(strings.Split(parts[1], ","), "cpu")
		for dir := path.Clean("/" + parts[2]); v2 || v1; dir = path.Dir(dir) {
			if v2 {
				quota, period, _ := strings.Cut(r.Text(path.Join("sys/fs/cgroup", dir, "cpu.max")), " ")
				add(quota, period) // "max" is no number
			} else {
				for _, mount := range []string{"sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"} {
					at := path.Join(mount, dir)
					add(r.Text(path.Join(at, "cpu.cfs_quota_us")), r.Text(path.Join(at, "cpu.cfs_period_us")))
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}
