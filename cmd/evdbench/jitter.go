package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/internal/hostinfo"
)

// floor measures the host's jitter before a run whose result is a latency. 55 ms.
func (o *options) floor(ctx context.Context) *bench.Floor {
	if o.cfg.Workload != bench.Lat && o.cfg.Workload != bench.WakeUp {
		return nil
	}
	return bench.MeasureFloor(ctx)
}

func newJitter() *cobra.Command {
	var cfg bench.JitterConfig
	var out outDir
	var tags tags
	var from config
	output, quiet := "text", false
	cmd := &cobra.Command{
		Use:   "jitter",
		Short: "Measure what this host does to a goroutine, without any engine",
		Long: `jitter measures the host's own floor: how late a goroutine that spins sees a
moment that it waits for (one each --period), and how late one that sleeps for
--sleep is woken. Interrupts, other threads, the hypervisor and power states
make it late. No latency measured here can have a better tail than that.

A moment that falls into a gap, in which the goroutine does not run, is late by
the rest of the gap: as an event would be that comes at that moment. Gaps of
more than 1us are counted.

With --cpus each of these CPUs is spun on for --duration, one after the other.
Take those with the smallest maximum for --pin. "evdbench doctor" says what
makes the others bad.`,
		Example: `  evdbench jitter
  evdbench jitter --cpus 0-3 --duration 10s`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(positive{&cfg.Duration, ""}, "duration", "how long each part takes: spinning (on each CPU), and sleeping (default 2s)")
	f.Var(positive{&cfg.Period, ""}, "period", "time between the moments that a spinning goroutine waits for, 1us to 1s (default 5us)")
	f.Var(positive{&cfg.Sleep, ""}, "sleep", "how long a sleeping goroutine wants to sleep, 1us to 1s (default 100us)")
	f.BoolVar(&cfg.NoSleep, "no-sleep", false, "leave the sleeping part out")
	f.Var(cpuList{&cfg.CPUs}, "cpus", "spin on each of these CPUs, such as 0-3,6 (default wherever the scheduler runs it)")
	f.VarP(choice{&output, render.Formats()}, "output", "o", "form of the result")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(render.Formats(), cobra.ShellCompDirectiveNoFileComp))
	f.BoolVarP(&quiet, "quiet", "q", false, "no messages on standard error but errors")
	out.flags(f)
	f.Var(&tags, "tag", "label the result; may be repeated")
	from.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cfg.Validate(); err != nil {
			return failed(err)
		}
		if from.dry {
			return plan(cmd, fmt.Sprintf("jitter for %v", jitterTime(cfg)), output, out)
		}
		if err := out.prepare(); err != nil {
			return err
		}
		if !quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: jitter for %v\n", jitterTime(cfg))
		}
		file := &result.File{
			Schema: result.Schema, Command: bench.Jitter, Version: bench.Version(), Start: time.Now().UTC(),
			Settings: settings(f), Tags: tags.m, Warnings: []string{},
		}
		r, err := bench.MeasureJitter(cmd.Context(), cfg)
		if err != nil {
			return failed(err)
		}
		file.Reps = append(file.Reps, r)
		return verdict(file, out.deliver(cmd, output, file))
	}
	return cmd
}

// jitterTime is how long it will take.
func jitterTime(c bench.JitterConfig) time.Duration {
	parts := max(1, len(c.CPUs))
	if !c.NoSleep {
		parts++
	}
	d := c.Duration
	if d == 0 {
		d = bench.DefaultJitterDuration
	}
	return time.Duration(parts) * d
}

// cpuList is a list of CPUs as Linux writes it: 0-3,6.
type cpuList struct{ v *[]int }

func (c cpuList) String() string {
	if c.v == nil {
		return ""
	}
	return hostinfo.Ranges(*c.v)
}
func (c cpuList) Type() string { return "cpus" }

func (c cpuList) Set(s string) error {
	cpus, ok := bench.ParseCPUs(s)
	if !ok {
		return errors.New("must be a list of CPUs, each once, such as 2 or 0-3,6")
	}
	*c.v = cpus
	return nil
}
