package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/tune"
)

// maxProcs bounds --gomaxprocs: the runtime takes memory for each.
const maxProcs = 1024

// options are the flags of lat and bw.
type options struct {
	cfg        bench.Config
	output     string
	gomaxprocs int
	pingpong   bool
	quiet      bool
	reps       int // repetitions; 0: 1
	out        outDir
	tags       tags
	config     config
	watch      bench.Watch
	live       live
	profiles   profiles
	gates      gates
	host       tune.Settings
}

func newLat() *cobra.Command {
	o := &options{cfg: bench.Config{Workload: bench.Lat}}
	cmd := o.command("lat", "Measure latency, one event in flight", `lat measures latency with one event in flight.

Over mock a round trip begins just before a work request is submitted to the
simulated device and ends when the upcall for its completion is entered; the
upcall submits the next. With --oneway a goroutine posts a software event to
the engine, and the time is from the post to the upcall.

Over rxe (soft-RoCE) and verbs (any NIC, through libibverbs; in builds with the
tag verbs) two queue pairs of this process play ping-pong, or with --peer and
--peer-listen one of them plays with ibv_rc_pingpong or another evdbench. Both
sides must be given the same size and number of round trips: --count here is
-n there, warm-up included. The time is a full round trip, not half of one.

With --server it plays with "evdbench serve" on another node, which is told all
it has to know. Each message carries its number, and both sides check that each
one comes once and in order. A server that dies is found when a packet was sent
--retries times without an answer: exit status 5.

With --rate the loop is open, over all but a peer: requests are made as a
schedule says (--arrival, --seed), whether the ones before have completed or
not, and there are two times of each: service, from when it was made, and
response, from when it was to be made. Where the device or the engine stands
still, the second has what the first leaves out. The generator has a goroutine
of its own; it sleeps until shortly before a request is due (0.2 ms on Linux)
and polls the clock from then on, giving way to other goroutines. On less than
three processors it shares them with the poller: look at the lag. A generator
that was late by more than --max-lag makes the run invalid: exit status 4.`)
	cmd.Example = `  evdbench lat --mode event --count 100k
  evdbench lat --rate 50k --duration 10s --live 1s
  evdbench lat --preset latency-spin --reps 5 --out runs/spin
  evdbench lat --config runs/spin/run.json`
	f := cmd.Flags()
	f.BoolVar(&o.pingpong, "pingpong", false, "measure round trips (the default)")
	o.stageFlags(f)
	f.BoolVar(&o.cfg.OneWay, "oneway", false, "measure one direction")
	f.Var(text{&o.cfg.Peer, "HOST:PORT"}, "peer", "rxe, verbs: play with the peer that listens there")
	f.Var(text{&o.cfg.PeerListen, "[HOST]:PORT"}, "peer-listen", "rxe, verbs: await a peer there")
	o.server(cmd)
	return cmd
}

