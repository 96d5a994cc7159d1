package main

import "github.com/spf13/cobra"

func newProfile() *cobra.Command { return nil }
