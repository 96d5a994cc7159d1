package ring

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// laneProducer pushes total events in all ways, the plain store among them, closes the
// lane, and waits for room where there is none.
func laneProducer(l *Lane[stamp], total uint64) {
	g := rand.New(rand.NewPCG(1, 0))
	batch := make([]stamp, 0, 8)
	for n := uint64(0); n < total; {
		k := min(1+g.IntN(8), l.Cap(), int(total-n))
		var took int
		switch g.IntN(5) {
		case 0:
			v := stampOf(0, n)
			if l.TryPush(&v) {
				took = 1
			}
		case 1:
			batch = batch[:0]
			for i := range k {
				batch = append(batch, stampOf(0, n+uint64(i)))
			}
			if l.PushN(batch) == OK {
				took = k
			}
		case 2:
			if c, ok := l.TryReserve(1); ok {
				*l.Slot(c, 0) = stampOf(0, n)
				l.CommitRelease(c)
				took = 1
			}
		case 3, 4:
			c, st := l.ReserveUpTo(k)
			if st != OK {
				break
			}
			took = c.Len()
			for i := range took {
				*l.Slot(c, i) = stampOf(0, n+uint64(i))
			}
			if g.IntN(2) == 0 {
				l.Commit(c)
			} else {
				l.CommitRelease(c)
			}
		}
		if n += uint64(took); took == 0 {
			runtime.Gosched()
		}
	}
	l.Close()
}

// laneConsumer takes events in all ways until the lane is closed and empty, and
// returns how many came.
func laneConsumer(t *testing.T, l *Lane[stamp]) uint64 {
	g := rand.New(rand.NewPCG(2, 0))
	next := uint64(0)
	take := func(vs ...stamp) {
		for _, v := range vs {
			if v != stampOf(0, next) && !t.Failed() {
				t.Errorf("event %v, want number %d", v, next)
			}
			next++
		}
	}
	dst := make([]stamp, 16)
	for {
		final := l.Closed() // before the look: then Empty is the end
		n := 0
		switch g.IntN(4) {
		case 0:
			var v stamp
			if l.TryPop(&v) {
				take(v)
				n = 1
			}
		case 1:
			n = l.PopN(dst[:1+g.IntN(len(dst))])
			take(dst[:n]...)
		case 2:
			s := l.Ready(1 + g.IntN(16))
			n = min(len(s), 1+g.IntN(16))
			take(s[:n]...)
			l.Advance(n)
		case 3:
			if p := l.TryPeek(); p != nil {
				take(*p)
				l.Advance(1)
				n = 1
			}
		}
		if n > 0 {
			continue
		}
		if l.Look() == Empty && final {
			return next
		}
		runtime.Gosched()
	}
}

// A producer, a consumer and an observer: every event arrives once, whole and in order.
func TestLaneStress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 4} {
		for _, capacity := range []int{1, 8, 50} {
			t.Run(fmt.Sprintf("procs=%d/capacity=%d", procs, capacity), func(t *testing.T) {
				runtime.GOMAXPROCS(procs)
				l := newLaneAt[stamp](t, capacity, 1<<32-1000)
				start := l.Accepted()
				total := uint64(min(500*capacity, 4000)) // small ones switch at every event
				stop := make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() { laneProducer(l, total) })
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if a := l.Accepted(); l.Idle() && l.freed.Load() < a {
							t.Errorf("Idle, but %d accepted before it are not consumed", a-l.freed.Load())
						}
						if h := l.Held(); h < 0 { // it may be outdated, and too large then
							t.Errorf("%d held", h)
						}
						runtime.Gosched()
					}
				})
				got := laneConsumer(t, l)
				close(stop)
				all.Wait()
				if n := l.Accepted() - start; got != total || n != total {
					t.Errorf("%d of %d events arrived, %d were accepted", got, total, n)
				}
				if !l.Idle() {
					t.Error("not idle at the end")
				}
			})
		}
	}
}
