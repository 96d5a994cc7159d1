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
	if c.rates == nil {
		c.rates = make([][]float64, len(c.parties))
	}
	for k := range c.parties {
		i := (n + k) % len(c.parties)
		rate, err := c.parties[i].run()
		if err != nil {
			return err
		}
		c.rates[i] = append(c.rates[i], rate)
	}
	return nil
}

// median of values, which are not empty.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// ratio is the median of what a's rate is to b's in each round, with its range.
func (c *contest) ratio(a, b int) (mid, low, high float64) {
	r := make([]float64, len(c.rates[a]))
	for i := range r {
		r[i] = c.rates[a][i] / c.rates[b][i]
	}
	return median(r), slices.Min(r), slices.Max(r)
}

func (c *contest) print() {
	fmt.Printf("%s, %s:\n", c.name, c.unit)
	for i, p := range c.parties {
		fmt.Printf("  %-22s %11.0f (%.0f to %.0f)", p.name, median(c.rates[i]), slices.Min(c.rates[i]), slices.Max(c.rates[i]))
		if i != 1 { // the C program with the same flags as ours
			mid, low, high := c.ratio(i, 1)
			fmt.Printf("  %.2f of %s (%.2f to %.2f)", mid, c.parties[1].name, low, high)
		}
		fmt.Println()
	}
}

// printGoals has a line for each goal.
func (c *contest) printGoals() {
	for _, g := range c.goals {
		mid, _, _ := c.ratio(g.ours, g.rival)
		verdict := "short"
		if mid >= g.need {
			verdict = "ok"
		}
		fmt.Printf("goal uring-%s ours=%.0f rival=%s:%.0f ratio=%.2f need=%.2f %s\n",
			c.name, median(c.rates[g.ours]), c.parties[g.rival].name, median(c.rates[g.rival]), mid, g.need, verdict)
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
	return b.String()
}
