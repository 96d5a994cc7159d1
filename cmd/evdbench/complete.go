package main

import (
	"github.com/spf13/cobra"

	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/verbs"
)

// devices completes --dev with what is there. An error is none to the shell: there
// is nothing to choose from.
func devices(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	seen := map[string]bool{}
	soft, _ := rxe.Devices()
	for _, d := range soft {
		if d.RXE {
			seen[d.Name] = true
			all = append(all, d.Name+"\tsoft-RoCE on "+d.NetDev)
		}
	}
	hard, _ := verbs.Devices()
	for _, d := range hard {
		if !seen[d.Name] {
			all = append(all, d.Name+"\tthrough libibverbs")
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
