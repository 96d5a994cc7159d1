package main

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/evdengine/evd/bench"
)

// env is where it was measured, and what.
type env struct {
	bench.Env
	Governor string            `json:"governor"`
	Anchor   float64           `json:"anchor_ns"` // median, a cache line to the other core
	Versions map[string]string `json:"versions"`  // of the rivals
}

// rivalModules are those whose versions are told.
var rivalModules = []string{
	"github.com/puzpuzpuz/xsync/v4", "github.com/Workiva/go-datastructures",
}

func environment(rs results, c map[string]string) env {
	e := env{
		Env: bench.Environment(bench.NewClock()), Governor: governor(),
		Anchor: rs[id{Shape: "ANCHOR", Impl: "line"}].Median, Versions: map[string]string{},
	}
	if info, is := debug.ReadBuildInfo(); is {
		for _, m := range info.Deps {
			if slices.Contains(rivalModules, m.Path) {
				e.Versions[m.Path] = m.Version
			}
		}
	}
	maps.Copy(e.Versions, c)
	return e
}

func (e env) String() string {
	var versions []string
	for _, k := range slices.Sorted(maps.Keys(e.Versions)) {
		versions = append(versions, k+" "+e.Versions[k])
	}
	return fmt.Sprintf("%s, %d CPUs, governor: %s, anchor %.1f ns\n%s/%s, kernel %s, %s, GOMAXPROCS %d, evd %s\n%s\n",
		e.CPU, e.CPUs, e.Governor, e.Anchor, e.OS, e.Arch, e.Kernel, e.Go, e.GOMAXPROCS, e.Version, strings.Join(versions, ", "))
}
