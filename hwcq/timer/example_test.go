package timer_test

import (
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/timer"
)

// A consumer without an engine: arm, look, sleep.
func Example() {
	cq, err := timer.New(timer.Config{Depth: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cq.Close() }()

	_, _ = cq.After(20*time.Millisecond, 2)
	_, _ = cq.After(time.Millisecond, 1)
	hour, _ := cq.Every(time.Hour, 3)
	fmt.Println("stopped:", cq.Stop(hour))

	wcs := make([]hwcq.WC, 4)
	for got := 0; got < 2; {
		_, _ = cq.Arm(false)
		n := cq.Poll(wcs)
		if n == 0 {
			_, _ = cq.Events().Wait()
		}
		for _, wc := range wcs[:n] {
			fmt.Println("timer", wc.WRID)
			got++
		}
	}
	// Output:
	// stopped: true
	// timer 1
	// timer 2
}
