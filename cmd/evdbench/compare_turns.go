package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/turns"
)

// turnsFlag makes lat, bw and wake take turns with other processes, for compare.
const turnsFlag = "in-turns"

// turnFlags is the hidden flag.
func (o *options) turnFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.inTurns, turnsFlag, false, "measure when told to on standard input, for compare")
	_ = cmd.Flags().MarkHidden(turnsFlag)
}

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