func newBW() *cobra.Command {
	o := &options{cfg: bench.Config{Workload: bench.BW}}
	cmd := o.command("bw", "Measure throughput, many events in flight", `bw measures events a second with many in flight.

Over mock --outstanding work requests are kept in flight on a simulated
device; over rxe and verbs as many sends between two queue pairs of this
process. With --posters, goroutines post software events to the same EVD as fast
as it takes them. With --count each producer makes its share of the events.

With --server messages go to "evdbench serve" on another node, or come from it,
or both (--direction); --count is that of each side. Each message carries its
number, and both sides check that each one comes once and in order. A server
that dies is found when a packet was sent --retries times without an answer:
exit status 5.`)
	cmd.Example = `  evdbench bw --preset throughput
  evdbench bw --mode event --outstanding 256 --posters 2 -o json`
	f := cmd.Flags()
	f.Var(natural{v: &o.cfg.Outstanding, least: 1}, "outstanding", "requests in flight (default 64)")
	f.Var(natural{v: &o.cfg.Posters, least: 0}, "posters", "goroutines that post software events beside the CQ (default 0)")
	f.Var(count{&o.cfg.Flip, 1}, "flip", "every nth upcall disables upcalls; the consumer dequeues and enables again (default never)")
	o.server(cmd)
	directions := []string{bench.Send, bench.Receive, bench.Both}
	f.Var(choice{&o.cfg.Direction, directions}, "direction", "with --server: what this side does (default send)")
	_ = cmd.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions(directions, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// server adds the flags of runs between two nodes.
func (o *options) server(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(text{&o.cfg.Server, "HOST:PORT"}, "server", "rxe: where \"evdbench serve\" listens")
	f.Var(positive{&o.cfg.AckTimeout, ""}, "ack-timeout", "with --server: how long to wait for an answer before a packet is sent again (default 268ms)")
	f.Var(natural{v: &o.cfg.Retries, least: 1}, "retries", "with --server: how often, before the peer is lost, 1..6 (default 6)")
}

func (o *options) command(use, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	c, f := &o.cfg, cmd.Flags()
	c.CQ, c.Mode, c.Dispatch, o.output = bench.CQMock, "adaptive", "auto", "text"
	words := func(v *string, name, short, help string, allowed ...string) {
		f.VarP(choice{v, allowed}, name, short, help)
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	}
	words(&c.CQ, "cq", "", "completion queue; tcp: with --server, messages over TCP sockets into a mock CQ", bench.CQNames(c.Workload)...)
	words(&c.Mode, "mode", "", "how completions are waited for", "spin", "event", "adaptive")
	words(&c.Dispatch, "dispatch", "", "where upcalls run; auto: completions inline, posts queued", "auto", "inline", "queued")
	f.BoolVar(&c.Exclusive, "exclusive", false, "the goroutine that runs upcalls has the EVD to itself; not with --dispatch queued")
	words(&o.output, "output", "o", "form of the result", render.Formats()...)
	f.Var(count{&c.Count, 1}, "count", "end after so many round trips or events; with --duration what comes first")
	f.Var(positive{&c.Duration, ""}, "duration", "end after this time (default 2s without --count)")
	f.Var(span{&c.Warmup}, "warmup", "what is not measured at first: a time or a number of operations (default 100ms)")
	f.Var(natural{v: &c.Depth, least: 1}, "depth", "completions the CQ holds (default 1024, rxe and verbs 1023)")
	f.Var(natural{v: &c.Capacity, least: 1}, "capacity", "events the EVD's ring holds (default 1024)")
	f.Var(natural{v: &c.Batch, least: 1}, "batch", "most events an upcall gets (default 16)")
	f.Var(natural{v: &c.Budget, least: 1}, "budget", "most events in one go before others are served (default 256)")
	f.Var(positive{&c.Spin, "auto"}, "spin", "adaptive: how long to poll before sleeping; auto: what a wake-up costs")
	f.Var(positive{&c.Stall, ""}, "stall", "give the run up after this time without an event (default 10s)")
	f.Var(seed{&c.Seed}, "seed", "mock: seed of everything random")
	f.Var(text{&c.Service, "distribution"}, "service", "mock: how long the device works on a request: none, const:2us, uniform:1us,3us, exp:2us, lognormal:1us,0.3, script:1us,5us")
	f.Var(text{&c.Dev, "device"}, "dev", "rxe, verbs: its name (default the first device)")
	_ = cmd.RegisterFlagCompletionFunc("dev", devices)
	f.Var(natural{v: &c.Size, least: 1}, "size", "rxe, verbs: bytes a message (default 64)")
	f.Var(natural{&o.gomaxprocs, 1, maxProcs}, "gomaxprocs", "processors that run Go code (default as the environment says, over rxe 2 at least)")
	grouped(f, groupLoad, func() { o.loadFlags(f) })
	grouped(f, groupEngine, func() { o.scenarioFlags(f) })
	completeScenario(cmd)
	grouped(f, groupMeasure, func() { o.measureFlags(f) })
	grouped(f, groupOutput, func() { o.outputFlags(f) })
	grouped(f, groupGate, func() { o.gates.flags(cmd) })
	grouped(f, groupHost, func() { o.hostFlags(f) })
	grouped(f, groupProfile, func() { o.profiles.flags(f) })
	o.configFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd) }
	return cmd
}

