package main

import (
	"runtime"
	"sync"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// alone times do on the calling goroutine, which keeps its thread meanwhile.
func alone(do func()) (took time.Duration, disturbed int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadSwitches()
	t0 := time.Now()
	do()
	took = time.Since(t0)
	return took, threadSwitches() - before
}

// gate lets the goroutines that arrive go on together, when all have come.
type gate struct {
	_    pad.Line
	left atom.Int32
	_    pad.Line
}

func (g *gate) pass(w waiter) {
	for g.left.Add(-1); g.left.Load() > 0; {
		w.wait()
	}
}

// core is a thread on a CPU of its own that runs what it is given.
type core struct{ jobs chan func() }

func newCore(cpu int) (*core, error) {
	c := &core{make(chan func())}
	pinned := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := pin(cpu)
		pinned <- err
		for job := range c.jobs {
			job()
		}
	}()
	return c, <-pinned
}

// cores are two of them, near each other but no siblings where there is a choice.
var cores [2]*core

// pair runs two functions at the same time, on a core each, and times the second: from
// the moment when both are there until it returns.
func pair(first, second func()) (took time.Duration, disturbed int64) {
	ends, disturbed := together(first, second)
	return ends[1], disturbed
}

// duel times two functions as pair does, until both have returned.
func duel(first, second func()) (took time.Duration, disturbed int64) {
	ends, disturbed := together(first, second)
	return max(ends[0], ends[1]), disturbed
}

func together(fns ...func()) (ends [2]time.Duration, disturbed int64) {
	var g gate
	g.left.Store(2)
	var done sync.WaitGroup
	done.Add(2)
	var began time.Time
	var ended [2]time.Time
	var switches [2]int64
	for i, fn := range fns {
		cores[i].jobs <- func() {
			defer done.Done()
			before := threadSwitches()
			g.pass(waiter{})
			if i == 1 {
				began = time.Now()
			}
			fn()
			ended[i] = time.Now()
			switches[i] = threadSwitches() - before
		}
	}
	done.Wait()
	for i := range ends {
		ends[i] = ended[i].Sub(began)
	}
	return ends, switches[0] + switches[1]
}

// crowd runs producers and a consumer on goroutines that are not pinned, on procs CPUs,
// and times the consumer. If they have a CPU each they only pause when they wait.
func crowd(procs, producers int, produce func(i int, w waiter), consume func(w waiter)) (took time.Duration, disturbed int64) {
	if old := runtime.GOMAXPROCS(0); old != procs {
		runtime.GOMAXPROCS(procs)
		defer runtime.GOMAXPROCS(old)
	}
	w := waiter{yields: producers+1 > procs}
	var g gate
	g.left.Store(int32(producers + 1))
	var done sync.WaitGroup
	for i := range producers {
		done.Go(func() {
			g.pass(waiter{yields: true})
			produce(i, w)
		})
	}
	done.Go(func() {
		g.pass(waiter{yields: true})
		before := processSwitches()
		t0 := time.Now()
		consume(w)
		took = time.Since(t0)
		disturbed = processSwitches() - before
	})
	done.Wait()
	return took, disturbed
}
