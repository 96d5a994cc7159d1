package main

import "github.com/spf13/cobra"

func newNodes() *cobra.Command { return nil }
