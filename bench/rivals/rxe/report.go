//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// report is everything that came out.
type report struct {
	Machine string    `json:"machine"`
	Count   int       `json:"round_trips_a_turn"`
	Skipped []string  `json:"skipped,omitempty"` // what could not be measured here
	Goals   []verdict `json:"goals"`
	Results []result  `json:"results"`
}

// result is what a party did.
type result struct {
	Contest string    `json:"contest"`
	Party   string    `json:"party"`
	Unit    string    `json:"unit"`
	Note    string    `json:"note,omitempty"`
	Failed  []string  `json:"failed,omitempty"`
	Figures []float64 `json:"figures"` // in order of time; of every turn that ended
}

// add adds a contest, and answers how many turns have failed.
func (r *report) add(c *contest) (fails int) {
	for _, p := range c.parties {
		r.Results = append(r.Results, result{c.name, p.name, c.unit, p.note, p.fails, c.figures(p)})
		fails += len(p.fails)
	}
	for _, g := range c.goals {
		r.Goals = append(r.Goals, c.judge(g))
	}
	return fails
}

func (r *report) writeJSON(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// print writes what everybody did, and a line for each goal.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s; %d bytes, %d round trips a turn; medians (extremes)\n", r.Machine, size, r.Count)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, x := range r.Results {
		text := "no figure"
		if len(x.Figures) > 0 {
			text = fmt.Sprintf("%.4g (%.4g to %.4g)", spreadOf(x.Figures).Median, slices.Min(x.Figures), slices.Max(x.Figures))
		}
		note := x.Note
		if len(x.Failed) > 0 {
			note = strings.TrimSpace(fmt.Sprintf("FAILED %d times; %s", len(x.Failed), note))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d turns\t%s\n", x.Contest, x.Party, text, x.Unit, len(x.Figures), note)
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	for _, v := range r.Goals {
		fmt.Fprintln(w, v)
	}
	for _, s := range r.Skipped {
		fmt.Fprintln(w, "skipped:", s)
	}
}

// machine is what the figures were taken on.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // empty then
	clock, _ := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	s := fmt.Sprintf("Linux %s, %d CPUs, clock %s, %s", unix.ByteSliceToString(u.Release[:]), runtime.NumCPU(), bytes.TrimSpace(clock), runtime.Version())
	out, _ := exec.Command("dpkg-query", "-W", "-f", ", ${Package} ${Version}", "ibverbs-utils", "perftest", "dapl2-utils").Output() // what is there of them
	return s + string(out)
}
