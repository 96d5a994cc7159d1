package main

import "github.com/spf13/cobra"

func newCompare() *cobra.Command { return nil }
