package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/verbs"
)

func newCQs() *cobra.Command {
	return &cobra.Command{
		Use:   "cqs",
		Short: "List the completion queues and whether they can be used here",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(tw, "mock\tavailable\tsimulated hardware in this process\n")
			devs, err := rxe.Devices()
			found := 0
			for _, d := range devs {
				if d.RXE {
					fmt.Fprintf(tw, "rxe\tavailable\t--dev %s, on network device %s\n", d.Name, d.NetDev)
					found++
				}
			}
			switch {
			case err != nil:
				fmt.Fprintf(tw, "rxe\tunavailable\t%v\n", err)
			case found == 0:
				fmt.Fprintf(tw, "rxe\tunavailable\tno rxe device; \"evdbench rxe up\" makes one\n")
			}
			verbsRows(tw)
			return failed(tw.Flush())
		},
	}
}

// verbsRows lists what libibverbs can open.
func verbsRows(w io.Writer) {
	devs, err := verbs.Devices()
	for _, d := range devs {
		fmt.Fprintf(w, "verbs\tavailable\t--dev %s\n", d.Name)
	}
	switch {
	case err != nil:
		fmt.Fprintf(w, "verbs\tunavailable\t%v\n", err)
	case len(devs) == 0:
		fmt.Fprintf(w, "verbs\tunavailable\tlibibverbs knows no device\n")
	}
}
