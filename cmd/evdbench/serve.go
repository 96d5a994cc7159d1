package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
)

// servedCQs are those of runs between nodes.
var servedCQs = []string{bench.CQRXE, bench.CQVerbs, bench.CQTCP}

func newServe() *cobra.Command {
	cfg := bench.ServeConfig{CQ: bench.CQRXE, Listen: ":18516"}
	once, quiet := false, false
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Be the other node for lat and bw with --server",
		Long: `serve waits for clients, lat or bw with --server, on this node or another, and
serves them one after the other. The client says what is to be run (size, depth,
mode, count, direction), so that nothing has to be given twice. For each client
a line is printed.

It ends on SIGINT (a run that goes on is ended first, in order; once more ends
at once), or after --count clients. Exit status: 0 all was well, 4 with a client
an event was lost, doubled or out of order, 5 a client was lost, 130 interrupted
in a run, 2 usage, 3 there is no such device or port.`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(choice{&cfg.CQ, servedCQs}, "cq", "completion queue")
	f.Var(text{&cfg.Dev, "device"}, "dev", "its device (default the first one)")
	_ = cmd.RegisterFlagCompletionFunc("dev", devices)
	f.Var(text{&cfg.Listen, "[HOST]:PORT"}, "listen", "where clients find it; port 0: any that is free")
	f.Var(natural{v: &cfg.Clients, least: 1}, "count", "end after so many clients (default never)")
	f.BoolVar(&once, "once", false, "end after one client")
	f.BoolVarP(&quiet, "quiet", "q", false, "no messages on standard error but errors")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if once {
			if cfg.Clients > 1 {
				return fmt.Errorf("--once = true: must be left out with --count %d", cfg.Clients)
			}
			cfg.Clients = 1
		}
		if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < 2 { // see processors
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
		}
		s := &served{out: cmd.OutOrStdout(), log: cmd.ErrOrStderr()}
		if quiet {
			s.log = io.Discard
		}
		cfg.Listening = func(a net.Addr) { fmt.Fprintf(s.log, "evdbench: serving on %v\n", a) }
		cfg.Served = s.served
		if err := bench.Serve(cmd.Context(), cfg); err != nil {
			return failed(err)
		}
		return s.verdict()
	}
	return cmd
}

// served keeps the worst that has happened.
type served struct {
	out, log                    io.Writer
	violation, lost             error
	interrupted                 bool
	unwritten                   error // a line that did not arrive
	okay, notOK, broken, others int
}

func (s *served) served(client net.Addr, r *bench.Report, err error) {
	if r == nil {
		s.others++
		fmt.Fprintf(s.log, "evdbench: client %v refused: %v\n", client, inFlags(err))
		return
	}
	c := r.Connection
	how := "OK"
	switch {
	case !r.Conservation.OK():
		s.notOK++
		how = "VIOLATED: " + r.Conservation.Violations[0]
		s.violation = errors.New("conservation violated: " + r.Conservation.Violations[0])
	case c.Lost != "":
		s.broken++
		how = fmt.Sprintf("client lost, nothing else: %s", c.Lost)
		s.lost = errors.New("a client was lost: " + c.Lost)
	default:
		s.okay++
	}
	if r.Interrupted {
		s.interrupted = true
		how += ", interrupted"
	}
	_, werr := fmt.Fprintf(s.out, "client %v: %s of %d bytes: received %d, sent %d, broken %d, flushed %d at the end: %s\n",
		client, r.Config.Workload, r.Config.Size, c.Received, c.Sent, c.Broken, r.Conservation.Flushed, how)
	if s.unwritten == nil {
		s.unwritten = unwritten(werr)
	}
}

func (s *served) verdict() error {
	fmt.Fprintf(s.log, "evdbench: served %d clients; %d lost, %d violations; %d refused\n", s.okay+s.broken+s.notOK, s.broken, s.notOK, s.others)
	switch {
	case s.violation != nil:
		return &statusError{exitInvalid, s.violation}
	case s.lost != nil:
		return &statusError{exitPeerLost, s.lost}
	case s.unwritten != nil:
		return failed(s.unwritten)
	case s.interrupted:
		return &statusError{exitInterrupted, errSilent}
	}
	return nil
}
