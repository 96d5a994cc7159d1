//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// round is a turn for every party, beginning with another one each time.
func (c *contest) round(n int) error {
	if c.turns == nil {
		c.turns = make([][]turn, len(c.parties))
	}
	for k := range c.parties {
		i := (n + k) % len(c.parties)
		t, err := c.parties[i].run()
		if err != nil {
			return err
		}
		c.turns[i] = append(c.turns[i], t)
	}
	return nil
}

// median of values, which are not empty.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func rate(t turn) float64 { return t.rate }
func cpu(t turn) float64  { return t.cpu }

// of are the figures of a party.
func (c *contest) of(party int, figure func(turn) float64) []float64 {
	v := make([]float64, len(c.turns[party]))
	for i, t := range c.turns[party] {
		v[i] = figure(t)
	}
	return v
}

// ratio is the median of what a's figure is to b's in each round, with its range.
func (c *contest) ratio(a, b int, figure func(turn) float64) (mid, low, high float64) {
	r := c.of(a, figure)
	for i, v := range c.of(b, figure) {
		r[i] /= v
	}
	return median(r), slices.Min(r), slices.Max(r)
}

func (c *contest) print() {
	fmt.Printf("%s, %s:\n", c.name, c.unit)
	for i, p := range c.parties {
		rates := c.of(i, rate)
		fmt.Printf("  %-22s %11.0f (%.0f to %.0f)", p.name, median(rates), slices.Min(rates), slices.Max(rates))
		if rival := p.beside; rival != i {
			mid, low, high := c.ratio(i, rival, rate)
			fmt.Printf("  %.2f of %s (%.2f to %.2f)", mid, c.parties[rival].name, low, high)
		}
		if ns := median(c.of(i, cpu)); ns > 0 {
			fmt.Printf("  CPU %.0f ns each", ns)
		}
		fmt.Println()
	}
}

// printGoals has a line for each goal.
func (c *contest) printGoals() {
	for _, g := range c.goals {
		mid, _, _ := c.ratio(g.ours, g.rival, rate)
		verdict := "short"
		if mid >= g.need {
			verdict = "ok"
		}
		fmt.Printf("goal uring-%s ours=%.0f rival=%s:%.0f ratio=%.2f need=%.2f %s\n",
			g.name, median(c.of(g.ours, rate)), c.parties[g.rival].name, median(c.of(g.rival, rate)), mid, g.need, verdict)
	}
}

// machine is what the figures were taken on.
func machine() string {
	var b strings.Builder
	cpu := "unknown"
	info, _ := os.ReadFile("/proc/cpuinfo") // no CPU is unknown
	for line := range bytes.Lines(info) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(name)) == "model name" {
			cpu = string(bytes.TrimSpace(value))
			break
		}
	}
	var u unix.Utsname
	_ = unix.Uname(&u) // empty then
	fmt.Fprintf(&b, "CPU %s (%d), Linux %s, %s", cpu, runtime.NumCPU(), unix.ByteSliceToString(u.Release[:]), runtime.Version())
	gcc, _ := exec.Command("gcc", "-dumpfullversion").Output()
	uring, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", "liburing-dev").Output()
	fmt.Fprintf(&b, ", gcc %s -O2, liburing %s\n", bytes.TrimSpace(gcc), bytes.TrimSpace(uring))
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Fprintf(&b, "load average %s before the first turn\n", bytes.Fields(load)[0])
	}
	return b.String()
}
