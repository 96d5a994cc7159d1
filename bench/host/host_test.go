package host

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/internal/hostinfo"
)

// calm are the files of a host on which there is nothing to complain of.
func calm() map[string]string {
	files := map[string]string{
		"etc/machine-id":                      "0123",
		"lib/modules/6.1/modules.dep":         "kernel/drivers/infiniband/sw/rxe/rdma_rxe.ko.xz: x\n",
		"proc/1/comm":                         "init\n",
		"proc/cmdline":                        "quiet",
		"proc/cpuinfo":                        "flags : fpu tsc\n",
		"proc/loadavg":                        "0.00 0.01 0.02 1/95 23296\n",
		"proc/self/cgroup":                    "0::/\n",
		"proc/self/limits":                    "Limit  Soft  Hard  Units\nMax open files            20000    20000   files\nMax locked memory         unlimited            unlimited            bytes     \n",
		"proc/self/status":                    "Cpus_allowed_list:\t0-3\n",
		"proc/self/timerslack_ns":             "50000\n",
		"proc/stat":                           "cpu  100 0 100 10000 5 0 0 0 0 0\ncpu0 1 1\n",
		"proc/swaps":                          "Filename Type Size Used Priority\n",
		"proc/sys/kernel/io_uring_disabled":   "0\n",
		"proc/sys/kernel/perf_event_paranoid": "1\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
		"sys/devices/system/node/online":                                  "0\n",
		"sys/kernel/mm/transparent_hugepage/enabled":                      "always [madvise] never\n",
		cpuDir + "online":                      "0-3\n",
		cpuDir + "isolated":                    "2-3\n",
		cpuDir + "nohz_full":                   "2-3\n",
		cpuDir + "cpufreq/boost":               "0\n",
		cpuDir + "cpu0/cpuidle/state0/name":    "POLL\n",
		cpuDir + "cpu0/cpuidle/state0/latency": "0\n",
		cpuDir + "cpu0/cpuidle/state1/name":    "C1\n",
		cpuDir + "cpu0/cpuidle/state1/latency": "2\n",
		cpuDir + "cpu0/cpuidle/state2/name":    "C6\n",
		cpuDir + "cpu0/cpuidle/state2/latency": "133\n",
		cpuDir + "cpu0/cpuidle/state2/disable": "1\n",
		cpuDir + "vulnerabilities/meltdown":    "Not affected\n",
	}
	for i := range 4 {
		cpu := fmt.Sprintf("%scpu%d/", cpuDir, i)
		files[cpu+"topology/thread_siblings_list"] = fmt.Sprintln(i)
		files[cpu+"topology/physical_package_id"] = "0"
		files[cpu+"cpufreq/scaling_governor"] = "performance\n"
		files[cpu+"cpufreq/scaling_driver"] = "acpi-cpufreq\n"
	}
	return files
}

