package bench

import (
	"runtime"
	"runtime/debug"
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
	Clock      ClockEnv `json:"clock"`
}

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
	return Env{
		Version: Version(),
		Go:      runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Kernel: kernelRelease(), CPU: cpuModel(),
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		Clock: ClockEnv{
			Source: clk.Source(), Why: clk.Why(), Hertz: clk.Hertz(),
			Cost: clk.Cost().Nanoseconds(), Drift: clk.Drift(),
		},
	}
}
