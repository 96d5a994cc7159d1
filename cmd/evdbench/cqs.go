package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/check"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/eventfd"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/timer"
	"github.com/evdengine/evd/hwcq/uring"
	"github.com/evdengine/evd/hwcq/verbs"
)

// driver is a kind of CQ, and whether it can be used here.
type driver struct {
	Name      string             `json:"name"`
	What      string             `json:"what"`
	Commands  []string           `json:"commands"` // that take it as --cq
	Available bool               `json:"available"`
	Devices   []string           `json:"devices"`                // empty: it has none, or needs none
	Can       *hwcq.Capabilities `json:"capabilities,omitempty"` // of a CQ that was opened; nil: none was
	Why       string             `json:"why,omitempty"`          // it is not available
	Do        string             `json:"do,omitempty"`           // what helps
}

func newCQs() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "cqs",
		Short: "List the completion queues, what they can do, and why not here",
		Long: `cqs lists the kinds of completion queues, whether they can be used on this host,
with what devices, and what they can do: how many completions they hold, whether
arming twice is harmless and says what was missed, whether they tell solicited
completions, and what becomes of a completion that finds them full (recoverable:
kept; lossy: dropped and counted; fatal: the CQ is at its end).

It opens one CQ of each kind to find out, and closes it.`,
		Example: "  evdbench cqs\n  evdbench cqs -o json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().VarP(choice{&output, []string{"text", "json"}}, "output", "o", "form of the result")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		all := drivers()
		if output == "json" {
			return failed(document(map[string]any{"schema": 1, "drivers": all})(cmd.OutOrStdout()))
		}
		return failed(writeDrivers(cmd.OutOrStdout(), all))
	}
	return cmd
}

// drivers looks at all of them.
func drivers() []driver {
	all := []driver{
		opened("mock", "simulated hardware in this process", func() (hwcq.CQ, error) { return made(mock.New(mock.Config{})) }),
		opened("timer", "the runtime's timers", func() (hwcq.CQ, error) { return made(timer.New(timer.Config{})) }),
		opened("eventfd", "a Linux eventfd, to which anybody may add", func() (hwcq.CQ, error) { return made(eventfd.New(eventfd.Config{})) }),
		opened("uring", "io_uring", func() (hwcq.CQ, error) { return made(uring.Open(uring.Config{})) }),
		rxeDriver(),
		verbsDriver(),
	}
	for i := range all {
		d := &all[i]
		d.Commands = takers(d.Name)
		if d.Devices == nil {
			d.Devices = []string{}
		}
	}
	return all
}

// takers are the commands that take a CQ as --cq.
func takers(cq string) []string {
	all := []string{}
	for _, c := range []struct {
		command string
		cqs     []string
	}{
		{"lat", bench.CQNames(bench.Lat)},
		{"bw", bench.CQNames(bench.BW)},
		{"wake", bench.CQNames(bench.WakeUp)},
		{"check", check.CQs()},
		{"serve", servedCQs},
		{"nodes", servedCQs},
	} {
		if slices.Contains(c.cqs, cq) {
			all = append(all, c.command)
		}
	}
	return all
}

// made is cq as an interface, which is nil beside an error.
func made[T hwcq.CQ](cq T, err error) (hwcq.CQ, error) {
	if err != nil {
		return nil, err
	}
	return cq, nil
}

// opened opens a CQ and closes it.
func opened(name, what string, open func() (hwcq.CQ, error)) driver {
	d := driver{Name: name, What: what}
	cq, err := open()
	if err == nil {
		c := cq.Capabilities()
		d.Can, d.Available = &c, true
		err = cq.Close()
	}
	if err != nil {
		d.Available, d.Why, d.Do = false, err.Error(), helps(name, err)
	}
	return d
}

// helps says what can be done about a CQ that cannot be had.
func helps(name string, err error) string {
	switch {
	case name == "rxe":
		return "evdbench rxe up (root); make rxe runs the benchmark in a guest that has one"
	case name == "verbs":
		return "build with -tags verbs where libibverbs is, on a host with an RDMA device"
	case errors.Is(err, hwcq.ErrNotSupported):
		return "it is for Linux: --cq mock and --cq timer run everywhere"
	}
	return "evdbench doctor says what this host lacks"
}

func rxeDriver() driver {
	d := driver{Name: "rxe", What: "soft-RoCE, in pure Go"}
	devs, err := rxe.Devices()
	for _, dev := range devs {
		if dev.RXE {
			d.Devices = append(d.Devices, dev.Name)
		}
	}
	switch {
	case err != nil:
		d.Why = err.Error()
	case len(d.Devices) == 0:
		d.Why = "no rxe device"
	default:
		o := opened(d.Name, d.What, func() (hwcq.CQ, error) { return openRXE(d.Devices[0]) })
		o.Devices = d.Devices
		return o
	}
	d.Do = helps(d.Name, err)
	return d
}

// rxeCQ closes its device with it.
type rxeCQ struct {
	*rxe.CQ
	dev *rxe.Device
}

func (c *rxeCQ) Close() error { return errors.Join(c.CQ.Close(), c.dev.Close()) }

func openRXE(name string) (hwcq.CQ, error) {
	dev, err := rxe.Open(rxe.Config{Device: name})
	if err != nil {
		return nil, err
	}
	cq, err := dev.OpenCQ(rxe.CQConfig{})
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return &rxeCQ{cq, dev}, nil
}

// verbsDriver lists what libibverbs can open. No device is opened for it: that may
// take seconds on a large adapter.
func verbsDriver() driver {
	d := driver{Name: "verbs", What: "any RDMA device, through libibverbs"}
	devs, err := verbs.Devices()
	for _, dev := range devs {
		d.Devices = append(d.Devices, dev.Name)
	}
	switch {
	case err != nil:
		d.Why = err.Error()
	case len(devs) == 0:
		d.Why = "libibverbs knows no device"
	}
	if d.Available = d.Why == ""; !d.Available {
		d.Do = helps(d.Name, err)
	}
	return d
}

// abilities says what a CQ can do.
func abilities(c hwcq.Capabilities) string {
	yes := func(b bool, s, no string) string {
		if b {
			return s
		}
		return no
	}
	return strings.Join([]string{
		fmt.Sprintf("holds %d", c.Depth),
		yes(c.ArmIdempotent, "may be armed twice", "must not be armed twice"),
		yes(c.ReportsMissed, "says what an arm missed", "does not say what an arm missed"),
		yes(c.Solicited, "knows solicited completions", "knows no solicited completions"),
		"overruns are " + c.Overrun.String(),
	}, ", ")
}

func writeDrivers(w io.Writer, all []driver) error {
	var b strings.Builder
	for _, d := range all {
		status := "available"
		if !d.Available {
			status = "unavailable"
		}
		head := fmt.Sprintf("%-8s %-11s", d.Name, status)
		const indent = 21
		wrapLine(&b, head, d.What+" ("+strings.Join(d.Commands, ", ")+")", indent)
		more := strings.Repeat(" ", indent-1)
		if len(d.Devices) > 0 {
			wrapLine(&b, more, "--dev "+strings.Join(d.Devices, ", "), indent)
		}
		if d.Can != nil {
			wrapLine(&b, more, abilities(*d.Can), indent)
		}
		if d.Why != "" {
			wrapLine(&b, more, "why: "+d.Why, indent+5)
			wrapLine(&b, more, "do:  "+d.Do, indent+5)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
