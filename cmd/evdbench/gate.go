package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/compare"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/stats"
)

// gates are what a measurement must pass, and where it is kept to be compared with.
type gates struct {
	failIf   []string
	save     string
	baseline string
	store    string

	conditions []stats.Condition
	before     *result.File // the baseline
}

func (g *gates) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	g.store = defaultStore
	f.Var(texts{&g.failIf, "condition"}, "fail-if", "exit with status 1 if this is so of the median over the repetitions, such as 'p99>5us', 'resp.p99.9>1ms', 'rate<200k/s' or 'lost>0'; more of them: if any is")
	f.Var(text{&g.save, "name"}, "save", "keep the result under this name, for --baseline")
	f.Var(text{&g.baseline, "name"}, "baseline", "compare with the result saved under this name; status 1 if it is worse, 4 if inconclusive")
	f.Var(text{&g.store, "folder"}, "store", "the folder where --save keeps results")
	_ = cmd.RegisterFlagCompletionFunc("baseline", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return store(g.store).names(), cobra.ShellCompDirectiveNoFileComp
	})
}

// prepare finds out before the run what cannot work after it.
func (g *gates) prepare(reps int) error {
	for _, t := range g.failIf {
		c, err := stats.ParseCondition(t)
		if err != nil {
			return fmt.Errorf("--fail-if = %q: %w", t, err)
		}
		g.conditions = append(g.conditions, c)
	}
	if g.save != "" {
		if _, err := store(g.store).path(g.save); err != nil {
			return fmt.Errorf("--save = %q: %w", g.save, err)
		}
	}
	if g.baseline == "" {
		return nil
	}
	var err error
	if g.before, err = store(g.store).load(g.baseline); err != nil {
		return fmt.Errorf("--baseline = %q: %w", g.baseline, err)
	}
	least := compare.LeastReps(compare.FilesConfidence)
	if n := len(g.before.Reps); n < least {
		return fmt.Errorf("--baseline = %q: must have %d repetitions or more, and has %d", g.baseline, least, n)
	}
	if reps < least {
		return fmt.Errorf("--reps = %d: must be %d or more with --baseline", max(reps, 1), least)
	}
	return nil
}

// status is the exit status of failed gates: 4 if all that is wrong is that the
// comparison is inconclusive.
func (g *gates) status(err error) error {
	if err == nil {
		return nil
	}
	for _, e := range split(err) {
		var se *statusError
		if !errors.As(e, &se) {
			return &statusError{exitFailed, err}
		}
	}
	return &statusError{exitInvalid, err}
}

// check holds a complete, valid measurement against the gates and keeps it. w is for
// the comparison with the baseline.
func (g *gates) check(file *result.File, w io.Writer) error {
	err := errors.Join(g.conditionsHold(file), g.compare(file, w))
	if g.save == "" {
		return g.status(err)
	}
	if err != nil && g.save == g.baseline {
		return g.status(errors.Join(err, &statusError{exitInvalid, fmt.Errorf("not saved: the baseline %q stays", g.baseline)}))
	}
	if serr := store(g.store).save(g.save, file); serr != nil {
		err = errors.Join(err, fmt.Errorf("--save = %q: %w", g.save, serr))
	}
	return g.status(err)
}

// conditionsHold returns an error that names each of --fail-if that is so. One that
// cannot be looked at fails too: a gate that can never close is none.
func (g *gates) conditionsHold(file *result.File) error {
	var reps [][]stats.Metric
	for _, r := range file.Reps {
		reps = append(reps, stats.Metrics(r))
	}
	var errs []error
	for _, c := range g.conditions {
		values, why, ok := stats.Sample(reps, c.Metric)
		if !ok {
			errs = append(errs, fmt.Errorf("--fail-if '%s': %s", c.Text, why))
			continue
		}
		unit := stats.Unit(c.Metric)
		if m := stats.Median(values, 0.95).Center; c.Holds(m) {
			errs = append(errs, fmt.Errorf("--fail-if '%s': %s is %s", c.Text, c.Metric, stats.Format(m, unit)))
		}
	}
	return errors.Join(errs...)
}

func (g *gates) compare(file *result.File, w io.Writer) error {
	if g.before == nil {
		return nil
	}
	r, err := compare.Files(
		compare.Named{Name: g.baseline, Files: []*result.File{g.before}},
		compare.Named{Name: "this run", Files: []*result.File{file}}, compare.Options{}, false)
	if err != nil {
		return fmt.Errorf("--baseline = %q: %w", g.baseline, err)
	}
	if err := r.Text(w, false); err != nil {
		return err
	}
	switch r.Verdict() {
	case stats.Worse:
		return fmt.Errorf("--baseline = %q: %s is worse", g.baseline, r.Primary)
	case stats.Inconclusive:
		return &statusError{exitInvalid, fmt.Errorf("--baseline = %q: %s is inconclusive", g.baseline, r.Primary)}
	}
	return nil
}
