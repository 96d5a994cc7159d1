package main

import "github.com/spf13/cobra"

func newSweep() *cobra.Command { return nil }
