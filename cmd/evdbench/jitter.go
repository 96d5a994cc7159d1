package main

import "github.com/spf13/cobra"

func newJitter() *cobra.Command { return nil }
