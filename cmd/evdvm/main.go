// Command evdvm runs a command in a throw-away QEMU guest that has a
// soft-RoCE (rdma_rxe) device.
//
//	evdvm run [flags] -- CMD [ARGS]       run CMD in a guest; exits with CMD's status
//	evdvm pair [flags] -- CMD1 -- CMD2    run two, each in its guest, a network cable between them
//	evdvm fetch [flags]                   only install and download what is needed
//	evdvm doctor [flags]                  say what is there and what is missing
//
// The guest sees the host's files read-only at their own paths, /tmp empty,
// and a writable folder $EVD_SHARE. Exit status: CMD's own; 124 when the time
// limit ended it; 125 when there was no guest or it crashed; 2 for wrong usage.
// Of pair it is the first command's, or if that is 0 the second's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/evdengine/evd/internal/vm"
)

// Exit statuses of evdvm itself, as timeout(1) and env(1) have them.
const (
	exitUsage   = 2
	exitTimeout = 124
	exitFailed  = 125
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `usage: evdvm COMMAND [flags]

  run [flags] -- CMD [ARGS]      run CMD in a guest with a soft-RoCE device
  pair [flags] -- CMD1 -- CMD2   run two commands in two guests with a network
                                 cable between them: eth0, 10.96.0.1 and .2,
                                 and rxe0 on it; CMD2 starts when CMD1 runs
  fetch [flags]                  only install and download what guests need
  doctor [flags]                 say what is there and what is missing

evdvm COMMAND -h lists the flags.
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	o := options{stdout: stdout, stderr: stderr}
	o.fs = flag.NewFlagSet("evdvm "+args[0], flag.ContinueOnError)
	o.fs.SetOutput(stderr)
	o.fs.StringVar(&o.cfg.Kernel, "kernel", vm.DefaultKernel, "kernel `series` or exact release; 6.12 and 6.1 are known to work")
	o.fs.StringVar(&o.cfg.CacheDir, "cache", "", "`folder` for kernels (default $EVD_CACHE, else the user's cache folder)")
	packages := o.fs.String("packages", "", "Debian `packages` the job needs, comma-separated; installed if missing")
	quiet := o.fs.Bool("quiet", false, "no progress messages")
	var command func(context.Context) int
	switch args[0] {
	case "run":
		command = o.run
		o.guestFlags()
		o.runFlags()
	case "pair":
		command = o.pair
		o.guestFlags()
	case "fetch":
		command = o.fetch
		o.fs.BoolVar(&o.refresh, "refresh", false, "look for a newer kernel although one is cached")
	case "doctor":
		command = o.doctor
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	default:
		fmt.Fprintf(stderr, "evdvm: unknown command %q\n%s", args[0], usage)
		return exitUsage
	}
	if err := o.fs.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if args[0] != "run" && args[0] != "pair" && o.fs.NArg() > 0 {
		fmt.Fprintf(stderr, "evdvm %s: unexpected argument %q\n", args[0], o.fs.Arg(0))
		return exitUsage
	}
	o.cfg.Packages = splitList(*packages)
	if !*quiet {
		o.cfg.Log = stderr
	}
	return command(ctx)
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}
