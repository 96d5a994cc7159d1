//go:build linux && (amd64 || arm64)

// Command rxe measures the engine over soft-RoCE beside the programs that the rest of the
// world uses there: ibv_rc_pingpong, ib_send_bw, uDAPL's dtest and dapltest, and
// ibv_poll_cq. It wants a device and the address 10.99.0.1, as guests have. `make
// rxe-rivals` builds and runs it, once in a guest whose clock counts instructions and
// once in an ordinary one.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/evdengine/evd/internal/param"
)

// options are what the flags say.
type options struct {
	programs
	parts  []string
	rounds int // 0: each part's own
	dir    string
	json   string
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("rxe", flag.ContinueOnError)
	f.SetOutput(stderr)
	list := f.String("parts", "event,spin,bw,dapl,poll", "what to measure, comma-separated")
	f.IntVar(&o.rounds, "rounds", 0, "rounds, in which everybody has a turn; 0: each part's own, 30 of spin and 6 to 12 of the others; fewer than 6 make no interval")
	f.IntVar(&o.count, "count", 5000, "round trips in a turn: so many that the first, for which the programs are read from the host, do not count")
	f.StringVar(&o.dev, "dev", "rxe0", "the soft-RoCE device")
	f.StringVar(&o.dir, "dir", "bin", "folder with evdbench, evdbench-verbs and rxe-rivals/poll; what is not there is left out, but evdbench")
	f.DurationVar(&turnLimit, "limit", turnLimit, "how long a turn may take before its programs are killed; much more in a guest that counts instructions, where time leaps while the host's files are waited for")
	f.StringVar(&o.json, "json", "", "write everything to this file, in $EVD_SHARE if that is set, as in guests")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, param.Invalid("rxe", "argument", f.Arg(0), "flags alone")
	case o.rounds < 0:
		return o, param.Invalid("rxe", "-rounds", o.rounds, "0 or more")
	case o.count < 1:
		return o, param.Invalid("rxe", "-count", o.count, "1 or more")
	}
	for _, p := range strings.Split(*list, ",") {
		if !slices.Contains(allParts, p) {
			return o, param.Invalid("rxe", "-parts", p, "some of "+strings.Join(allParts, ","))
		}
		o.parts = append(o.parts, p)
	}
	o.evdbench = filepath.Join(o.dir, "evdbench")
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		if err != flag.ErrHelp {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "rxe:", err)
		os.Exit(1)
	}
}

// compare measures, and reports. It fails if anybody failed, after the report.
func compare(ctx context.Context, o options, stdout, progress io.Writer) error {
	r := report{Machine: machine(), Count: o.count}
	all, skipped, err := contests(o)
	if err != nil {
		return err
	}
	r.Skipped = skipped
	fails := 0
	for _, c := range all {
		for n := range c.rounds {
			if err := c.run(ctx, n, progress); err != nil {
				return err
			}
		}
		fails += r.add(c)
	}
	r.print(stdout)
	if o.json != "" {
		if err := r.writeJSON(filepath.Join(os.Getenv("EVD_SHARE"), o.json)); err != nil {
			return err
		}
	}
	if fails > 0 {
		return fmt.Errorf("%d turns failed; see above", fails)
	}
	return nil
}
