package main

import "github.com/spf13/pflag"

// hostFlags are the flags that say what the host is made to do.
func (o *options) hostFlags(f *pflag.FlagSet) {}
