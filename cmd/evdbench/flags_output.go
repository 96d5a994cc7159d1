package main

import "github.com/spf13/pflag"

// outputFlags are the flags that say where results go, and in which form.
func (o *options) outputFlags(f *pflag.FlagSet) {}
