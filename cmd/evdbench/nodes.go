package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/ranks"
	"github.com/evdengine/evd/bench/result"
)

// howToStart is for who has no launcher.
const howToStart = `start it with a launcher, for example
      mpirun -n 4 evdbench nodes --cq tcp
      srun -N 2 -n 4 evdbench nodes --cq rxe --pattern all-to-all`

// ranked are the flags of nodes beside those of every measurement.
type ranked struct {
	*options
	cfg ranks.Config
}

func newNodes() *cobra.Command {
	n := &ranked{options: &options{}} // of either workload: no flags of one alone
	cmd := n.command("nodes", "Measure between many nodes, under mpirun or srun", `nodes measures between many processes at once. A launcher starts them, mpirun or
srun; each is a rank, and each rank is a node. They find each other through what
the launcher puts into their environment, begin together, and rank 0 prints one
result: the latencies of all, merged exactly, and a table with a line for each.

A flow is what lat and bw --server measure between two nodes: each message
carries its number, and both sides check that each one comes once and in order.
--pattern says which ranks have one:
  pairs       rank 0 to 1, 2 to 3, ..; an even number of ranks
  ring        each to the next, the last to the first
  incast      all others to rank 0
  all-to-all  each to each, in both directions

A flow's client, the first named, measures: with --workload lat round trips, one
in flight; with bw the messages that it sends, and for each the time until it is
acknowledged. A mere server's rate is that of what comes, warm-up included.

Over --cq tcp no device is needed: messages go over TCP sockets, and this
program's own goroutines complete them into a mock CQ.

Rank 0 is found by itself under Open MPI, MPICH and Slurm; where it is not,
--rendezvous or --rendezvous-file tell where it is. All ranks must be given the
same flags.

Rank 0's exit status counts, that of the others is 0 once rank 0 has heard of
them. If a rank dies, the others end and rank 0 reports what they have measured:
status 5. mpirun gives them a second for that, and then says itself, in its own
status, how that rank died. Of a job that it kills mpirun may cut off what rank 0
prints: with --out the result is in a file, whatever becomes of standard output.

Ranks trust the network between them: what they say is neither secret nor signed,
and rank 0 listens to all who come. Who does not know the job is turned away, but
under Slurm the job's name can be guessed by who knows its numbers.`)
	cmd.Example = `  mpirun -n 4 evdbench nodes --cq tcp
  mpirun -n 8 --hostfile hosts evdbench nodes --cq rxe --pattern all-to-all
  srun -N 4 -n 8 evdbench nodes --cq rxe --pattern incast
  mpirun -n 4 evdbench nodes --pattern ring --reps 5 --out runs/ring`
	f := cmd.Flags()
	n.options.cfg.Workload = bench.Lat
	workloads := []string{bench.Lat, bench.BW}
	patterns := ranks.Patterns()
	n.cfg.Pattern = patterns[0]
	f.Var(choice{&n.options.cfg.Workload, workloads}, "workload", "what each flow measures")
	f.Var(choice{&n.cfg.Pattern, patterns}, "pattern", "which ranks have a flow to which")
	_ = cmd.RegisterFlagCompletionFunc("workload", cobra.FixedCompletions(workloads, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("pattern", cobra.FixedCompletions(patterns, cobra.ShellCompDirectiveNoFileComp))
	f.Var(positive{&n.cfg.Wait, ""}, "wait", "how long ranks are waited for, to come and to connect (default 30s)")
	f.Var(text{&n.cfg.Rendezvous, "HOST:PORT"}, "rendezvous", "where rank 0 is, and the port it takes (default as the launcher says)")
	f.Var(text{&n.cfg.RendezvousFile, "file"}, "rendezvous-file", "a file that all ranks can read, for rank 0 to say where it is (default as the launcher says)")
	f.Var(positive{&n.options.cfg.AckTimeout, ""}, "ack-timeout", "how long to wait for an answer before a packet is sent again (default 268ms)")
	f.Var(natural{v: &n.options.cfg.Retries, least: 1}, "retries", "how often, before the peer is lost, 1..6 (default 6)")
	if f.Lookup("outstanding") == nil {
		f.Var(natural{v: &n.options.cfg.Outstanding, least: 1}, "outstanding", "")
	}
	f.Lookup("outstanding").Usage = "bw: messages in flight of each flow (default 64)"
	f.Lookup("dev").Usage = "rxe, verbs: its name; several, with commas: of the ranks of each host in turn (default the first device)"
	n.options.cfg.CQ = bench.CQTCP
	f.Lookup("cq").Value = choice{&n.options.cfg.CQ, []string{bench.CQTCP, bench.CQRXE, bench.CQVerbs}}
	f.Lookup("cq").Usage = "completion queue; tcp: over TCP sockets into a mock CQ, without a device (default tcp)"
	f.Lookup("cq").DefValue = bench.CQTCP
	for name := range notOfNodes {
		f.Lookup(name).Hidden = true
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return n.run(cmd) }
	return cmd
}

// notOfNodes are the flags of other measurements that nodes refuses, and why.
var notOfNodes = map[string]string{
	"seed":     "nothing in it is random",
	"service":  "it is for the mock device, which no other node can reach",
	"interval": "the parts of a run are not merged",
	"live":     "ranks tell when a run is over",
}

func (n *ranked) run(cmd *cobra.Command) error {
	for _, name := range slices.Sorted(maps.Keys(notOfNodes)) {
		if f := cmd.Flags(); given(f, name) {
			return fmt.Errorf("--%s = %v: must be left out with nodes: %s", name, f.Lookup(name).Value, notOfNodes[name])
		}
	}
	n.cfg.Bench = n.options.cfg
	if d := n.cfg.Bench.Dev; d != "" {
		n.cfg.Devs, n.cfg.Bench.Dev = strings.Split(d, ","), ""
	}
	place, err := ranks.Environment(os.Getenv)
	if n.config.dry && errors.Is(err, ranks.ErrNoLauncher) {
		if err := n.cfg.Validate(2); err != nil { // an even number, as good as any
			return failed(err)
		}
		if err := n.gates.prepare(n.reps); err != nil {
			return err
		}
		return plan(cmd, fmt.Sprintf("nodes, pattern %s, %s", n.cfg.Pattern, times(n.reps)), n.output, n.out)
	}
	switch {
	case errors.Is(err, ranks.ErrNoLauncher):
		return fmt.Errorf("%w: %s", err, howToStart)
	case err != nil:
		return err
	}
	first := place.Rank == 0
	if place.Size > 1 { // else Join says what to do
		if err := n.cfg.Validate(place.Size); err != nil {
			return failed(err) // before anything is made
		}
	}
	switch {
	case inTurns():
		return errors.New("nodes cannot be one of two that compare runs in turns: compare its result files")
	case n.config.dry && !first:
		return nil
	case n.config.dry:
		return plan(cmd, fmt.Sprintf("nodes, pattern %s, %s", n.cfg.Pattern, times(n.reps)), n.output, n.out)
	case first:
		if err := errors.Join(n.out.prepare(), n.gates.prepare(n.reps)); err != nil {
			return err
		}
	}
	if p := n.processors(); p > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(p))
	}
	restore, err := n.tuneHost()
	if err != nil {
		return err
	}
	defer restore()
	g, err := ranks.Join(cmd.Context(), place, n.cfg)
	if err != nil {
		return nodesFailed(err)
	}
	defer g.Close() // what may fail in it is over
	if !first {
		return nodesFailed(g.Follow(cmd.Context()))
	}
	if !n.quiet {
		fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: %d ranks by %s\n", place.Size, place.Launcher)
		n.announce(cmd)
	}
	return n.root(cmd, g)
}

