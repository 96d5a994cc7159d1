// Package host examines a host for what spoils measurements: it is what
// "evdbench doctor" says. It reads /proc and /sys from any file system, so that
// a host can be made up in a test.
//
// The package neither prints nor exits, and changes nothing on the host.
package host

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/internal/hostinfo"
)

// Level is how bad a finding is.
type Level uint8

// Levels, the mildest first.
const (
	OK   Level = iota
	Note       // good to know, or not to be found out here
	Warn       // makes figures worse, or less steady
	Fail       // makes figures useless, or a part of evdbench
)

var levels = []string{"ok", "note", "WARN", "FAIL"}

func (l Level) String() string { return levels[min(int(l), len(levels)-1)] }

// MarshalText writes the level as String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Level) UnmarshalText(b []byte) error {
	i := slices.Index(levels, string(b))
	if i < 0 {
		return fmt.Errorf("host: level = %q: must be one of %s", b, strings.Join(levels, ", "))
	}
	*l = Level(i)
	return nil
}

// Finding is the result of one check.
type Finding struct {
	Check string   `json:"check"` // its name, the same in every release
	Level Level    `json:"level"`
	Says  string   `json:"says"`
	Fixes []string `json:"fixes"` // commands, or flags of evdbench; empty: nothing to be done
}

// System is what is examined.
type System struct {
	Root fs.FS     // of the host's files
	Env  bench.Env // of this process

	// Floor is the host's jitter; nil: it was not measured, and is not judged.
	Floor *bench.Floor

	// Privileged tells that this process may do what root may.
	Privileged bool

	// Pause lets some time go by between two looks at what runs on the host, 100 ms or
	// more. nil: what runs is not judged.
	Pause func()
}

// exam is an examination.
type exam struct {
	System
	root hostinfo.Root
	host bench.Host
	seen *times // what happened in the pause; nil: not looked yet
}

// check is one of them.
type check struct {
	name string
	do   func(*exam) Finding
}

// checks are all, in the order of the findings.
func checks() []check {
	return slices.Concat(clockChecks, cpuChecks, loadChecks, kernelChecks, processChecks)
}

// Names lists the checks, in the order of the findings.
func Names() (names []string) {
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Examine checks everything. It takes as long as Pause, and some milliseconds.
func Examine(s System) []Finding {
	x := &exam{System: s, root: hostinfo.Root{FS: s.Root}, host: s.Env.Host}
	findings := make([]Finding, 0, len(checks()))
	for _, c := range checks() {
		f := c.do(x)
		f.Check = c.name
		if f.Fixes == nil {
			f.Fixes = []string{}
		}
		findings = append(findings, f)
	}
	return findings
}

// Worst is the worst level among findings, OK if there are none.
func Worst(findings []Finding) (worst Level) {
	for _, f := range findings {
		worst = max(worst, f.Level)
	}
	return worst
}

func ok(format string, args ...any) Finding   { return Finding{Says: fmt.Sprintf(format, args...)} }
func note(format string, args ...any) Finding { return ok(format, args...).as(Note) }
func warn(format string, args ...any) Finding { return ok(format, args...).as(Warn) }
func fail(format string, args ...any) Finding { return ok(format, args...).as(Fail) }

func (f Finding) as(l Level) Finding { f.Level = l; return f }

// fix adds what can be done.
func (f Finding) fix(format string, args ...any) Finding {
	f.Fixes = append(f.Fixes, fmt.Sprintf(format, args...))
	return f
}

// virtual tells whether this is a virtual machine, where much cannot be seen.
func (x *exam) virtual() bool { return x.host.Hypervisor != "" }

// unseen is for what is not to be found out.
func (x *exam) unseen(what string) Finding {
	if x.virtual() {
		return note("%s unknown: the hypervisor has it", what)
	}
	return note("%s unknown on this host", what)
}
