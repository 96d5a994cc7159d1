package explore_test

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// Two threads increment a counter by a load and a store. The explorer finds
// the interleaving that loses one, and replays it.
func ExampleRun() {
	body := func(x *explore.X) {
		n := new(word) // in tests of the library: an atomic of package atom
		x.Label(unsafe.Pointer(n), "counter")
		for _, name := range []string{"a", "b"} {
			x.Go(name, func() { n.store(n.load() + 1) })
		}
		x.Check(func() {
			if v := n.load(); v != 2 {
				x.Failf("the counter is %d, want 2", v)
			}
		})
	}
	res := explore.Run(explore.Options{}, body)
	fmt.Println(res.Failure.Reason)
	fmt.Println("replay:", res.Failure.Replay)

	again := explore.Run(explore.Options{Replay: res.Failure.Replay}, body)
	for line := range strings.Lines(again.Failure.Trace) {
		if strings.Contains(line, "counter") {
			f := strings.Fields(line) // number, what happened, source line
			fmt.Println(strings.Join(f[1:len(f)-1], " "))
		}
	}
	// Output:
	// the counter is 1, want 2
	// replay: 1-1z.1
	// a load counter 0
	// b load counter 0
	// b store counter 0 -> 1
	// a store counter 1 -> 1
}

// A worker is a daemon: it need not end. Checks run when it has nothing to do
// any more.
func ExampleX_Daemon() {
	res := explore.Run(explore.Options{Preemptions: explore.Unbounded}, func(x *explore.X) {
		var queued, done word
		x.Daemon("worker", func() {
			for {
				explore.Block(func() bool { return queued.load() > done.load() })
				done.add(1)
			}
		})
		x.Go("producer", func() {
			queued.add(1)
			queued.add(1)
		})
		x.Check(func() {
			if done.load() != 2 {
				x.Failf("%d done, want 2", done.load())
			}
		})
	})
	fmt.Println(res.Complete, res.Failure)
	// Output: true <nil>
}

// Choose explores faults like any other decision.
func ExampleX_Choose() {
	seen := map[string]bool{}
	explore.Run(explore.Options{}, func(x *explore.X) {
		x.Go("device", func() {
			seen[[]string{"ok", "late", "lost"}[x.Choose(3)]] = true
		})
	})
	fmt.Println(len(seen), seen["lost"])
	// Output: 3 true
}

// Partial-order reduction: of the 252 interleavings of two threads that work
// on different counters, one is enough.
func ExampleOptions_search() {
	body := func(x *explore.X) {
		for _, name := range []string{"a", "b"} {
			n := new(word)
			x.Go(name, func() {
				for range 5 {
					n.add(1)
				}
			})
		}
	}
	all := explore.Run(explore.Options{Preemptions: explore.Unbounded}, body)
	some := explore.Run(explore.Options{Search: explore.DPOR}, body)
	fmt.Println(all.Executions, some.Executions, all.Complete, some.Complete)
	// Output: 252 1 true true
}

// MustFail in a test of the test: a lost update that no one would see in a
// million ordinary runs is found by random priorities in a few.
func ExampleRun_pct() {
	res := explore.Run(explore.Options{Search: explore.PCT, Depth: 2, Seed: 1}, func(x *explore.X) {
		n := new(word)
		for _, name := range []string{"a", "b", "c"} {
			x.Go(name, func() { n.store(n.load() + 1) })
		}
		x.Check(func() {
			if v := n.load(); v != 3 {
				x.Failf("the counter is %d, want 3", v)
			}
		})
	})
	fmt.Println(res.Failure.Reason)
	// Output: the counter is 1, want 3
}