// root is rank 0's part: it measures with all, and says what came of it.
func (n *ranked) root(cmd *cobra.Command, g *ranks.Group) error {
	if err := n.profiles.start(&n.watch, n.messages(cmd)); err != nil {
		return failed(err)
	}
	file, err := n.gather(cmd, g)
	if perr := n.profiles.stop(); err == nil && perr != nil {
		err = perr
	}
	if len(file.Reps) == 0 {
		return nodesFailed(err)
	}
	if werr := n.out.deliver(cmd, n.output, file); err == nil {
		err = werr
	}
	if err := verdict(file, err); err != nil {
		return err
	}
	beside := cmd.ErrOrStderr()
	if n.output == "text" {
		beside = cmd.OutOrStdout()
	}
	return n.gates.check(file, beside)
}

// gather is options.measure with all ranks.
func (n *ranked) gather(cmd *cobra.Command, g *ranks.Group) (*result.File, error) {
	file := &result.File{
		Schema: result.Schema, Command: "nodes", Version: bench.Version(), Start: time.Now().UTC(),
		Settings: settings(cmd.Flags()), Tags: n.tags.m, Warnings: []string{},
	}
	for rep := range max(n.reps, 1) {
		r, nodes, err := g.Measure(cmd.Context())
		if err != nil {
			return file, err
		}
		for i := range nodes {
			nodes[i].Rep = rep
		}
		file.Reps, file.Nodes = append(file.Reps, r), append(file.Nodes, nodes...)
		if r.Interrupted || !r.OK() || r.Connection.Lost != "" {
			break
		}
	}
	return file, nil
}

// nodesFailed is failed, for what can happen among ranks.
func nodesFailed(err error) error {
	var lost *ranks.LostError
	var missing *ranks.MissingError
	switch {
	case err == nil, errors.Is(err, ranks.ErrTold):
		return nil // rank 0's to say
	case errors.Is(err, context.Canceled):
		return &statusError{exitInterrupted, errSilent}
	case errors.As(err, &lost):
		return &statusError{exitPeerLost, err}
	case errors.As(err, &missing):
		return &statusError{exitUnavailable, err}
	}
	return failed(err)
}
