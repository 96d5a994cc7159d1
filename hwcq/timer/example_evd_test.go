package timer_test

import (
	"fmt"
	"log"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/timer"
)

// Timers are events of an EVD, in one upcall with all others.
func Example_evd() {
	cq, err := timer.New(timer.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = cq.Close() }()
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = e.Close() }()

	seen := make(chan uint64, 2)
	_, err = e.NewEVD(engine.EVDConfig{
		Name: "timers", Streams: engine.DTO, CQs: []hwcq.CQ{cq},
		Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) {
			for _, ev := range u.Events() {
				seen <- ev.WRID
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = cq.After(20*time.Millisecond, 2)
	_, _ = cq.After(time.Millisecond, 1)
	fmt.Println(<-seen, <-seen)
	// Output: 1 2
}
