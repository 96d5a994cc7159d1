//go:build amd64 || arm64

package uring_test

import (
	"fmt"
	"log"
	"os"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// A file is read, and an upcall of an EVD has the completion.
func Example_evd() {
	ring, err := uring.Open(uring.Config{}) // Shape: uring.Owner for many small socket operations
	if err != nil {
		log.Fatal(err) // hwcq.ErrUnavailable, hwcq.ErrNotSupported: it says what to do about it
	}
	defer ring.Close() // the last: its memory goes with it
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close() // before the ring

	done := make(chan error, 1)
	_, err = e.NewEVD(engine.EVDConfig{
		Name: "io", Streams: engine.DTO, CQs: []hwcq.CQ{ring}, Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) {
			for _, ev := range u.Events() { // ev.WRID tells which request it was
				n, err := uring.Result(ev.WC())
				fmt.Println("request", ev.WRID, "read", n > 0)
				done <- err
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close() // after its last completion
	buf, err := ring.Alloc(4096)
	if err != nil {
		log.Fatal(err)
	}
	read := uring.Read(int(f.Fd()), buf, 0)
	read.WRID = 7
	if _, err := ring.Submit([]uring.Request{read}); err != nil {
		log.Fatal(err) // hwcq.ErrFull: try again after a completion
	}
	if err := <-done; err != nil {
		log.Fatal(err) // a syscall.Errno
	}
	// Output:
	// request 7 read true
}
