package engine_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// A completion queue and a software poster feed one EVD; its upcall is told of
// everything, one batch at a time.
func Example() {
	cq, err := mock.New(mock.Config{Depth: 64}) // or rxe: device.OpenCQ
	if err != nil {
		log.Fatal(err)
	}
	defer cq.Close()
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()

	seen := make(chan uint64, 2)
	evd, err := e.NewEVD(engine.EVDConfig{
		Name: "io", Streams: engine.DTO | engine.Software, CQs: []hwcq.CQ{cq},
		Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) {
			for _, ev := range u.Events() { // one upcall at a time, at most Batch events
				seen <- ev.WRID
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	cq.Complete(hwcq.WC{WRID: 1}, false) // the hardware's part
	fmt.Println("completion", <-seen)
	if err := evd.Post(engine.Event{WRID: 2}); err != nil {
		log.Fatal(err) // engine.ErrFull, os.ErrClosed
	}
	fmt.Println("software event", <-seen)

	// Output:
	// completion 1
	// software event 2
}

// The pattern of iSER and of NAPI: the upcall disables upcalls, the consumer
// dequeues by himself for as long as there is something, and enables again.
// Enabling is refused while anything is pending, so nothing can be left
// behind.
func ExampleEVD_ModifyUpcall() {
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	work := make(chan struct{}, 1)
	evd, err := e.NewEVD(engine.EVDConfig{
		Batch: 1, Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) {
			u.ModifyUpcall(engine.Disable, engine.Same) // exact: no other upcall begins
			fmt.Println("upcall with event", u.Events()[0].WRID)
			u.Post(engine.Event{WRID: 2}) // arrives while upcalls are disabled
			work <- struct{}{}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := evd.Post(engine.Event{WRID: 1}); err != nil {
		log.Fatal(err)
	}
	<-work
	fmt.Println("enable:", evd.ModifyUpcall(engine.SingleInstance, engine.Same))
	buf := make([]engine.Event, 8)
	for {
		n, err := evd.Dequeue(buf)
		if err != nil {
			continue // ErrBusy: somebody is taking, or about to publish
		}
		if n == 0 && evd.ModifyUpcall(engine.SingleInstance, engine.Same) == nil {
			break
		}
		for _, ev := range buf[:n] {
			fmt.Println("dequeued event", ev.WRID)
		}
	}
	fmt.Println("enabled")
	// Output:
	// upcall with event 1
	// enable: engine: events pending
	// dequeued event 2
	// enabled
}

// Waiting instead of upcalls: until three events are there, or one millisecond
// has passed.
func ExampleEVD_WaitBatch() {
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	evd, err := e.NewEVD(engine.EVDConfig{Name: "io", Streams: engine.Software}) // Policy Disable
	if err != nil {
		log.Fatal(err)
	}
	for i := range uint64(3) {
		if err := evd.Post(engine.Event{WRID: i}); err != nil {
			log.Fatal(err)
		}
	}
	buf := make([]engine.Event, 2)
	n, more, err := evd.WaitBatch(context.Background(), 3, time.Millisecond, buf)
	fmt.Println(n, "events,", more, "more,", err)
	n, more, err = evd.WaitBatch(context.Background(), 3, time.Millisecond, buf)
	fmt.Println(n, "event,", more, "more,", err)
	// Output:
	// 2 events, 1 more, <nil>
	// 1 event, 0 more, <nil>
}

// What goes wrong and no call can return is on the engine's own EVD.
func ExampleEngine_Async() {
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	evd, err := e.NewEVD(engine.EVDConfig{
		Name: "io", Policy: engine.SingleInstance,
		Upcall: func(*engine.Upcall) { panic("a bug") },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := evd.Post(engine.Event{}); err != nil {
		log.Fatal(err)
	}
	for ev, err := range e.Async().Events(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.Number, ev.Source() == evd.ID(), evd.LastPanic().Value, evd.Query().Policy)
		break
	}
	// Output:
	// upcall_panic true a bug disable
}

// One goroutine for many EVDs: it is given one at a time that has events. What it
// leaves behind is told again.
func ExampleCNO() {
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	cno, err := e.NewCNO(engine.CNOConfig{Name: "all"})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		evd, err := e.NewEVD(engine.EVDConfig{Name: name, CNO: cno})
		if err != nil {
			log.Fatal(err)
		}
		for i := range uint64(2) {
			if err := evd.Post(engine.Event{WRID: i}); err != nil {
				log.Fatal(err)
			}
		}
	}
	w, err := cno.NewWaiter()
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]engine.Event, 1)
	for range 4 {
		evd, err := w.Wait(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		if _, err := evd.Dequeue(buf); err != nil {
			log.Fatal(err)
		}
		fmt.Println("event", buf[0].WRID, "of", evd.Name())
	}
	evd, err := w.TryWait()
	fmt.Println(evd == nil, err)
	// Output:
	// event 0 of a
	// event 0 of b
	// event 1 of a
	// event 1 of b
	// true <nil>
}

// One CQ for many EVDs: completions go by the number of their queue pair, and credits
// keep the CQ from overrunning.
func ExampleEVD_Join() {
	cq, err := mock.New(mock.Config{Depth: 64})
	if err != nil {
		log.Fatal(err)
	}
	defer cq.Close()
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	shared, err := e.NewSharedCQ(engine.SharedCQConfig{CQ: cq})
	if err != nil {
		log.Fatal(err)
	}
	seen := make(chan string)
	for qp, name := range []string{"reads", "writes"} {
		evd, err := e.NewEVD(engine.EVDConfig{
			Name: name, Streams: engine.DTO, Policy: engine.SingleInstance,
			Upcall: func(u *engine.Upcall) { seen <- fmt.Sprintf("%s got %d", name, u.Events()[0].WRID) },
		})
		if err != nil {
			log.Fatal(err)
		}
		credits, err := evd.Join(shared, uint32(qp), 16) // at most 16 requests outstanding
		if err != nil {
			log.Fatal(err)
		}
		if err := credits.Acquire(1); err != nil {
			log.Fatal(err) // engine.ErrNoCredit: wait for a completion
		}
		cq.Complete(hwcq.WC{QPNum: uint32(qp), WRID: 7}, false) // the hardware's part
		fmt.Println(<-seen)
	}
	// Output:
	// reads got 7
	// writes got 7
}

// One goroutine for many CQs: a Poller waits for all of them, and a wake-up costs as
// much as there are CQs with something on them. (Without one each CQ has a goroutine.)
func ExampleEngine_NewPoller() {
	e, err := engine.New(engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close() // and with it the poller
	poller, err := e.NewPoller(engine.PollerConfig{Name: "shelf"})
	if err != nil {
		log.Fatal(err)
	}
	const disks = 1000
	cqs := make([]*mock.CQ, disks)
	seen := make(chan string)
	for i := range cqs {
		if cqs[i], err = mock.New(mock.Config{Depth: 16}); err != nil {
			log.Fatal(err)
		}
		_, err = e.NewEVD(engine.EVDConfig{
			Name: fmt.Sprintf("disk %d", i), CQs: []hwcq.CQ{cqs[i]}, Poller: poller,
			Mode: engine.ModeEvent, Policy: engine.SingleInstance,
			Upcall: func(u *engine.Upcall) { // on the poller's goroutine: it should not block
				for _, ev := range u.Events() {
					seen <- fmt.Sprintf("disk %d: request %d", i, ev.WRID)
				}
			},
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for i, disk := range []int{7, 512, 999} {
		cqs[disk].Complete(hwcq.WC{WRID: uint64(i)}, false) // the hardware's part
		fmt.Println(<-seen)
	}
	st := poller.Stats()
	fmt.Println(st.Members, "CQs, of which polled now:", st.Active)
	// Output:
	// disk 7: request 0
	// disk 512: request 1
	// disk 999: request 2
	// 1000 CQs, of which polled now: 0
}
