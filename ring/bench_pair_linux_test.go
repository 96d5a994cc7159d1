package ring

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/baseline"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/internal/spin"
)

// The benchmarks of this file run a producer and a consumer, each pinned to a CPU of
// its own. Pair passes single events or batches of 32 and is timed by the consumer from
// the gate that lets both go; who has to wait does so with one PAUSE. Oneway sends one
// event there and one back, without PAUSE, and takes half of it.
//
// Both go in rounds of some hundred microseconds, and count those in which the kernel
// took neither thread off its CPU: ns/event (of Oneway: oneway-ns) is their median,
// p10-ns the tenth percentile, and kept how many of a hundred they were. Where none was
// there are no figures; ns/op has all of them in it, with what it takes to start them.
//
// anchor-ns is what a cache line takes from one of the two CPUs to the other, measured
// before: a guest's CPUs move about on the host. Compare only what has the same anchor,
// and count nothing above some 70 ns.

// pairRound is how many events, or round trips, a round has.
const pairRound = 1 << 14

// pinned runs two functions at the same time, each on a thread with a CPU of its own,
// and returns when both have ended, with how often the kernel took one off its CPU. The
// threads end with them.
func pinned(b *testing.B, one, two func()) (switches int64) {
	b.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
	var cpus []int
	for i := 0; i < 8*int(unsafe.Sizeof(set)) && len(cpus) < 2; i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	if len(cpus) < 2 || runtime.GOMAXPROCS(0) < 2 {
		b.Skip("two CPUs are needed")
	}
	type result struct {
		switches int64
		err      error
	}
	done := make(chan result, 2)
	for i, fn := range []func(){one, two} {
		go func() {
			runtime.LockOSThread() // and never unlocked
			var own unix.CPUSet
			own.Set(cpus[i])
			err := unix.SchedSetaffinity(0, &own)
			var before, after unix.Rusage
			err = errors.Join(err, unix.Getrusage(unix.RUSAGE_THREAD, &before))
			fn() // in any case, because the other one waits for it
			err = errors.Join(err, unix.Getrusage(unix.RUSAGE_THREAD, &after))
			done <- result{after.Nivcsw - before.Nivcsw, err}
		}()
	}
	for range 2 {
		r := <-done
		if r.err != nil {
			b.Fatal(r.err)
		}
		switches += r.switches
	}
	return switches
}

// rounds are the ns/event of those that count.
type rounds struct {
	kept []float64
	all  int
}

func (r *rounds) add(took time.Duration, events uint64, switches int64) {
	if r.all++; switches == 0 {
		r.kept = append(r.kept, float64(took.Nanoseconds())/float64(events))
	}
}

func (r *rounds) report(b *testing.B, unit string) {
	b.Helper()
	b.ReportMetric(float64(100*len(r.kept))/float64(r.all), "kept")
	if slices.Sort(r.kept); len(r.kept) > 0 {
		b.ReportMetric(r.kept[len(r.kept)/2], unit)
		b.ReportMetric(r.kept[len(r.kept)/10], "p10-ns")
	}
}

// gate lets two go at the same time.
type gate struct{ n atom.Uint32 }

func (g *gate) pass() {
	g.n.Add(1)
	for g.n.Load() < 2 {
		spin.Pause()
	}
}

// anchor is the time of a cache line from one of the CPUs to the other, in ns: the least
// of five, because anything else that runs there only adds to it.
func anchor(b *testing.B) float64 {
	b.Helper()
	const n = 2_000
	least := 0.0
	for range 5 {
		var w struct {
			_           pad.Line
			there, back atom.Uint64
			_           pad.Line
		}
		var g gate
		var took time.Duration
		pinned(b, func() {
			g.pass()
			began := time.Now()
			for i := uint64(1); i <= n; i++ {
				w.there.Store(i)
				for w.there.Load() != 0 {
				}
			}
			took = time.Since(began)
		}, func() {
			g.pass()
			for i := uint64(1); i <= n; i++ {
				for w.there.Load() != i {
				}
				w.there.Store(0)
			}
		})
		if ns := float64(took.Nanoseconds()) / (2 * n); least == 0 || ns < least {
			least = ns
		}
	}
	return least
}

// pair measures produce and consume, which pass numbers 1..n; consume returns their sum.
func pair(b *testing.B, each int, produce func(n uint64), consume func(n uint64) uint64) {
	b.Helper()
	a := anchor(b)
	var r rounds
	b.ResetTimer()
	for left := uint64(b.N * each); left > 0; {
		n := min(left, pairRound)
		left -= n
		var g gate
		var sum uint64
		var took time.Duration
		switches := pinned(b, func() {
			g.pass()
			produce(n)
		}, func() {
			g.pass()
			began := time.Now()
			sum = consume(n)
			took = time.Since(began)
		})
		if want := n * (n + 1) / 2; sum != want {
			b.Fatalf("the sum of %d events is %d, want %d", n, sum, want)
		}
		r.add(took, n, switches)
	}
	r.report(b, "ns/event")
	b.ReportMetric(a, "anchor-ns")
}

