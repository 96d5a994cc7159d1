package main

import "github.com/spf13/cobra"

func newWake() *cobra.Command { return nil }
