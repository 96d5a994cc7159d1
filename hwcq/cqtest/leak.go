package cqtest

import (
	"bytes"
	"os"
	"runtime"
	"time"
)

// held is what a process holds and a closed CQ must have given back.
type held struct{ fds, maps, goroutines int }

// hold counts. Where there is no /proc the first two are 0.
func hold() (h held) {
	runtime.GC()
	if e, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.fds = len(e)
	}
	if b, err := os.ReadFile("/proc/self/maps"); err == nil {
		h.maps = bytes.Count(b, []byte("\n"))
	}
	h.goroutines = runtime.NumGoroutine()
	return h
}

// Many CQs, opened, used and closed, leave nothing behind. The runtime may take
// some mappings and threads of its own meanwhile, hence the slack; a CQ's memory
// may be given back by the garbage collector, hence the patience.
func checkLeaks(x *x) {
	const cycles, slack = 40, 20
	cycle := func() {
		x.open(32)
		x.arm()
		ids := x.complete(3)
		x.event()
		x.expect(ids, 4)
		x.src.Wake()
		x.woken()
		x.complete(1)
		x.close()
		x.cq, x.src = nil, nil // garbage
	}
	for range 5 {
		cycle()
	}
	before := hold()
	for range cycles {
		cycle()
	}
	var after held
	end := time.Now().Add(x.d.Patience)
	for {
		after = hold()
		if after.fds < before.fds+slack && after.maps < before.maps+slack && after.goroutines < before.goroutines+slack {
			return
		}
		if time.Now().After(end) {
			x.fatalf("%d CQs opened and closed leak: before %+v, after %+v", cycles, before, after)
		}
		time.Sleep(time.Millisecond)
	}
}