func BenchmarkPair(b *testing.B) {
	pairs[bench16](b)
	pairs[bench56](b)
}

// popAll is the consumer of singles.
func popAll[T any](n uint64, pop func(*T) bool) (sum uint64) {
	var v T
	for range n {
		for !pop(&v) {
			spin.Pause()
		}
		sum += *number(&v)
	}
	return sum
}

func pairs[T any](b *testing.B) {
	const capacity = 896
	run := func(impl string, batch int, produce func(n uint64), consume func(n uint64) uint64) {
		b.Run(fmt.Sprintf("impl=%s/event=%d/capacity=%d/batch=%d", impl, unsafe.Sizeof(*new(T)), capacity, batch), func(b *testing.B) {
			pair(b, batch, produce, consume)
		})
	}
	r, _ := New[T](capacity)
	l, _ := NewLane[T](capacity)
	run("try", 1, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i + 1
			for !r.TryPush(&v) {
				spin.Pause()
			}
		}
	}, func(n uint64) (sum uint64) {
		var v T
		for range n {
			for !r.TryPop(&v) {
				spin.Pause()
			}
			sum += *number(&v)
		}
		return sum
	})
	run("try-inplace", 1, func(n uint64) {
		for i := range n {
			c, ok := r.TryReserve(1)
			for ; !ok; c, ok = r.TryReserve(1) {
				spin.Pause()
			}
			*number(r.Slot(c, 0)) = i + 1
			r.Commit(c)
		}
	}, func(n uint64) (sum uint64) {
		for range n {
			p := r.TryPeek()
			for ; p == nil; p = r.TryPeek() {
				spin.Pause()
			}
			sum += *number(p)
			r.Advance(1)
		}
		return sum
	})
	run("lane", 1, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i + 1
			for !l.TryPush(&v) {
				spin.Pause()
			}
		}
	}, func(n uint64) (sum uint64) {
		var v T
		for range n {
			for !l.TryPop(&v) {
				spin.Pause()
			}
			sum += *number(&v)
		}
		return sum
	})
	run("lane-release", 1, func(n uint64) {
		for i := range n {
			c, ok := l.TryReserve(1)
			for ; !ok; c, ok = l.TryReserve(1) {
				spin.Pause()
			}
			*number(l.Slot(c, 0)) = i + 1
			l.CommitRelease(c)
		}
	}, func(n uint64) (sum uint64) {
		for range n {
			p := l.TryPeek()
			for ; p == nil; p = l.TryPeek() {
				spin.Pause()
			}
			sum += *number(p)
			l.Advance(1)
		}
		return sum
	})
	m := baseline.NewMutexRing[T](1024)
	run("mutex", 1, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i + 1
			for !m.Push(&v) {
				spin.Pause()
			}
		}
	}, func(n uint64) uint64 { return popAll(n, m.Pop) })
	ch := make(chan T, 1024)
	run("chan", 1, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i + 1
			ch <- v
		}
	}, func(n uint64) (sum uint64) {
		for range n {
			v := <-ch
			sum += *number(&v)
		}
		return sum
	})
	fill := func(s []T, at uint64) uint64 {
		for i := range s {
			at++
			*number(&s[i]) = at
		}
		return at
	}
	add := func(s []T) (sum uint64) {
		for i := range s {
			sum += *number(&s[i])
		}
		return sum
	}
	run("mpsc", benchBatch, func(n uint64) {
		vs := make([]T, benchBatch)
		for at := uint64(0); at < n; {
			at = fill(vs, at)
			for r.PushN(vs) != OK {
				spin.Pause()
			}
		}
	}, func(n uint64) (sum uint64) {
		vs := make([]T, benchBatch)
		for got := 0; got < int(n); {
			k := r.PopN(vs)
			if k == 0 {
				spin.Pause()
			}
			sum += add(vs[:k])
			got += k
		}
		return sum
	})
	run("slots", benchBatch, func(n uint64) {
		for at := uint64(0); at < n; {
			c, ok := r.TryReserve(benchBatch)
			if !ok {
				spin.Pause()
				continue
			}
			for k := 0; k < benchBatch; {
				s := r.Slots(c, k)
				at = fill(s, at)
				k += len(s)
			}
			r.Commit(c)
		}
	}, func(n uint64) (sum uint64) {
		for got := 0; got < int(n); {
			s := r.Ready(benchBatch)
			if len(s) == 0 {
				spin.Pause()
				continue
			}
			sum += add(s)
			got += len(s)
			r.Advance(len(s))
		}
		return sum
	})
	run("lane", benchBatch, func(n uint64) {
		vs := make([]T, benchBatch)
		for at := uint64(0); at < n; {
			at = fill(vs, at)
			for l.PushN(vs) != OK {
				spin.Pause()
			}
		}
	}, func(n uint64) (sum uint64) {
		vs := make([]T, benchBatch)
		for got := 0; got < int(n); {
			k := l.PopN(vs)
			if k == 0 {
				spin.Pause()
			}
			sum += add(vs[:k])
			got += k
		}
		return sum
	})
	run("lane-release", benchBatch, func(n uint64) {
		for at := uint64(0); at < n; {
			c, ok := l.TryReserve(benchBatch)
			if !ok {
				spin.Pause()
				continue
			}
			for k := 0; k < benchBatch; {
				s := l.Slots(c, k)
				at = fill(s, at)
				k += len(s)
			}
			l.CommitRelease(c)
		}
	}, func(n uint64) (sum uint64) {
		for got := 0; got < int(n); {
			s := l.Ready(benchBatch)
			if len(s) == 0 {
				spin.Pause()
				continue
			}
			sum += add(s)
			got += len(s)
			l.Advance(len(s))
		}
		return sum
	})
	run("mutex", benchBatch, func(n uint64) {
		vs := make([]T, benchBatch)
		for at := uint64(0); at < n; {
			at = fill(vs, at)
			for !m.PushN(vs) {
				spin.Pause()
			}
		}
	}, func(n uint64) (sum uint64) {
		vs := make([]T, benchBatch)
		for got := 0; got < int(n); {
			k := m.PopN(vs)
			if k == 0 {
				spin.Pause()
			}
			sum += add(vs[:k])
			got += k
		}
		return sum
	})
}

