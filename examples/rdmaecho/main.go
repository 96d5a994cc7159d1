// Command rdmaecho sends back what comes over RDMA connections: one event
// dispatcher for connection requests, connection events and completions, and one
// upcall. It runs on soft-RoCE, with the kernel's RDMA connection manager.
//
//	go run ./examples/rdmaecho -listen 10.99.0.1:7471
//	go run ./examples/rdmaecho -dial 10.99.0.1:7471 -text hello
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"
)

func main() {
	listen := flag.String("listen", "", "serve at this `IP:port`; port 0 is any free one")
	dial := flag.String("dial", "", "send to the server at this `IP:port`")
	text := flag.String("text", "hello", "to send, up to 4096 bytes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case (*listen == "") == (*dial == ""):
		log.Fatal("rdmaecho: give one of -listen and -dial")
	case *listen != "":
		err = serve(ctx, *listen)
	default:
		var back string
		if back, err = Echo(ctx, *dial, *text); err == nil {
			fmt.Println(back)
		}
	}
	if err != nil {
		log.Fatal("rdmaecho: ", err)
	}
}

func serve(ctx context.Context, addr string) error {
	s, err := Listen(addr, log.Printf)
	if err != nil {
		return err
	}
	fmt.Println("listening on", s.Addr())
	<-ctx.Done()
	return s.Close()
}
