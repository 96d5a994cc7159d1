package main

import "github.com/spf13/pflag"

// loadFlags are the flags that say how requests are made.
func (o *options) loadFlags(f *pflag.FlagSet) {}
