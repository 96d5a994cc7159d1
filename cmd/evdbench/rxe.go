package main

import (
	"github.com/spf13/cobra"
)

// link is a soft-RoCE link on a network device.
type link struct {
	dev    string // RDMA device
	netdev string // network device under it
	addr   string // of netdev, as 10.99.0.1/24; "": leave as it is
}

func newRXE() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rxe",
		Short: "Make and remove a soft-RoCE device (Linux, root)",
		Args:  noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return noCommand(cmd)
		},
	}
	l := &link{}
	up := &cobra.Command{
		Use:   "up",
		Short: "Make a soft-RoCE device on a network device",
		Long: `up makes a soft-RoCE device on a network device. If there is no network device
of that name and it begins with "dummy", a dummy one is made. What is there
already is left as it is, so up may be repeated.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.validate(); err != nil {
				return failed(err)
			}
			return failed(l.up(cmd.ErrOrStderr()))
		},
	}
	down := &cobra.Command{
		Use:   "down",
		Short: "Remove the soft-RoCE device, and its network device if that is a dummy",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.validate(); err != nil {
				return failed(err)
			}
			return failed(l.down(cmd.ErrOrStderr()))
		},
	}
	for _, c := range []*cobra.Command{up, down} {
		c.Flags().StringVar(&l.dev, "dev", "rxe0", "soft-RoCE `device`")
		c.Flags().StringVar(&l.netdev, "netdev", "dummy0", "network `device` under it")
	}
	up.Flags().StringVar(&l.addr, "addr", "10.99.0.1/24", "`address/prefix` to give to the network device; empty: none")
	cmd.AddCommand(up, down)
	return cmd
}
