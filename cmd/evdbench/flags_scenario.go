package main

import "github.com/spf13/pflag"

// scenarioFlags are the flags that say what is run: engine, policy, faults.
func (o *options) scenarioFlags(f *pflag.FlagSet) {}