// examine examines a host of these files. change may alter the system.
func examine(files, later map[string]string, change func(*System)) map[string]Finding {
	root := fstest.MapFS{}
	put := func(files map[string]string) {
		for name, text := range files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	put(files)
	s := System{
		Root: root,
		Env: bench.Env{
			Go: "go1.26", Kernel: "6.1", GOMAXPROCS: 4, GOGC: 100,
			Clock: bench.ClockEnv{Source: bench.SourceTSC, Cost: 9},
			Host:  hostinfo.Root{FS: root}.Read("X"),
		},
		Floor: &bench.Floor{P999: 2000, Max: 9000},
		Pause: func() { put(later) },
	}
	if change != nil {
		change(&s)
	}
	found := map[string]Finding{}
	for _, f := range Examine(s) {
		found[f.Check] = f
	}
	return found
}

// afterwards are 100 ticks of a host where nothing runs.
var afterwards = map[string]string{"proc/stat": "cpu  100 0 101 10098 6 0 0 0 0 0\n"}

func TestCalm(t *testing.T) {
	found := examine(calm(), afterwards, nil)
	assert.ElementsMatch(t, Names(), slices.Collect(maps.Keys(found)))
	for name, f := range found {
		assert.Equal(t, OK, f.Level, "%s: %s", name, f.Says)
		assert.Empty(t, f.Fixes, name)
		assert.NotEmpty(t, f.Says, name)
	}
}

func TestFindings(t *testing.T) {
	const clk = "sys/devices/system/clocksource/clocksource0/"
	type files = map[string]string
	stat := func(s string) func(*System) {
		return func(x *System) {
			root := x.Root.(fstest.MapFS)
			x.Pause = func() { root["proc/stat"] = &fstest.MapFile{Data: []byte(s)} }
		}
	}
	env := func(f func(*bench.Env)) func(*System) { return func(s *System) { f(&s.Env) } }
	for _, x := range []struct {
		check  string
		level  Level
		says   string
		fix    string // one of them
		files  files  // beside those of a calm host; "" takes one away
		change func(*System)
	}{
		{"clocksource", Warn, "clocksource hpet", "echo tsc > /" + clk + "current_clocksource (root)", files{clk + "current_clocksource": "hpet", clk + "available_clocksource": "tsc hpet"}, nil},
		{"clocksource", Warn, "clocksource acpi_pm", "boot with tsc=reliable", files{clk + "current_clocksource": "acpi_pm", clk + "available_clocksource": "hpet acpi_pm"}, nil},
		{"clocksource", Note, "clocksource unknown", "", files{clk + "current_clocksource": ""}, nil},
		{"clock", Warn, "-300 ppm", "let nothing else run", nil, env(func(e *bench.Env) { e.Clock.Drift = -300 })},
		{"clock", Warn, "costs 400 ns", "see clocksource", nil, env(func(e *bench.Env) { e.Clock.Cost = 400 })},
		{"clock", Note, "CLOCK_MONOTONIC, 40 ns a reading: no TSC", "", nil, env(func(e *bench.Env) {
			e.Clock = bench.ClockEnv{Source: bench.SourceMonotonic, Why: "no TSC", Cost: 40}
		})},
		{"jitter", Warn, "p99.9 30µs, max 1ms: tails", "evdbench jitter --cpus 0-3", nil, func(s *System) { s.Floor = &bench.Floor{P999: 30_000, Max: 1_000_000} }},
		{"jitter", Fail, "p99.9 2ms, max 9ms: no tail", "evdbench jitter --cpus 0-3", nil, func(s *System) { s.Floor = &bench.Floor{P999: 2_000_000, Max: 9_000_000} }},
		{"jitter", Note, "not measured", "", nil, func(s *System) { s.Floor = nil }},
		{"cpus", Fail, "one CPU (1)", "taskset -c 0-3", nil, env(func(e *bench.Env) { e.Host.Allowed, e.GOMAXPROCS = "1", 1 })},
		{"cpus", Note, "two CPUs (0,2)", "", nil, env(func(e *bench.Env) { e.Host.Allowed, e.GOMAXPROCS = "0,2", 2 })},
		{"quota", Warn, "2.5 CPUs' time", "--cpuset-cpus", nil, env(func(e *bench.Env) { e.Host.Quota, e.GOMAXPROCS = 2.5, 3 })},
		{"quota", Fail, "1.5 CPUs' time", "CPUQuota=", nil, env(func(e *bench.Env) { e.Host.Quota, e.GOMAXPROCS = 1.5, 2 })},
		{"gomaxprocs", Warn, "GOMAXPROCS 8 on 4 CPUs", "--gomaxprocs 4", nil, env(func(e *bench.Env) { e.GOMAXPROCS = 8 })},
		{"gomaxprocs", Warn, "GOMAXPROCS 1 on 4 CPUs", "--gomaxprocs 4", nil, env(func(e *bench.Env) { e.GOMAXPROCS = 1 })},
		{"smt", Warn, "(0,2 and 1,3)", "--pin poller=3,producer=2", files{
			cpuDir + "cpu0/topology/thread_siblings_list": "0,2", cpuDir + "cpu2/topology/thread_siblings_list": "0,2",
			cpuDir + "cpu1/topology/thread_siblings_list": "1,3", cpuDir + "cpu3/topology/thread_siblings_list": "1,3",
		}, nil},
		{"smt", Warn, "(0-1 and 2-3)", "--pin poller=3,producer=1", files{
			cpuDir + "cpu0/topology/thread_siblings_list": "0-1", cpuDir + "cpu1/topology/thread_siblings_list": "0-1",
			cpuDir + "cpu2/topology/thread_siblings_list": "2-3", cpuDir + "cpu3/topology/thread_siblings_list": "2-3",
		}, nil},
		{"governor", Warn, "governor performance,powersave", "cpupower", files{cpuDir + "cpu1/cpufreq/scaling_governor": "powersave"}, nil},
		{"governor", Note, "governor unknown", "", nil, env(func(e *bench.Env) { e.Host.Governor = "" })},
		{"turbo", Warn, "turbo on", "echo 0 > /" + cpuDir + "cpufreq/boost", files{cpuDir + "cpufreq/boost": "1"}, nil},
		{"turbo", Warn, "turbo on", "echo 1 > /" + cpuDir + "intel_pstate/no_turbo", files{cpuDir + "intel_pstate/no_turbo": "0"}, nil},
		{"turbo", Note, "turbo unknown", "", files{cpuDir + "cpufreq/boost": ""}, nil},
		{"idle", Warn, "up to C6, which takes 133 us", "--cpu-dma-latency 0 (root)", files{cpuDir + "cpu0/cpuidle/state2/disable": "0"}, nil},
		{"isolation", Note, "no CPU is isolated", "", files{cpuDir + "isolated": ""}, nil},
		{"isolation", OK, "with nohz_full they", "", files{cpuDir + "nohz_full": "(null)"}, nil},
		{"numa", Warn, "2 NUMA nodes, and the kernel", "kernel.numa_balancing=0", files{"sys/devices/system/node/online": "0-1", "proc/sys/kernel/numa_balancing": "1"}, nil},
		{"numa", Note, "2 NUMA nodes", "numactl", files{"sys/devices/system/node/online": "0-1", "proc/sys/kernel/numa_balancing": "0"}, nil},
		{"hypervisor", Warn, "a virtual machine:", "bare machine", files{"proc/cpuinfo": "flags : hypervisor"}, nil},
		{"hypervisor", Warn, "a virtual machine (xen)", "bare machine", files{"sys/hypervisor/type": "xen"}, nil},
		{"mitigations", Note, "dearer: meltdown", "same ones", files{cpuDir + "vulnerabilities/meltdown": "Mitigation: PTI"}, nil},
		{"load", Fail, "60 % of all CPUs busy", "end what else runs", nil, stat("cpu  150 0 110 10040 5 0 0 0 9 9\n")},
		{"load", Warn, "20 % of all CPUs busy without this process, load average 0.00", "--pin", nil, stat("cpu  120 0 100 10080 5 0 0 0 0 0\n")},
		{"load", Note, "load average 0.00", "", nil, func(s *System) { s.Pause = nil }},
		{"steal", Fail, "10 % of the time is stolen", "CPUs of its own", nil, stat("cpu  100 0 100 10090 5 0 0 10 0 0\n")},
		{"steal", Warn, "1 % of the time is stolen", "CPUs of its own", nil, stat("cpu  100 0 100 10099 5 0 0 1 0 0\n")},
		{"steal", Note, "unknown", "", nil, stat("")},
		{"thp", Warn, "always", "echo madvise", files{"sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never"}, nil},
		{"swap", Warn, "swap is used", "--lock-memory", files{"proc/swaps": "Filename Type Size Used Priority\n/dev/a partition 99 12 -2\n"}, nil},
		{"swap", OK, "not used", "", files{"proc/swaps": "Filename Type Size Used Priority\n/dev/a partition 99 0 -2\n"}, nil},
		{"irqbalance", Warn, "irqbalance runs", "systemctl stop irqbalance", files{"proc/77/comm": "irqbalance\n"}, nil},
		{"perf", Warn, "perf_event_paranoid 4", "kernel.perf_event_paranoid=1", files{"proc/sys/kernel/perf_event_paranoid": "4"}, nil},
		{"io_uring", Warn, "kernel.io_uring_disabled = 2", "kernel.io_uring_disabled=0", files{"proc/sys/kernel/io_uring_disabled": "2"}, func(s *System) { s.Privileged = true }},
		{"io_uring", OK, "this is root", "", files{"proc/sys/kernel/io_uring_disabled": "1"}, func(s *System) { s.Privileged = true }},
		{"rdma_rxe", Warn, "no rdma_rxe module for this kernel (6.1)", "linux-modules-extra", files{"lib/modules/6.1/modules.dep": ""}, nil},
		{"rdma_rxe", OK, "evdbench rxe up", "", files{"lib/modules/6.1/modules.dep": "", "sys/module/rdma_rxe/refcnt": "0"}, nil},
		{"memlock", Warn, "RLIMIT_MEMLOCK 8192 KiB", "ulimit -l unlimited", files{"proc/self/limits": "Max open files 9999 9999 files\nMax locked memory  8388608 8388608 bytes\n"}, nil},
		{"nofile", Warn, "RLIMIT_NOFILE 256", "ulimit -n", files{"proc/self/limits": "Max open files  256 256 files\nMax locked memory  unlimited unlimited bytes\n"}, nil},
		{"timerslack", Warn, "timer slack 1000 us", "--prio fifo:10", files{"proc/self/timerslack_ns": "1000000"}, nil},
		{"go", Warn, "GODEBUG=gctrace=1", "unset GODEBUG", nil, env(func(e *bench.Env) { e.GODEBUG = "gctrace=1" })},
		{"go", Warn, "GOGC=10", "--gc percent=100", nil, env(func(e *bench.Env) { e.GOGC = 10 })},
		{"go", OK, "collector is off", "", nil, env(func(e *bench.Env) { e.GOGC = -1 })},
	} {
		t.Run(x.check+"/"+x.says, func(t *testing.T) {
			all := calm()
			for name, text := range x.files {
				all[name] = text
			}
			found := examine(all, afterwards, x.change)
			f := found[x.check]
			assert.Equal(t, x.level, f.Level, f.Says)
			assert.Contains(t, f.Says, x.says)
			if x.fix == "" {
				assert.Empty(t, f.Fixes)
			} else {
				assert.Contains(t, strings.Join(f.Fixes, "\n"), x.fix)
			}
			if x.level >= Warn {
				assert.NotEmpty(t, f.Fixes, "what is complained of can be mended")
			}
		})
	}
}

// A host of which nothing can be read is not complained of but for what it lacks.
func TestNothingKnown(t *testing.T) {
	for name, f := range examine(nil, nil, nil) {
		if name != "rdma_rxe" {
			assert.LessOrEqual(t, f.Level, Note, "%s: %s", name, f.Says)
		}
	}
}

// Whatever stands in a file, and in whichever: there are as many findings, in words.
func TestOddFiles(t *testing.T) {
	odd := []string{
		"", "\n", "x", "-1", "0-", "3-1,,", "cpu", "cpu a b c d e f g h i j", "cpu  NaN Inf -1 1e400 5 0 0 0 0 0", "[", "]a[",
		"99999999999999999999", ":", "0::", "0::/../../..", "3:cpu:x", "Max open files", "Max locked memory x y", "flags", "<unsupported>", "\x00\xff\xfe",
	}
	for name := range calm() {
		for _, text := range odd {
			files, later := calm(), map[string]string{name: text}
			files[name] = text
			found := examine(files, later, nil)
			require.Len(t, found, len(Names()), "%s = %q", name, text)
			for check, f := range found {
				require.NotEmpty(t, f.Says, "%s: %s = %q", check, name, text)
				if name == "proc/stat" {
					require.NotContains(t, f.Says, "NaN", "%s: %s = %q", check, name, text)
				}
			}
		}
	}
}

func TestThisHost(t *testing.T) {
	began := time.Now()
	found := Examine(System{Root: os.DirFS("/"), Env: bench.Environment(bench.MonotonicClock()), Pause: func() { time.Sleep(time.Millisecond) }})
	assert.Len(t, found, len(Names()))
	t.Log(time.Since(began))
	text, err := json.Marshal(found)
	require.NoError(t, err)
	var back []Finding
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, found, back)
	assert.Error(t, json.Unmarshal([]byte(`"bad"`), new(Level)))
}

