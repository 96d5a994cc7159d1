package main

import "github.com/spf13/cobra"

func newPlot() *cobra.Command { return nil }
