package check

import (
	"runtime"
	"time"
)

// pause is the i-th turn of waiting for another goroutine.
func pause(i int) {
	if i < 200 {
		runtime.Gosched()
		return
	}
	time.Sleep(50 * time.Microsecond)
}

// spin keeps the processor for a while that is too short to sleep.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}
