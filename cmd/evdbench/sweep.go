package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/sweep"
)

func newSweep() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run a matrix of settings, or find the highest rate that keeps a limit",
		Long: `sweep runs lat, bw or wake for every combination of settings. Each flag of theirs
takes a list: values with commas between them, and ranges such as 64..4096*2 or
0..100+20. Where a value has commas itself, put semicolons between values, or
name the flag with --vary. A combination that makes no sense, and a run that is
invalid, are marked and do not end the sweep.

With --find it looks for the highest --rate at which a condition holds and the
run is valid, for each combination: up by doubling, and then by halving the
bracket; near the edge it takes the majority of several runs.

  evdbench sweep lat --mode spin,event --capacity 64..4096*4 --duration 500ms
  evdbench sweep lat --mode spin,event --find 'rate where resp.p99<20us'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return noCommand(cmd) },
	}
	for _, make := range []func() *cobra.Command{newLat, newBW, newWake} {
		cmd.AddCommand(newSweepOf(make()))
	}
	return cmd
}

// sweeper is one sweep command.
type sweeper struct {
	name  string // of the command that is run
	inner *pflag.FlagSet

	output, order, find string
	vary                pairsOf
	quiet               bool
	out                 outDir
	tags                tags
	from                config
	search              sweep.Search
	says                io.Writer // progress
	wants               goal
	refused             int   // exit status of the first cell that was not run
	lost                error // a peer, in a cell
}

// notSwept are flags that are the sweep's own, or have no meaning for a cell.
var notSwept = []string{
	"output", "quiet", "help", "out", "live", "dump-config", "dry-run", "save", "baseline", "store", "fail-if",
	"cpuprofile", "memprofile", "mutexprofile", "blockprofile", "goroutineprofile", "trace", "pprof-addr", "flight", "trace-breach",
}

func newSweepOf(inner *cobra.Command) *cobra.Command {
	s := &sweeper{name: inner.Name(), inner: inner.Flags(), output: "text"}
	cmd := &cobra.Command{
		Use: s.name, Short: "Sweep " + s.name, Args: cobra.NoArgs,
		Long: fmt.Sprintf(`%s is run for every combination of the values that its flags are given: see
