package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

func newWake() *cobra.Command {
	o := &options{cfg: bench.Config{Workload: bench.WakeUp}}
	cmd := o.command("wake", "Measure what it costs to be asleep when an event comes", `wake measures the cost of sleeping by itself: the time from the event of a
completion queue that is armed, and whose poller is asleep, to the entry of the
upcall. The next event comes when the poller has slept for --rest again, so that
no two rounds overlap. A round in which something else woke the poller before the
event is not counted, and the report says how many there were.

The time is split into waking (until the poller is back from its wait), polling
(until it has the completion) and dispatching (until the upcall is entered); the
cost of arming is shown beside them. From it comes the recommended --spin of lat
and bw: who polls for as long as a wake-up takes before he sleeps never pays more
than twice what he would if he knew when the next completion comes.

What raises the event depends on --cq. mock: a goroutine that keeps its CPU stores
a completion in memory. eventfd: it writes to the descriptor. uring: it submits a
request that does nothing. rxe and verbs: it sends a message from one queue pair
to another of this process, whose way through the device is in the time.

With --mode adaptive the poller polls first, for --spin at most, and then sleeps;
the rest counts from when it fell asleep.`)
	cmd.Example = `  evdbench wake --mode event
  evdbench wake --cq eventfd --rest 5ms --count 2000`
	o.profiles.flight.flags(cmd.Flags())
	cmd.Flags().Var(positive{&o.cfg.Rest, ""}, "rest", "how long the poller sleeps before an event comes, 20us to 1s (default 200us)")
	return cmd
}

// stageFlags are the flags of lat beside those of all: what becomes of a latency.
func (o *options) stageFlags(f *pflag.FlagSet) {
	o.profiles.flight.flags(f)
	f.BoolVar(&o.cfg.Stages, "stages", false, "split the latency into post, queue, arm, wake, poll and dispatch, at the cost of more readings of the clock")
}
