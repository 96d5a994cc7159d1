package hostinfo

import (
	"os"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func tree(files map[string]string) Root {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Root{m}
}

func TestRead(t *testing.T) {
	files := map[string]string{
		"etc/machine-id":                 "abc\n",
		"proc/cmdline":                   "quiet isolcpus=2-3 nohz_full=3\n",
		"proc/self/status":               "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-2\n",
		"proc/self/cgroup":               "0::/a/b\n",
		"proc/cpuinfo":                   "model name\t: X\nflags\t\t: fpu tsc\n",
		"sys/fs/cgroup/a/b/cpu.max":      "max 100000\n",
		"sys/fs/cgroup/a/cpu.max":        "150000 100000\n",
		"sys/fs/cgroup/cpu.max":          "400000 100000\n",
		cpuDir + "/online":               "0-3\n",
		cpuDir + "/cpufreq/boost":        "1\n",
		cpuDir + "/nohz_full":            "(null)\n",
		"sys/devices/system/node/online": "0-1\n",
	}
	for i, s := range []string{"0,2", "1,3", "0,2", "1,3"} {
		cpu := cpuDir + "/cpu" + string(rune('0'+i))
		files[cpu+"/topology/thread_siblings_list"] = s + "\n"
		files[cpu+"/topology/physical_package_id"] = string(rune('0' + i%2))
		files[cpu+"/cpufreq/scaling_governor"] = "performance\n"
		files[cpu+"/cpufreq/scaling_driver"] = "acpi-cpufreq\n"
	}
	files[cpuDir+"/cpu3/cpufreq/scaling_governor"] = "powersave\n"
	h := tree(files).Read("X")
	assert.Len(t, h.Machine, 12)
	assert.NotContains(t, h.Machine, "abc")
	other := tree(files).Read("Y")
	assert.NotEqual(t, h.Machine, other.Machine, "another CPU is another machine")
	h.Machine = ""
	assert.Equal(t, Host{
		Online: "0-3", Allowed: "0-2", Quota: 1.5, Sockets: 2, Cores: 2, Siblings: []string{"0,2", "1,3"},
		NUMANodes: 2, Governor: "performance,powersave", FreqDriver: "acpi-cpufreq", Turbo: "on",
		Isolated: "2-3", NoHzFull: "3",
	}, h)
	assert.Equal(t, Host{}, tree(nil).Read("X"), "what is not there is not known")
}

func TestHypervisor(t *testing.T) {
	const flag = "flags : fpu hypervisor tsc\n"
	for want, files := range map[string]map[string]string{
		"yes":                  {"proc/cpuinfo": flag},
		"Amazon EC2 m7i.large": {"proc/cpuinfo": flag, "sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m7i.large\n"},
		"QEMU":                 {"sys/class/dmi/id/sys_vendor": "QEMU"}, // arm64 has no flag
		"xen":                  {"sys/hypervisor/type": "xen\n"},
		"":                     {"proc/cpuinfo": "flags : hypervisors\n", "sys/class/dmi/id/sys_vendor": "Dell Inc."},
	} {
		assert.Equal(t, want, tree(files).hypervisor())
	}
}

func TestTurbo(t *testing.T) {
	assert.Equal(t, "off", tree(map[string]string{cpuDir + "/intel_pstate/no_turbo": "1"}).turbo())
	assert.Equal(t, "on", tree(map[string]string{cpuDir + "/intel_pstate/no_turbo": "0"}).turbo())
	assert.Equal(t, "off", tree(map[string]string{cpuDir + "/cpufreq/boost": "0"}).turbo())
	assert.Equal(t, "", tree(map[string]string{cpuDir + "/cpufreq/boost": "x"}).turbo())
}

func TestQuota(t *testing.T) {
	assert.Equal(t, 0.5, tree(map[string]string{
		"proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/docker/x\n",
		"sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us":  "50000\n",
		"sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
	}).Quota(), "version 1")
	assert.Equal(t, 2.0, tree(map[string]string{
		"proc/self/cgroup":                    "3:cpu:/gone\n",
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "200000",
		"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
	}).Quota(), "in a container the root is its own")
	assert.Zero(t, tree(map[string]string{
		"proc/self/cgroup":                   "3:cpu:/\n0::/\n:\n\n",
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
		"sys/fs/cgroup/cpu.max": "max 100000",
	}).Quota())
	assert.Zero(t, tree(map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5 0"}).Quota())
}

func TestList(t *testing.T) {
	assert.Equal(t, []int{0, 1, 2, 5, 7, 8}, List("0-2,5,7-8\n"))
	assert.Equal(t, "0-2,5,7-8", Ranges([]int{0, 1, 2, 5, 7, 8}))
	for _, bad := range []string{"", "x", "1,", "1-", "-1", "99999999"} {
		assert.Empty(t, List(bad), bad)
	}
	assert.Empty(t, Ranges(nil))
}

// This host can be read too.
func TestThisHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the other systems have no such files
	}
	h := Root{os.DirFS("/")}.Read("X")
	assert.NotEmpty(t, h.Online)
	assert.NotEmpty(t, h.Allowed)
	assert.NotEmpty(t, h.Machine)
}
