// Command rivals measures the rings and the engine beside other people's queues, locks
// and the limits of the hardware, all in one run, and says which goals are met. `make
// rivals` builds and runs it.
//
// Two queues in Go are not among the rivals, since this module does not require theirs:
// lfq (code.hybscloud.com/lfq) and go-disruptor (github.com/smarty/go-disruptor). Debian
// has no package of rigtorp's queues.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// options are what the flags say.
type options struct {
	effort
	only  *regexp.Regexp
	scale bool
	cc    string
	rxe   string
	json  string
	svg   string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("rivals", flag.ContinueOnError)
	f.SetOutput(stderr)
	rounds := f.Int("rounds", thorough.rounds, "rounds, in which every cell has its turn; 6 or more for numbers to believe; fewer on a busy machine, where 25 would take more than 8 minutes")
	only := f.String("run", "", "measure only the cells whose names match this regular expression")
	fast := f.Bool("quick", false, "one round of everything, as a test of this program: the numbers mean little")
	f.BoolVar(&o.scale, "scale", false, "also 1 to 16 producers with a CPU each; needs more than 4 CPUs")
	f.StringVar(&o.cc, "cc", "bin/rivals-c++", "folder in which the rivals in C++ are built; empty leaves them out")
	f.StringVar(&o.rxe, "rxe", "bin/rivals-rxe.test", "test binary of hwcq/rxe, whose benchmarks poll an empty CQ")
	f.StringVar(&o.json, "json", "", "write everything to this file")
	f.StringVar(&o.svg, "svg", "", "plot the goals to this file, and curves beside it")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("rivals: unexpected argument %q", f.Arg(0))
	}
	if o.effort, o.rounds = thorough, *rounds; o.rounds < 1 {
		return o, param.Invalid("rivals", "-rounds", o.rounds, "1 or more")
	}
	o.most = thorough.most * time.Duration(max(o.rounds, thorough.rounds)) / time.Duration(thorough.rounds)
	if *fast {
		o.effort = quick
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, param.Invalid("rivals", "-run", *only, "a regular expression: "+err.Error())
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		if err != flag.ErrHelp {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(2)
	}
	if err := compare(o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

// compare measures, and reports.
func compare(o options, stdout, progress io.Writer) error {
	var cells []*cell
	var r report
	add := func(more []*cell, err error) {
		cells = append(cells, more...)
		if err != nil {
			r.Skipped = append(r.Skipped, err.Error())
		}
	}
	add(own(), startCores())
	add(rxeCells(o.rxe))
	if o.scale {
		add(scaleCells())
	}
	var versions map[string]string
	if o.cc != "" {
		f, missing, err := startForeign(o.cc)
		if err == nil {
			defer func() { _ = f.Close() }()
			versions = f.list.Versions
			add(f.cells(o.scale), missing)
		} else {
			add(nil, err)
		}
	}
	var kept []*cell
	for _, c := range cells {
		if o.only.MatchString(c.id.String()) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return param.Invalid("rivals", "-run", o.only, fmt.Sprintf("something that matches one of %d cells, such as %v", len(cells), cells[0].id))
	}
	if o.tries > 1 { // else there is no second try for what is disturbed
		o.whole = newCalm().whole
	}
	results, rounds, gone, err := run(kept, o.effort, progress)
	if err != nil {
		return err
	}
	r.Results, r.Skipped = results, append(r.Skipped, gone...)
	r.Rounds = rounds
	rs := byID(r.Results)
	for _, g := range goals() {
		r.Goals = append(r.Goals, rs.judge(g))
	}
	allocs, err := allocations()
	if err != nil {
		return err
	}
	r.Goals = append(r.Goals, allocs...)
	r.Env = environment(rs, versions)
	r.print(stdout)
	if o.json != "" {
		if err := r.writeJSON(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		written, err := r.plots(o.svg)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, "plots:", written)
	}
	return nil
}

// own are the cells that are written in Go.
func own() []*cell {
	return slices.Concat(limitCells(), ringCells(), gcCells(), dispatchCells(), wakeCells(), pollCells(), growthCells())
}