func TestWorst(t *testing.T) {
	assert.Equal(t, OK, Worst(nil))
	assert.Equal(t, Fail, Worst([]Finding{{Level: Warn}, {Level: Fail}, {Level: OK}}))
}

func TestSpread(t *testing.T) {
	assert.Equal(t, Spread{"x", 100, 0.05}, spread("x", []float64{105, 100, 95, 100}))
	assert.Equal(t, Spread{Figure: "x"}, spread("x", []float64{0, 0}))
	for s, want := range map[float64]Level{0.01: OK, 0.05: Note, 0.2: Warn} {
		f := (&AA{Runs: 8, Spread: []Spread{{"lat p50", 1, 0.001}, {"lat p99", 1, s}}}).Finding()
		assert.Equal(t, want, f.Level)
		assert.Contains(t, f.Says, "8 identical runs: lat p50 +-0.1 %, lat p99 +-")
	}
}

func TestAA(t *testing.T) {
	var names []string
	// A figure that has too few samples is left out: a busy host needs longer runs.
	for each := 20 * time.Millisecond; !slices.Contains(names, "lat p50") && each < 5*time.Second; each *= 4 {
		a, err := measureAA(t.Context(), 2, each)
		require.NoError(t, err)
		assert.Equal(t, 2, a.Runs)
		names = nil
		for _, s := range a.Spread {
			assert.Positive(t, s.Median)
			names = append(names, s.Figure)
		}
	}
	assert.Subset(t, names, []string{"lat p50", "bw rate"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := MeasureAA(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}
