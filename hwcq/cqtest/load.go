package cqtest

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

var loadProperties = []property{
	{name: "allocations", where: "hwcq.CQ.Poll: never allocates; the hot path is free of garbage", check: checkAllocs, needs: func(*Bed) bool { return !raceEnabled }},
	{name: "two pollers", where: "hwcq.CQ: at most one goroutine at a time may call Poll; Driver.GuardsPoll", check: checkTwoPollers},
	{name: "stress", where: "hwcq.CQ: every completion is polled once, and no wake is lost", check: checkStress},
}

// tally is a counter that several goroutines read.
type tally struct{ n atom.Int64 }

func (t *tally) add(n int) { t.n.Add(int64(n)) }
func (t *tally) load() int { return int(t.n.Load()) }

// allocs is the least of three measurements: others may allocate meanwhile.
func (x *x) allocs(what string, runs int, f func()) {
	least := -1.0
	for range 3 {
		var n float64
		x.do(what, func() { n = testing.AllocsPerRun(runs, f) })
		if least < 0 || n < least {
			least = n
		}
		if least == 0 {
			return
		}
	}
	x.errorf("%s allocates: %v per call", what, least)
}

func checkAllocs(x *x) {
	x.open(512)
	dst := make([]hwcq.WC, 4)
	x.allocs("Poll of an empty CQ", 100, func() { x.cq.Poll(dst) })
	x.allocs("Pending", 100, func() { x.cq.Pending() })
	x.allocs("Capabilities", 100, func() { _ = x.cq.Capabilities() })
	x.allocs("Events", 100, func() { _ = x.cq.Events() })
	for range 5 {
		x.noErr("Bed.Complete", x.b.Complete(x.ids(100)...))
	}
	x.same(x.take(1, 1), []uint64{1})
	x.pending()
	x.allocs("Poll", 100, func() { x.cq.Poll(dst[:1]) })
	x.drain()
	x.arm()
	x.allocs("Arm and TryWait", 100, func() {
		_, _ = x.cq.Arm(false)
		_, _ = x.src.TryWait()
	})
	x.allocs("Wake and Wait", 100, func() {
		x.src.Wake()
		_, _ = x.src.Wait()
	})
}

// drain polls until the CQ is empty and stays so.
func (x *x) drain() {
	dst := make([]hwcq.WC, 64)
	for x.poll(dst) > 0 || x.cq.Pending() {
	}
}

// Two goroutines poll: together where that is guarded, else by turns.
func checkTwoPollers(x *x) {
	x.open(32)
	const n = 2000
	var mu sync.Mutex
	var left tally
	left.add(n)
	got := [2][]uint64{}
	var wg sync.WaitGroup
	quit := make(chan struct{})
	defer close(quit)
	for i := range got {
		wg.Go(func() {
			dst := make([]hwcq.WC, 3)
			for left.load() > 0 {
				select {
				case <-quit:
					return
				default:
				}
				var k int
				if !x.d.GuardsPoll {
					mu.Lock()
				}
				k = x.cq.Poll(dst)
				if !x.d.GuardsPoll {
					mu.Unlock()
				}
				for _, wc := range dst[:k] {
					got[i] = append(got[i], wc.WRID)
				}
				left.add(-k)
				x.got.add(k)
				runtime.Gosched()
			}
		})
	}
	over := make(chan struct{})
	go func() { defer close(over); wg.Wait() }()
	for made := 0; made < n; {
		k := min(8, n-made)
		x.until("pollers that take completions", func() bool { return made-(n-left.load()) <= x.depth-k })
		x.noErr("Bed.Complete", x.b.Complete(x.ids(k)...))
		made += k
		x.serve()
	}
	x.until("the pollers take the rest", func() bool { x.serve(); return left.load() <= 0 })
	x.await("Poll", over)
	seen := map[uint64]int{}
	for _, ids := range got {
		for _, id := range ids {
			seen[id]++
		}
	}
	for id := uint64(1); id <= n; id++ {
		if seen[id] != 1 {
			x.fatalf("WRID %d was polled %d times", id, seen[id])
		}
	}
}

