package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// run is evdbench: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	return explain(stderr, cmd, err)
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "evdbench",
		Short: "Measure the event engine over a mock completion queue or soft-RoCE",
		Long: `evdbench measures the event engine: latency with one event in flight (lat) and
throughput with many (bw), over a mock completion queue or a soft-RoCE device.

Every run ends with a conservation line, counted by those who make the events
and those who get them.

Each flag may also be a variable (--spin is EVDBENCH_SPIN) and a key of a TOML
file (--config). The command line comes before the environment, that before the
file, that before a preset. The result is on standard output, all else on
standard error.

` + statusText(),
		Example: `  evdbench lat --cq mock --mode event
  evdbench bw --preset throughput --reps 5 --out runs/today
  evdbench explain p99`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return noCommand(cmd)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := fmt.Fprint(cmd.OutOrStderr(), usage(cmd))
		return err
	})
	for _, make := range []func() *cobra.Command{
		newLat, newBW, newWake, newSweep, newJitter,
		newCompare, newReport, newPlot, newProfile,
		newDoctor, newCQs, newCheck, newRXE, newServe, newNodes,
		newExplain, newMan, newVersion,
	} {
		if cmd := make(); cmd != nil {
			root.AddCommand(cmd)
		}
	}
	each(root, func(c *cobra.Command) {
		if c != root { // it has a list of statuses
			c.Long = reflowed(c.Long)
		}
		if c.HasSubCommands() {
			c.Args = noSuchCommand
		}
		configured(c)
	})
	strict(root)
	return root
}

// each calls f with c and all commands below it.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		each(sub, f)
	}
}

// strict makes the commands that come with cobra refuse what they do not know:
// they print some help and succeed.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(cmd *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					_, names := child(root, "")
					return fmt.Errorf("unknown command %q%s", strings.Join(args, " "), alike(args[0], names, ""))
				}
				return nil
			}
		case "completion":
			c.Args = noSuchCommand
			c.RunE = func(cmd *cobra.Command, _ []string) error { return noCommand(cmd) }
			for _, shell := range c.Commands() {
				if write := shell.RunE; write != nil {
					shell.RunE = func(cmd *cobra.Command, args []string) error { return failed(write(cmd, args)) }
				}
			}
		}
	}
}

// noCommand is for a command that only has subcommands.
func noCommand(cmd *cobra.Command) error {
	cmd.SetOut(cmd.ErrOrStderr()) // no result was asked for
	_ = cmd.Help()
	return errors.New("which command?")
}
