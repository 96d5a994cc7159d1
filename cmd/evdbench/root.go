package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

// run is evdbench: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	return explain(stderr, cmd.CommandPath(), err)
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "evdbench",
		Short: "Measure the event engine over a mock completion queue or soft-RoCE",
		Long: `evdbench measures the event engine: latency with one event in flight (lat) and
throughput with many (bw), over a mock completion queue or a soft-RoCE device.

Every run ends with a conservation line, counted by those who make the events
and those who get them. Exit status: 0 ok, 1 another failure, 2 usage, 3 the
completion queue or the server is not available here, 4 an event was lost,
doubled or out of order, 5 the peer was lost in the run (what had been accepted
came back all the same), 130 interrupted (with a partial report).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return noCommand(cmd)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
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
	strict(root)
	return root
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
					return fmt.Errorf("unknown command %q", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			c.RunE = func(cmd *cobra.Command, _ []string) error { return noCommand(cmd) }
		}
	}
}

// noCommand is for a command that only has subcommands.
func noCommand(cmd *cobra.Command) error {
	cmd.SetOut(cmd.ErrOrStderr()) // no result was asked for
	_ = cmd.Help()
	return errors.New("which command?")
}

// flagError words a bad value as the library does.
func flagError(err error) error {
	var iv *pflag.InvalidValueError
	if errors.As(err, &iv) {
		return fmt.Errorf("--%s = %q: %w", iv.GetFlag().Name, iv.GetValue(), iv.Unwrap())
	}
	return err
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "evdbench %s %s %s/%s\n", bench.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return failed(err)
		},
	}
}
