// Command evdbench measures the event engine: latency with one event in
// flight (lat) and throughput with many (bw), over a mock completion queue or
// a soft-RoCE device.
//
//	evdbench lat --cq mock --mode event
//	evdbench bw --cq mock --mode spin --posters 2 --count 10M
//	evdbench rxe up && evdbench lat --cq rxe
//	evdbench serve                                  on one node, and on another
//	evdbench bw --cq rxe --server 10.0.0.1:18516
//
// Every run ends with a conservation line: each event that was accepted came
// out exactly once and in order, or the run is invalid. The result is on
// standard output, everything else on standard error. "evdbench --help" lists
// the commands and the exit statuses, "evdbench explain" what is printed.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Handled, a write to a closed pipe is an error, and the result is saved elsewhere.
	// Programs that are started here do not inherit that, as they would if it were ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-signals
		signal.Stop(signals) // first: a second signal ends the process as soon as the first one is seen
		cancel()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
