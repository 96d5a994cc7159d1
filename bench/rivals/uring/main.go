//go:build linux

// Command uring measures the engine over io_uring beside C with liburing, and beside
// Go's own net package: NOPs, and a TCP echo server. `make uring-rivals` builds and
// runs it.
//
// The same program is what it measures: it starts itself once more as a server.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/evdengine/evd/hwcq/uring"
)

func main() {
	dir := flag.String("dir", "bin/uring-rivals", "where the C programs nop, echo, client and the example server evd-echo are")
	rounds := flag.Int("rounds", 7, "rounds, in which everybody has his turn")
	count := flag.Int("count", 400_000, "NOPs in a turn with batch 1; four times as many with larger ones")
	seconds := flag.Duration("time", 1200*time.Millisecond, "length of a turn of an echo server")
	flag.Parse()
	var err error
	switch args := flag.Args(); {
	case len(args) == 0 && *rounds > 0:
		err = (&rivalry{dir: *dir, rounds: *rounds, count: *count, time: *seconds}).run()
	case len(args) == 4 && args[0] == "nop":
		err = nopMain(args[1:])
	case len(args) == 1 && args[0] == "echo":
		err = echoMain()
	case len(args) == 1 && args[0] == "net":
		err = netMain()
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "uring:", err)
		os.Exit(1)
	}
}

// nopMain is nop SHAPE BATCH COUNT, as the C program's nop FLAGS BATCH COUNT.
func nopMain(args []string) error {
	shape := uring.Portable
	if args[0] == "owner" {
		shape = uring.Owner
	}
	batch, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	rate, err := nops(shape, batch, count)
	if err == nil {
		fmt.Printf("%.0f\n", rate)
	}
	return err
}
