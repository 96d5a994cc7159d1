package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/evdengine/evd/bench"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the manual pages into a folder",
		Long: `man writes a manual page for each command into a folder, which is made. They
say what --help says.`,
		Example: `  evdbench man man1 && man -l man1/evdbench-lat.1`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return &statusError{exitUnavailable, fmt.Errorf("FOLDER = %q: %w", args[0], err)}
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Manual: "evdbench", Source: "evdbench " + bench.Version(), Date: built()}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return failed(err)
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: the manual pages are in %s\n", args[0])
			return failed(err)
		},
	}
}

// built is when the commit was made that the program was built from, so that the same
// program writes the same pages. nil: it is not known.
func built() *time.Time {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return nil
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return &t
			}
		}
	}
	return nil
}