// oneway measures n round trips: ping sends number i and waits for it, pong waits and
// sends it back.
func oneway(b *testing.B, impl string, event uintptr, ping, pong func(n uint64)) {
	b.Helper()
	b.Run(fmt.Sprintf("impl=%s/event=%d", impl, event), func(b *testing.B) {
		a := anchor(b)
		var r rounds
		b.ResetTimer()
		for left := uint64(b.N); left > 0; {
			n := min(left, pairRound/8)
			left -= n
			var g gate
			var took time.Duration
			switches := pinned(b, func() {
				g.pass()
				began := time.Now()
				ping(n)
				took = time.Since(began)
			}, func() {
				g.pass()
				pong(n)
			})
			r.add(took, 2*n, switches)
		}
		r.report(b, "oneway-ns")
		b.ReportMetric(a, "anchor-ns")
	})
}

func BenchmarkOneway(b *testing.B) {
	oneways[bench16](b)
	oneways[bench56](b)
}

func oneways[T any](b *testing.B) {
	size := unsafe.Sizeof(*new(T))
	there, _ := New[T](896)
	back, _ := New[T](896)
	oneway(b, "try", size, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i
			there.TryPush(&v)
			for !back.TryPop(&v) {
			}
		}
	}, func(n uint64) {
		var v T
		for range n {
			for !there.TryPop(&v) {
			}
			back.TryPush(&v)
		}
	})
	to, _ := NewLane[T](896)
	fro, _ := NewLane[T](896)
	oneway(b, "lane", size, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i
			to.TryPush(&v)
			for !fro.TryPop(&v) {
			}
		}
	}, func(n uint64) {
		var v T
		for range n {
			for !to.TryPop(&v) {
			}
			fro.TryPush(&v)
		}
	})
	release := func(l *Lane[T], i uint64) {
		if c, ok := l.TryReserve(1); ok {
			*number(l.Slot(c, 0)) = i
			l.CommitRelease(c)
		}
	}
	poll := func(l *Lane[T]) uint64 {
		p := l.TryPeek()
		for ; p == nil; p = l.TryPeek() {
		}
		i := *number(p)
		l.Advance(1)
		return i
	}
	oneway(b, "lane-release", size, func(n uint64) {
		for i := range n {
			release(to, i)
			poll(fro)
		}
	}, func(n uint64) {
		for range n {
			release(fro, poll(to))
		}
	})
	ping, pong := make(chan T, 1), make(chan T, 1)
	oneway(b, "chan", size, func(n uint64) {
		var v T
		for i := range n {
			*number(&v) = i
			ping <- v
			v = <-pong
		}
	}, func(n uint64) {
		for range n {
			pong <- <-ping
		}
	})
}
