package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/compare"
	"github.com/evdengine/evd/bench/stats"
)

// comparing are the flags of compare.
type comparing struct {
	opts     compare.Options
	binaries []string
	a        string
	b        []string
	aa       bool
	engines  bool
	limits   []string
	force    bool
	all      bool
	output   string
	quiet    bool
}

func newCompare() *cobra.Command {
	c := &comparing{output: "text"}
	cmd := &cobra.Command{
		Use:   "compare {A.json B.json | HOW -- {lat|bw|wake} FLAGS}",
		Short: "Compare two binaries, settings, engines or results, and say whether they differ",
		Long: `compare says whether B is better or worse than A, by how much, and whether that
is more than two identical runs differ by on this machine.

  evdbench compare --binary ./old --binary ./new -- bw --mode spin
  evdbench compare --a '--mode spin' --b '--mode event' -- lat
  evdbench compare --engines -- bw          what the state word buys here
  evdbench compare --aa -- lat              what identical runs differ by here
  evdbench compare base.json new.json       what was measured before

What is compared takes turns: in each block fresh processes are started, two of
A and two of B, and each measures for --turn (25 ms) in every one of --rounds
(6) rounds, in random order. A difference is the median over the pairs of a
block, so that a moment in which the machine was slow does not count; over the
blocks it has a confidence interval that holds however many blocks there are.
The two processes of A, and those of B, tell the noise floor: what identical
runs differ by.

  worse, better  0 is outside the interval, and the difference is above the
                 floor and above half of --effect
  same           the whole interval is within --effect, and so is the floor
  inconclusive   anything else: too noisy a machine, or too few blocks

It ends as soon as the metric that decides (--metric) has a verdict, looking
only after numbers of blocks fixed beforehand, with intervals wide enough for
all looks together. Other metrics are listed, and decide nothing unless they
have a --limit.

Result files were measured one after the other, so what changed on the machine
in between is in the difference and not in the floor. Those of different hosts
are refused (--force).

Exit status: 0 same or better, 1 worse or over a limit, 2 usage (a file that
cannot be read too), 4 inconclusive or an invalid run, 130 interrupted.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	f := cmd.Flags()
	grouped(f, groupTarget, func() {
		f.Var(texts{&c.binaries, "program"}, "binary", "what to compare, twice: the old program and the new one; once: with this one (default this one)")
		f.Var(text{&c.a, "flags"}, "a", "flags of A, beside those after --")
		f.Var(texts{&c.b, "flags"}, "b", "flags of B, beside those after --; each of several is compared with A")
		f.BoolVar(&c.aa, "aa", false, "compare this program with itself: the noise floor of this machine")
		f.BoolVar(&c.engines, "engines", false, "compare the engine with what one would write without it: a spinlock and a flag, a mutex, a channel")
		f.BoolVar(&c.force, "force", false, "compare results of different hosts")
	})
	grouped(f, groupMeasure, func() {
		f.Var(natural{v: &c.opts.MaxReps, least: 1}, "max-reps", "blocks at most (default 60)")
		f.Var(positive{&c.opts.MaxTime, ""}, "max-time", "begin no block after this time (default 10m)")
		f.Var(natural{v: &c.opts.Rounds, least: 1}, "rounds", "turns of each process in a block (default 6)")
		f.Var(positive{&c.opts.Turn, ""}, "turn", "measured time of a turn (default 25ms; more where a percentile needs it)")
		f.Var(positive{&c.opts.Warmup, ""}, "turn-warmup", "what is not measured of a turn at first (default 5ms)")
		f.Var(seed{&c.opts.Seed}, "order-seed", "seed of the order of turns (default any)")
	})
	grouped(f, groupGate, func() {
		f.Var(text{&c.opts.Metric, "metric"}, "metric", "the metric that decides, such as rate, p50, resp.p99, cpu (default rate for bw, else p99)")
		f.Var(share{&c.opts.Effect}, "effect", "the difference that matters (default 10% for percentiles above 95, max and sd; else 5%)")
		f.Var(share{&c.opts.Confidence}, "confidence", "of the verdict (default 99%, of result files 95%)")
		f.Var(texts{&c.limits, "metric=percent"}, "limit", "fail if a metric got worse by more than that, such as cpu=+10% or rate=-3%")
	})
	grouped(f, groupOutput, func() {
		f.BoolVar(&c.all, "all", false, "list every metric")
		f.VarP(choice{&c.output, []string{"text", "json"}}, "output", "o", "form of the result")
		f.BoolVarP(&c.quiet, "quiet", "q", false, "no messages on standard error but errors")
	})
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *comparing) run(cmd *cobra.Command, args []string) error {
	limits, err := compare.ParseLimits(c.limits)
	if err != nil {
		return err
	}
	if err := c.opts.Validate(); err != nil {
		return failed(err)
	}
	var r *compare.Result
	if c.interleaved() || cmd.ArgsLenAtDash() >= 0 {
		if c.force {
			return errors.New("--force = true: must be left out where something is measured: it is for result files")
		}
		r, err = c.measure(cmd, args)
	} else {
		if err := c.onlyFiles(cmd); err != nil && len(args) == 2 {
			return err
		}
		r, err = c.files(args)
	}
	if r == nil {
		return err
	}
	r.Limit(limits)
	if werr := unwritten(c.write(cmd, r)); werr != nil {
		if werr = rescued(cmd, werr, "compare", r.JSON); err == nil {
			err = failed(werr)
		}
	}
	if err != nil {
		return err
	}
	return c.verdict(r)
}

// onlyFiles refuses flags that say how to measure.
func (c *comparing) onlyFiles(cmd *cobra.Command) error {
	for _, name := range []string{"max-reps", "max-time", "rounds", "turn", "turn-warmup", "order-seed"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			return fmt.Errorf("--%s = %v: must be left out with result files: nothing is measured", name, f.Value)
		}
	}
	return nil
}

func (c *comparing) interleaved() bool {
	return len(c.binaries) > 0 || c.a != "" || len(c.b) > 0 || c.aa || c.engines
}

func (c *comparing) write(cmd *cobra.Command, r *compare.Result) error {
	if c.output == "json" {
		return r.JSON(cmd.OutOrStdout())
	}
	return r.Text(cmd.OutOrStdout(), c.all)
}

// verdict is the exit status.
func (c *comparing) verdict(r *compare.Result) error {
	if over := r.Exceeded(); len(over) > 0 {
		return &statusError{exitFailed, fmt.Errorf("over a limit: %s", strings.Join(over, "; "))}
	}
	if c.engines || c.aa {
		return nil // nothing is at stake
	}
	switch r.Verdict() {
	case stats.Worse:
		return &statusError{exitFailed, fmt.Errorf("%s is worse", r.Primary)}
	case stats.Inconclusive:
		return &statusError{exitInvalid, fmt.Errorf("%s is inconclusive", r.Primary)}
	}
	return nil
}

// progress tells on standard error how far it is.
func (c *comparing) progress(cmd *cobra.Command) func(compare.Progress) {
	if c.quiet {
		return nil
	}
	return func(p compare.Progress) {
		if p.Looked == nil {
			return
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: %d blocks of at most %d, %v: %s\n",
			p.Blocks, p.Most, p.Elapsed.Round(100*time.Millisecond), compare.Brief(p.Looked))
	}
}
