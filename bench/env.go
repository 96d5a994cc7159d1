package bench

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/evdengine/evd/internal/hostinfo"
)

// Env is where a run took place.
type Env struct {
	Version    string   `json:"version"` // of this program: module version or commit
	Go         string   `json:"go"`
	OS         string   `json:"os"`
	Arch       string   `json:"arch"`
	Kernel     string   `json:"kernel"`
	CPU        string   `json:"cpu"`
	CPUs       int      `json:"cpus"`
	GOMAXPROCS int      `json:"gomaxprocs"`
	GOGC       int      `json:"gogc"`              // percent; -1: off
	MemLimit   int64    `json:"gomemlimit"`        // bytes; 0: none
	GODEBUG    string   `json:"godebug,omitempty"` // as in the environment
	Host       Host     `json:"host"`
	Clock      ClockEnv `json:"clock"`
	Floor      *Floor   `json:"floor,omitempty"` // of the host's jitter, before the run; nil: not measured
}

// Host is what decides how fast and how steady a host is: its CPUs, what governs
// them, and who else decides over them. Host.Machine tells whether two runs were
// made on the same one.
type Host = hostinfo.Host

// ClockEnv describes the clock of a run.
type ClockEnv struct {
	Source ClockSource `json:"source"`
	Why    string      `json:"why,omitempty"` // not the TSC
	Hertz  float64     `json:"hertz"`
	Cost   int64       `json:"cost_ns"`   // of one reading
	Drift  float64     `json:"drift_ppm"` // against CLOCK_MONOTONIC, over the run
}

// Version is the version of the running program, as the Go tool recorded it:
// the module version, or the commit it was built from.
func Version() string { return version() + seededVersion }

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return "devel"
	}
	return commit + dirty
}

// Environment describes this process and host.
func Environment(clk *Clock) Env {
	model := cpuModel()
	gogc, limit := gcSettings()
	return Env{
		Version: Version(),
		Go:      runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Kernel: kernelRelease(), CPU: model,
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		GOGC: gogc, MemLimit: limit, GODEBUG: os.Getenv("GODEBUG"),
		Host: thisHost(model),
		Clock: ClockEnv{
			Source: clk.Source(), Why: clk.Why(), Hertz: clk.Hertz(),
			Cost: clk.Cost().Nanoseconds(), Drift: clk.Drift(),
		},
	}
}

// gcSettings are the garbage collector's, read without changing them.
func gcSettings() (percent int, limit int64) {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(s)
	percent = -1
	if s[0].Value.Kind() == metrics.KindUint64 && s[0].Value.Uint64() < math.MaxInt32 {
		percent = int(s[0].Value.Uint64())
	}
	if s[1].Value.Kind() == metrics.KindUint64 && s[1].Value.Uint64() < math.MaxInt64 {
		limit = int64(s[1].Value.Uint64())
	}
	return percent, limit
}
