package main

import "github.com/spf13/cobra"

func newMan() *cobra.Command { return nil }
