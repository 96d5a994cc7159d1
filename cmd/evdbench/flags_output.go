package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// outputFlags are the flags that say where results go, and in which form.
func (o *options) outputFlags(f *pflag.FlagSet) {
	o.out.flags(f)
	f.Var(&o.tags, "tag", "label the result; may be repeated")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no messages on standard error but errors")
}

// measureFlags are the flags that say how often is measured.
func (o *options) measureFlags(f *pflag.FlagSet) {
	f.Var(natural{&o.reps, 1, maxReps}, "reps", "repetitions, each a whole run with its own warm-up (default 1)")
}

// maxReps bounds --reps: all of them are kept until the end.
const maxReps = 10_000

// configFlags are the flags that say where the others come from.
func (o *options) configFlags(cmd *cobra.Command) { o.config.flags(cmd) }
