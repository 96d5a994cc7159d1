package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench/turns"
)

// inTurns tells whether compare has started this process, to measure when told to.
func inTurns() bool { return os.Getenv(turns.Variable) != "" }

// takeTurns is a run in a comparison, which says how long and how often. What a file or
// the environment says of that is for runs by themselves.
func (o *options) takeTurns(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if len(f.Annotations[fromKey]) > 0 || err != nil {
			return
		}
		switch group := groupOf(f); {
		case slices.Contains([]string{"duration", "count", "warmup", "reps"}, f.Name):
			err = fmt.Errorf("--%s = %s: must be left out in a comparison, whose own flags say how long and how often", f.Name, f.Value)
		case group == groupOutput && f.Name != "quiet", group == groupGate, group == groupProfile, f.Name == "dry-run", f.Name == "dump-config":
			err = fmt.Errorf("--%s = %s: must be left out in a comparison, which has a result of its own", f.Name, f.Value)
		}
	})
	if err != nil {
		return err
	}
	err = turns.Serve(cmd.Context(), o.cfg, cmd.InOrStdin(), cmd.OutOrStdout())
	if errors.Is(err, context.Canceled) {
		return &statusError{exitInterrupted, errSilent}
	}
	return failed(err)
}