func (o *options) run(cmd *cobra.Command) (err error) {
	if o.pingpong && o.cfg.OneWay {
		return errors.New("--oneway = true: must be left out with --pingpong: a run measures one of the two")
	}
	if err := o.profiles.flight.check(); err != nil {
		return err
	}
	if err := o.cfg.Validate(); err != nil {
		return failed(err)
	}
	if !inTurns() {
		if err := o.gates.prepare(o.reps); err != nil {
			return err
		}
		if o.config.dry {
			c := o.cfg.WithDefaults()
			what := fmt.Sprintf("%s over %s for %s, warm-up %s, %s", c.Workload, c.CQ, until(c), c.Warmup, times(o.reps))
			return plan(cmd, what, o.output, o.out)
		}
	}
	if n := o.processors(); n > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	}
	restore, err := o.tuneHost()
	if err != nil {
		return err
	}
	defer restore()
	if inTurns() {
		return o.takeTurns(cmd)
	}
	if err := o.out.prepare(); err != nil {
		return err
	}
	o.watched(cmd)
	defer o.live.end()
	if !o.quiet {
		o.announce(cmd)
		said := make(chan struct{})
		stop := context.AfterFunc(cmd.Context(), func() {
			defer close(said)
			fmt.Fprintln(cmd.ErrOrStderr(), "evdbench: interrupted; once more ends at once")
		})
		defer func() {
			if !stop() {
				<-said
			}
		}()
	}
	if err := o.profiles.start(&o.watch, o.messages(cmd)); err != nil {
		return failed(err)
	}
	file, err := o.measure(cmd)
	o.live.end() // before the result
	if perr := o.profiles.stop(); err == nil && perr != nil {
		err = perr
	}
	if len(file.Reps) == 0 {
		return failed(err)
	}
	if werr := o.out.deliver(cmd, o.output, file); err == nil {
		err = werr
	}
	if err := verdict(file, err); err != nil {
		return err
	}
	beside := cmd.ErrOrStderr()
	if o.output == "text" {
		beside = cmd.OutOrStdout()
	}
	return o.gates.check(file, beside)
}

// measure runs the repetitions. What was measured is returned beside an error too.
func (o *options) measure(cmd *cobra.Command) (*result.File, error) {
	file := &result.File{
		Schema: result.Schema, Command: o.cfg.Workload, Version: bench.Version(), Start: time.Now().UTC(),
		Settings: settings(cmd.Flags()), Tags: o.tags.m, Warnings: []string{},
	}
	floor := o.floor(cmd.Context())
	for i := range max(o.reps, 1) {
		o.live.next(1+i, max(o.reps, 1))
		r, err := bench.RunWatched(repetition(cmd.Context(), i), o.cfg, o.watch)
		o.profiles.flight.note(r)
		if r != nil {
			r.SetFloor(floor)
			file.Reps = append(file.Reps, r)
		}
		if err != nil || r.Interrupted || !r.OK() {
			return file, err
		}
	}
	return file, nil
}

// verdict is the exit status of a measurement that took place; err is what else
// went wrong.
func verdict(file *result.File, err error) error {
	for _, r := range file.Reps {
		switch {
		case !r.Conservation.OK():
			return &statusError{exitInvalid, fmt.Errorf("conservation violated: %s", r.Conservation.Violations[0])}
		case len(r.Invalid) > 0:
			return &statusError{exitInvalid, fmt.Errorf("the run is invalid: %s", r.Invalid[0])}
		}
	}
	last := file.Reps[len(file.Reps)-1]
	switch {
	case err != nil:
		return failed(err)
	case last.Connection != nil && last.Connection.Lost != "":
		return &statusError{exitPeerLost, fmt.Errorf("the peer was lost: %s", last.Connection.Lost)}
	case last.Interrupted:
		return &statusError{exitInterrupted, errSilent}
	}
	return nil
}

// processors is what GOMAXPROCS is to be set to; 0: it stays.
//
// A poller that sleeps in a system call keeps its processor only as long as
// there is an idle one beside it. With one processor in all, the runtime's
// monitor takes it away in each sleep, and never backs off from looking every
// 20 us: a tenth of a round trip over rxe on a machine with one CPU.
func (o *options) processors() int {
	if o.gomaxprocs == 0 && o.cfg.CQ != bench.CQMock && os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < 2 {
		return 2
	}
	return o.gomaxprocs
}

func (o *options) announce(cmd *cobra.Command) {
	c, often := o.cfg.WithDefaults(), ""
	if o.reps > 1 {
		often = ", " + times(o.reps)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: %s over %s for %s%s\n", c.Workload, c.CQ, until(c), often)
}
