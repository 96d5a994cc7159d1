package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

func newVersion() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `version prints the version of evdbench, of Go, and the platform; with --json
also the commit and the version of the result files that this evdbench reads.`,
		Example: "  evdbench version --json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if asJSON {
			return failed(document(map[string]any{
				"version": bench.Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				"commit": commit(), "schema": result.Schema,
			})(cmd.OutOrStdout()))
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "evdbench %s %s %s/%s\n", bench.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return failed(err)
	}
	return cmd
}

// commit is what the program was built from; "" if the Go tool did not record it.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
