//go:build linux

// Command echo is a TCP echo server on io_uring: an event dispatcher for each
// connection, all of them on one shared completion queue.
//
//	go run ./examples/echo -addr 127.0.0.1:7777 -shape owner
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/evdengine/evd/hwcq/uring"
)

func main() {
	cfg := Config{Log: log.Printf}
	flag.StringVar(&cfg.Addr, "addr", "127.0.0.1:7777", "address to listen on; port 0 is any free one")
	flag.IntVar(&cfg.Conns, "conns", DefaultConns, "most connections at once")
	shape := flag.String("shape", "portable", "of the ring: portable, or owner (one thread does everything)")
	flag.Parse()
	switch *shape {
	case "portable":
		cfg.Shape = uring.Portable
	case "owner":
		cfg.Shape = uring.Owner
	default:
		log.Fatalf("echo: -shape %s: portable or owner", *shape)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := Listen(cfg)
	if err != nil {
		log.Fatal("echo: ", err)
	}
	fmt.Println("listening on", s.Addr())
	<-ctx.Done()
	if err := s.Close(); err != nil {
		log.Fatal("echo: ", err)
	}
}
