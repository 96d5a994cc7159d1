package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/turns"
)

// inTurns tells whether compare has started this process, to measure when told to.
func inTurns() bool { return os.Getenv(turns.Variable) != "" }

// takeTurns is a run in a comparison, which says how long and how often. What a file or
// the environment says of that is for runs by themselves.
func (o *options) takeTurns(cmd *cobra.Command) error {
	for _, name := range []string{"duration", "count", "warmup", "reps", "output", "out"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && len(f.Annotations[fromKey]) == 0 {
			return fmt.Errorf("--%s = %s: must be left out in a comparison, whose own flags say how long and how often", name, f.Value)
		}
	}
	err := turns.Serve(cmd.Context(), o.cfg, cmd.InOrStdin(), cmd.OutOrStdout())
	if errors.Is(err, context.Canceled) {
		return &statusError{exitInterrupted, errSilent}
	}
	return failed(err)
}
