//go:build linux

// Command copy copies a file on io_uring, with a bounded number of blocks in flight.
//
//	go run ./examples/copy SOURCE DESTINATION
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
)

func main() {
	var o Options
	flag.IntVar(&o.Depth, "depth", DefaultDepth, "blocks in flight at once")
	flag.IntVar(&o.Block, "block", DefaultBlock, "bytes of a block")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: copy [flags] SOURCE DESTINATION")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	n, err := Copy(ctx, flag.Arg(1), flag.Arg(0), o)
	if err != nil {
		log.Fatalf("copy: after %d bytes: %v", n, err)
	}
	fmt.Println(n, "bytes")
}
