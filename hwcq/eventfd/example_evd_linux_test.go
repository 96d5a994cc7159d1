package eventfd_test

import (
	"fmt"
	"log"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/eventfd"
)

// A signal runs an upcall of an EVD.
func Example_evd() {
	cq, err := eventfd.New(eventfd.Config{WRID: 42})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = cq.Close() }()
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = e.Close() }()

	seen := make(chan uint64, 1)
	_, err = e.NewEVD(engine.EVDConfig{
		Name: "foreign", Streams: engine.DTO, CQs: []hwcq.CQ{cq},
		Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) { seen <- u.Events()[0].WRID },
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = cq.Signal(1)
	fmt.Println(<-seen)
	// Output: 42
}
