//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// nops puts count NOPs through an EVD, batch after batch, and returns how many that
// were a second. The upcall submits the next batch when it has all of the last. The EVD
// is the poller's own, as the ring is the C program's.
func nops(shape uring.Shape, batch, count int) (rate float64, err error) {
	ring, err := uring.Open(uring.Config{Entries: 256, Shape: shape})
	if err != nil {
		return 0, err
	}
	defer ring.Close()
	e, err := engine.New(engine.Config{})
	if err != nil {
		return 0, err
	}
	defer e.Close()

	reqs := make([]uring.Request, batch)
	for i := range reqs {
		reqs[i] = uring.Nop()
		reqs[i].WRID = uint64(i)
	}
	var (
		got, done int // the upcall's
		end       = make(chan error, 1)
	)
	d, err := e.NewEVD(engine.EVDConfig{
		CQs: []hwcq.CQ{ring}, Mode: engine.ModeAdaptive, Dispatch: engine.DispatchInline,
		Policy: engine.SingleInstance, Exclusive: true, Batch: 128,
		Upcall: func(u *engine.Upcall) {
			evs := u.Events()
			for i := range evs {
				if evs[i].Status != hwcq.StatusSuccess {
					end <- fmt.Errorf("nop %d: %v", evs[i].WRID, evs[i].Status)
				}
			}
			if got += len(evs); got < batch {
				return
			}
			got = 0
			if done += batch; done >= count {
				end <- nil
			} else if _, err := ring.Submit(reqs); err != nil {
				end <- err
			}
		},
	})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	start := time.Now()
	if _, err := ring.Submit(reqs); err != nil {
		return 0, err
	}
	err = <-end
	return float64(done) / time.Since(start).Seconds(), err
}
