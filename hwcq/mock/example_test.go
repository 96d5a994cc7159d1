package mock_test

import (
	"fmt"
	"log"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// The caller plays the hardware; the consumer arms, looks again, and only then
// sleeps.
func Example() {
	cq, err := mock.New(mock.Config{Depth: 16})
	if err != nil {
		log.Fatal(err)
	}
	defer cq.Close()

	out := make([]hwcq.WC, 8)
	missed, _ := cq.Arm(false)
	fmt.Println("missed", missed, "polled", cq.Poll(out))

	_, _ = cq.Complete(hwcq.WC{WRID: 42, Opcode: hwcq.OpRecv}, false)
	_, _ = cq.Complete(hwcq.WC{WRID: 43, Status: hwcq.StatusWRFlushErr}, false)

	event, _ := cq.Events().Wait()
	fmt.Println("event", event)
	for _, wc := range out[:cq.Poll(out)] {
		fmt.Println(wc.WRID, wc.Opcode, wc.Status)
	}
	event, _ = cq.Events().TryWait()
	fmt.Println("another event", event)
	// Output:
	// missed false polled 0
	// event true
	// 42 recv success
	// 43 send WR flushed
	// another event false
}

// A loopback device completes what is submitted to it.
func ExampleCQ_NewQP() {
	cq, err := mock.New(mock.Config{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer cq.Close()                                                                 // stops the device, too
	qp, err := cq.NewQP(mock.QPConfig{QPNum: 7, Service: mock.Lognormal(2000, 0.5)}) // 2 us
	if err != nil {
		log.Fatal(err)
	}
	_, _ = cq.Arm(false)
	if err := qp.Submit(mock.WR{WRID: 1, ByteLen: 64}); err != nil {
		log.Fatal(err)
	}
	_, _ = cq.Events().Wait()
	out := make([]hwcq.WC, 1)
	cq.Poll(out)
	fmt.Println(out[0].WRID, out[0].ByteLen, out[0].QPNum)
	// Output: 1 64 7
}

// An open stream: Poisson arrivals, a thousand of them.
func ExampleCQ_Start() {
	cq, err := mock.New(mock.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer cq.Close()
	s, err := cq.Start(mock.Load{Count: 1000, Gap: mock.Exp(500)}) // every 500 ns
	if err != nil {
		log.Fatal(err)
	}
	<-s.Done()
	n := 0
	for out := make([]hwcq.WC, 64); cq.Pending(); {
		n += cq.Poll(out)
	}
	fmt.Println(s.Sent(), n, cq.Overruns())
	// Output: 1000 1000 0
}

// A lost interrupt, as a test for a watchdog needs it.
func ExampleFaults() {
	cq, err := mock.New(mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
	if err != nil {
		log.Fatal(err)
	}
	defer cq.Close()
	_, _ = cq.Arm(false)
	_, _ = cq.Complete(hwcq.WC{}, false)
	event, _ := cq.Events().TryWait()
	fmt.Println("event", event, "pending", cq.Pending(), "lost", cq.Stats().EventsLost)
	// Output: event false pending true lost 1
}