"evdbench sweep --help" for lists and --find, and "evdbench %s --help" for what is
measured.

  evdbench sweep %s --mode spin,event,adaptive --batch 1..64*4`, s.name, s.name, s.name),
	}
	f := cmd.Flags()
	f.VarP(choice{&s.output, render.Formats()}, "output", "o", "form of the result")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "no messages on standard error but errors")
	f.Var(&s.vary, "vary", "NAME=LIST: another flag and its values; may be repeated")
	f.Var(text{&s.order, "order"}, "order", "order of the cells: given, or random:SEED against what changes with time (default given)")
	if s.inner.Lookup("rate") != nil {
		f.Var(text{&s.find, "condition"}, "find", "find the highest rate at which conditions hold, such as 'rate where resp.p99<20us and cpu<80'")
		f.Var(rate{&s.search.From}, "from", "with --find: the first rate tried (default 1k)")
		f.Var(rate{&s.search.To}, "to", "with --find: the highest rate tried (default 100M)")
		f.Var(probability{&s.search.Precision}, "precision", "with --find: the search ends when the bracket is that narrow (default 0.05)")
		f.Var(natural{&s.search.Repeat, 1, 99}, "majority", "with --find: runs near the edge, of which most decide (default 3)")
	}
	s.out.flags(f)
	f.Var(&s.tags, "tag", "label the result; may be repeated")
	s.from.flags(cmd)
	s.inner.VisitAll(func(in *pflag.Flag) {
		if f.Lookup(in.Name) == nil && !slices.Contains(notSwept, in.Name) {
			own := *in
			own.Value = &listed{in: in}
			own.Changed = false
			f.AddFlag(&own)
		}
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return s.run(cmd) }
	return cmd
}

// listed is a list of values of another flag. What that one takes as it is, is one
// value.
type listed struct {
	in     *pflag.Flag
	text   string
	values []string
}

func (l *listed) String() string { return l.text }
func (l *listed) Type() string {
	if l.in == nil {
		return "list"
	}
	return l.in.Value.Type()
}

func (l *listed) Set(s string) error {
	values := []string{s}
	if err := l.in.Value.Set(s); err != nil {
		list, lerr := sweep.List(s)
		if lerr != nil || len(list) == 1 {
			return err
		}
		for _, v := range list {
			if err := l.in.Value.Set(v); err != nil {
				return fmt.Errorf("%q: %w", v, err)
			}
		}
		values = list
	}
	l.text, l.values = s, values
	return nil
}

// pairsOf are NAME=LIST.
type pairsOf []sweep.Axis

func (p *pairsOf) String() string { return strings.Join(p.GetSlice(), " ") }
func (p *pairsOf) Type() string   { return "NAME=LIST" }

// Append, Replace and GetSlice make it a pflag.SliceValue, for settings from files.
func (p *pairsOf) Append(s string) error { return p.Set(s) }

// Replace sets all pairs.
func (p *pairsOf) Replace(all []string) error {
	var n pairsOf
	for _, s := range all {
		if err := n.Set(s); err != nil {
			return err
		}
	}
	*p = n
	return nil
}

// GetSlice returns all pairs.
func (p *pairsOf) GetSlice() []string {
	words := make([]string, len(*p))
	for i, a := range *p {
		words[i] = a.Name + "=" + strings.Join(a.Values, ";")
	}
	return words
}

func (p *pairsOf) Set(s string) error {
	name, list, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("must be NAME=LIST, such as mode=spin,event")
	}
	values, err := sweep.List(list)
	if err != nil {
		return err
	}
	*p = append(*p, sweep.Axis{Name: name, Values: values})
	return nil
}

// axes are the flags that were given, in that order.
func (s *sweeper) axes(cmd *cobra.Command) ([]sweep.Axis, error) {
	var axes []sweep.Axis
	f := cmd.Flags()
	f.SortFlags = false // Visit keeps the order of the command line
	f.Visit(func(f *pflag.Flag) {
		if l, ok := f.Value.(*listed); ok {
			axes = append(axes, sweep.Axis{Name: f.Name, Values: l.values})
		}
	})
	for _, a := range s.vary {
		in := s.inner.Lookup(a.Name)
		if in == nil || slices.Contains(notSwept, a.Name) {
			return nil, fmt.Errorf("--vary = %q: must name a flag of %s", a.Name, s.name)
		}
		for _, v := range a.Values {
			if err := in.Value.Set(v); err != nil {
				return nil, fmt.Errorf("--vary %s = %q: %w", a.Name, v, err)
			}
		}
		axes = append(axes, a)
	}
	return axes, nil
}

func (s *sweeper) run(cmd *cobra.Command) error {
	axes, err := s.axes(cmd)
	if err != nil {
		return err
	}
	cells, err := sweep.Plan(axes)
	if err != nil {
		return err
	}
	order, err := s.ordered(len(cells))
	if err != nil {
		return err
	}
	if s.find != "" {
		if s.wants, err = parseGoal(s.find); err != nil {
			return fmt.Errorf("--find = %q: %w", s.find, err)
		}
		if f := cmd.Flags().Lookup("rate"); f.Changed {
			return errors.New("--rate = " + f.Value.String() + ": must be left out with --find, which looks for it: --from and --to bound it")
		}
	}
	if s.from.dry {
		return plan(cmd, fmt.Sprintf("sweep of %s, %d cells", s.name, len(cells)), s.output, s.out)
	}
	if err := s.out.prepare(); err != nil {
		return err
	}
	s.says = cmd.ErrOrStderr()
	if s.quiet {
		s.says = io.Discard
	}
	file := &result.File{
		Schema: result.Schema, Command: "sweep", Version: bench.Version(), Start: time.Now().UTC(),
		Settings: settings(cmd.Flags()), Tags: s.tags.m, Warnings: []string{},
	}
	all := make([]*result.File, len(cells))
	for k, i := range order {
		if cmd.Context().Err() != nil {
			break
		}
		fmt.Fprintf(s.says, "evdbench: sweep: cell %d of %d: %s %v\n", k+1, len(cells), s.name, cells[i])
		if s.find == "" {
			all[i] = s.cell(cmd.Context(), cells[i])
		} else {
			all[i] = s.seek(cmd.Context(), cells[i])
		}
	}
	for _, c := range all {
		if c != nil {
			file.Cells = append(file.Cells, c)
		}
	}
	return s.finish(cmd, file)
}

// ordered is the order in which n cells are run.
func (s *sweeper) ordered(n int) ([]int, error) {
	if seed, ok := strings.CutPrefix(s.order, "random:"); ok {
		if v, err := strconv.ParseUint(seed, 10, 64); err == nil {
			return sweep.Shuffled(n, v), nil
		}
	} else if s.order == "" || s.order == "given" {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		return order, nil
	}
	return nil, fmt.Errorf("--order = %q: must be given or random:SEED", s.order)
}

// finish writes the result, and says how it went.
func (s *sweeper) finish(cmd *cobra.Command, file *result.File) error {
	measured, invalid := 0, ""
	for _, c := range file.Cells {
		if len(c.Reps) > 0 {
			measured++
		}
		for _, r := range c.Reps {
			if !r.OK() && s.find == "" {
				invalid = strings.Join(append(r.Conservation.Violations, r.Invalid...), "; ")
			}
		}
	}
	interrupted := cmd.Context().Err() != nil
	switch {
	case measured == 0 && interrupted:
		return &statusError{exitInterrupted, errSilent}
	case measured == 0 && len(file.Cells) > 0:
		return &statusError{s.refused, errors.New("no cell could be measured: " + strings.Join(file.Cells[0].Warnings, "; "))}
	}
	if err := s.out.deliver(cmd, s.output, file); err != nil {
		return failed(err)
	}
	for _, c := range file.Cells {
		for _, w := range c.Warnings {
			fmt.Fprintf(s.says, "evdbench: sweep: %s: %s\n", c.Tags["cell"], w)
		}
	}
	switch {
	case interrupted:
		return &statusError{exitInterrupted, errSilent}
	case invalid != "":
		return &statusError{exitInvalid, fmt.Errorf("a cell is invalid: %s", invalid)}
	case s.lost != nil:
		return &statusError{exitPeerLost, s.lost}
	}
	return nil
}

// cell runs one combination, as its command would be run. What it could not run it
// says in Warnings.
func (s *sweeper) cell(ctx context.Context, c sweep.Cell) *result.File {
	args := []string{s.name}
	for _, x := range c {
		args = append(args, "--"+x.Name+"="+x.Value)
	}
	var out, errs strings.Builder
	status := run(commandLineOnly(ctx), append(args, "--output=json", "--quiet"), &out, &errs)
	f, err := result.Read(strings.NewReader(out.String()))
	if err != nil {
		f = &result.File{Schema: result.Schema, Command: s.name, Version: bench.Version(), Start: time.Now().UTC(), Warnings: []string{}}
		why, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		f.Warnings = append(f.Warnings, why)
		if s.refused == exitOK {
			s.refused = status
		}
	} else if status != exitOK && status != exitInterrupted {
		f.Warnings = append(f.Warnings, strings.TrimSpace(errs.String()))
		if status == exitPeerLost {
			s.lost = fmt.Errorf("in a cell: %s", strings.TrimSpace(errs.String()))
		}
	}
	f.Settings = map[string]string{}
	for _, x := range c {
		f.Settings[x.Name] = x.Value
	}
	if f.Tags == nil {
		f.Tags = map[string]string{}
	}
	f.Tags["cell"] = c.String()
	return f
}
