package ring

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// stamp is an event that cannot be torn without being noticed.
type stamp struct{ by, n, not, mix uint64 }

func stampOf(by, n uint64) stamp { return stamp{by, n, ^n, by<<32 ^ n*3} }

// producer pushes total events, or until the ring is closed, in its own mixture
// of ways, and returns how many were accepted.
func producer(r *MPSC[stamp], by, total uint64) uint64 {
	g := rand.New(rand.NewPCG(by, 0))
	batch := make([]stamp, 0, 8)
	n := uint64(0)
	inPlace := func(c Claim) {
		if n%5 == 0 {
			runtime.Gosched() // others run while the claim is open
		}
		for i := range c.Len() {
			*r.Slot(c, i) = stampOf(by, n+uint64(i))
		}
		if n%2 == 0 {
			r.Commit(c)
		} else {
			r.CommitRelease(c)
		}
		n += uint64(c.Len())
	}
	for n < total {
		k := min(1+g.IntN(8), r.Cap(), int(total-n))
		var st Status
		var c Claim
		switch way := (by + g.Uint64N(2)) % 4; way {
		case 0:
			v := stampOf(by, n)
			if k > 4 && r.TryPush(&v) {
				n++
				continue
			}
			if st = r.Push(&v); st == OK {
				n++
			}
		case 1:
			batch = batch[:0]
			for i := range k {
				batch = append(batch, stampOf(by, n+uint64(i)))
			}
			if st = r.PushN(batch); st == OK {
				n += uint64(k)
			}
		case 2:
			if c, st = r.Reserve(k); st == OK {
				inPlace(c)
			}
		case 3:
			if c, st = r.ReserveUpTo(k); st == OK {
				inPlace(c)
			}
		}
		switch st {
		case Closed:
			return n
		case Full:
			runtime.Gosched()
		case OK:
		}
	}
	return n
}

// consumer takes events in a mixture of ways until the ring is closed and
// empty, and returns how many of each producer came.
func consumer(t *testing.T, r *MPSC[stamp], producers int, closed func() bool) []uint64 {
	g := rand.New(rand.NewPCG(99, 0))
	next := make([]uint64, producers)
	take := func(vs ...stamp) {
		for _, v := range vs {
			switch {
			case v.by >= uint64(producers) || v != stampOf(v.by, v.n):
				t.Errorf("torn or foreign event %v", v)
			case v.n != next[v.by]:
				t.Errorf("producer %d: event %d, want %d", v.by, v.n, next[v.by])
				next[v.by] = v.n + 1
			default:
				next[v.by]++
			}
		}
	}
	dst := make([]stamp, 16)
	for !t.Failed() {
		final := closed() // before the look: then Empty is the end
		before := r.Len()
		if before > int(r.size) {
			t.Errorf("%d events in %d slots", before, r.size)
		}
		n := 0
		switch g.IntN(4) {
		case 3:
			var v stamp
			if r.TryPop(&v) {
				take(v)
				n = 1
			}
		case 0:
			var v stamp
			if r.Pop(&v) == Event {
				take(v)
				n = 1
			}
		case 1:
			n = r.PopN(dst[:1+g.IntN(len(dst))])
			take(dst[:n]...)
		case 2:
			s := r.Ready(1 + g.IntN(16))
			n = min(len(s), 1+g.IntN(16))
			take(s[:n]...)
			r.Advance(n)
		}
		if n > 0 {
			continue
		}
		if r.Look() == Empty && final {
			return next
		}
		runtime.Gosched()
	}
	return next
}

// observe asks what third parties may ask.
func observe(t *testing.T, r *MPSC[stamp], stop <-chan struct{}) {
	accepted := uint64(0)
	for {
		select {
		case <-stop:
			return
		default:
		}
		a := r.Accepted()
		if a < accepted {
			t.Errorf("accepted went from %d to %d", accepted, a)
		}
		accepted = a
		if r.Idle() && r.freed.Load() < a {
			t.Errorf("Idle, but %d of %d accepted before it are not consumed", a-r.freed.Load(), a)
		}
		runtime.Gosched()
	}
}

// Four producers and a consumer; the ring is closed after all is pushed, or
// in the middle of it. Every accepted event arrives once and in order.
func TestStress(t *testing.T) {
	const producers = 4
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 4} {
		for _, capacity := range []int{1, 8, 50} {
			for _, early := range []bool{false, true} {
				t.Run(fmt.Sprintf("procs=%d/capacity=%d/early=%v", procs, capacity, early), func(t *testing.T) {
					runtime.GOMAXPROCS(procs)
					r := newAt[stamp](t, capacity, 1<<32-1000)
					start := r.Accepted()
					total := uint64(min(200*capacity, 2000)) // small rings switch at every event
					closed := make(chan struct{})
					stop := make(chan struct{})
					accepted := make([]uint64, producers)
					var pushing, all sync.WaitGroup
					for by := range uint64(producers) {
						pushing.Go(func() { accepted[by] = producer(r, by, total) })
					}
					all.Go(func() {
						if early {
							for r.Accepted()-start < producers*total/2 {
								runtime.Gosched()
							}
						} else {
							pushing.Wait()
						}
						r.Close()
						close(closed)
					})
					all.Go(func() { observe(t, r, stop) })
					got := consumer(t, r, producers, func() bool {
						select {
						case <-closed:
							return true
						default:
							return false
						}
					})
					r.Close() // also when the consumer gave up
					pushing.Wait()
					close(stop)
					all.Wait()
					sum := uint64(0)
					for by := range accepted {
						if got[by] != accepted[by] {
							t.Errorf("producer %d: %d accepted, %d drained", by, accepted[by], got[by])
						}
						if !early && accepted[by] != total {
							t.Errorf("producer %d: %d of %d accepted", by, accepted[by], total)
						}
						sum += got[by]
					}
					if n := r.Accepted() - start; n != sum {
						t.Errorf("the ring accepted %d, the consumer drained %d", n, sum)
					}
					if !r.Idle() {
						t.Error("not idle at the end")
					}
				})
			}
		}
	}
}