// serve lets the owner of a CQ that belongs to a thread make visible what
// happened.
func (x *x) serve() {
	if x.own != nil {
		x.src.Wake()
		_, err := x.wait()
		x.noErr("Wait", err)
	}
}

// checkStress: a producer with random bursts, a consumer that polls, looks,
// arms and waits at random, and somebody who wakes it for nothing.
func checkStress(x *x) {
	for seed := range uint64(3) {
		x.open(64)
		x.stress(rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2)), x.rounds(5000))
	}
}

func (x *x) stress(prod, cons *rand.Rand, n int) {
	b, cq, src, depth := x.b, x.cq, x.src, min(x.depth, 64)
	base := x.last
	x.last += uint64(n)
	var polled tally
	over, quit := make(chan struct{}), make(chan struct{})
	go func() { // the producer
		defer close(over)
		for made := 0; made < n; {
			k := min(1+prod.IntN(8), n-made)
			for made-polled.load() > depth-k {
				select {
				case <-quit:
					return
				default:
					runtime.Gosched()
				}
			}
			ids := make([]uint64, k)
			for i := range ids {
				ids[i] = base + uint64(made+i+1)
			}
			if err := b.Complete(ids...); err != nil {
				x.errorf("Bed.Complete: %v", err)
				return
			}
			made += k
			if prod.IntN(4) == 0 {
				time.Sleep(time.Duration(prod.IntN(50)) * time.Microsecond)
			}
			if prod.IntN(50) == 0 {
				src.Wake()
			}
		}
	}()
	seen := make([]bool, n)
	next := 0
	dst := make([]hwcq.WC, 16)
	poll := func() int {
		k := cq.Poll(dst[:1+cons.IntN(len(dst))])
		for _, wc := range dst[:k] {
			i := int(wc.WRID - base - 1)
			switch {
			case i < 0 || i >= n || seen[i]:
				x.errorf("WRID %d is of nobody or came twice", wc.WRID)
			case !x.d.Unordered && i != next:
				x.errorf("WRID %d came, %d was next", wc.WRID, base+uint64(next+1))
			case wc.Status != hwcq.StatusSuccess:
				x.errorf("WRID %d: status %v of a good completion", wc.WRID, wc.Status)
			default:
				seen[i] = true
			}
			next++
		}
		polled.add(k)
		x.got.add(k)
		return k
	}
	var late atom.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		turn := func() {
			for next < n && !late.Load() && !x.failed() {
				switch cons.IntN(4) {
				case 0:
					poll()
				case 1:
					cq.Pending()
					_, _ = src.TryWait()
				default: // the protocol: arm, look again, sleep
					if _, err := cq.Arm(false); err != nil {
						x.errorf("Arm: %v", err)
						return
					}
					if poll() == 0 {
						if _, err := src.Wait(); err != nil {
							x.errorf("Wait: %v", err)
							return
						}
					}
				}
			}
		}
		if x.own != nil {
			x.own.do(turn)
		} else {
			turn()
		}
	}()
	x.watch(&polled, &late, ended)
	close(quit)
	x.await("Bed.Complete", over)
	if !x.failed() {
		x.empty()
	}
}

// watch ends a consumer that makes no progress.
func (x *x) watch(polled *tally, late *atom.Bool, ended chan struct{}) {
	for {
		was := polled.load()
		t := time.NewTimer(x.d.Patience)
		select {
		case <-ended:
			t.Stop()
			return
		case <-t.C:
		}
		if polled.load() == was {
			x.errorf("no progress after %d completions, Pending %v: a wake or a completion was lost", was, x.cq.Pending())
			late.Store(true)
			x.src.Wake()
			x.await("the consumer, although woken,", ended)
			return
		}
	}
}
