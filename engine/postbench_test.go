package engine

import (
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/baseline"
	"github.com/evdengine/evd/internal/spin"
)

// Posts beside what one would write with a lock (internal/baseline), and beside the
// upcall alone and a mutex alone: the same event, the same upcall, everything in turn
// in one process, since on a shared machine absolute times mean little.

// postImpls are the ways; the last is that of which the others are multiples.
var postImpls = []string{"bare", "mutex-queue", "mutex-direct", "spin-flag-queue", "mutex-alone", "evd"}

const (
	postSample = 3200 // events of a sample, whole bursts
	postRing   = 1024
	postBatch  = 32
)

// postWays are posters of n events, one by one or burst by burst, for each way.
func postWays(b *testing.B, burst int) (ways []func(n int), check func(want uint64)) {
	sums := make([]uint64, 8*len(postImpls)) // each on its own line
	add := func(i int) func(evs []Event) {
		sum := &sums[8*i]
		return func(evs []Event) { *sum += sumOf(evs) }
	}
	e := newTestEngine(b, Config{})
	sum := &sums[8*5]
	d, err := e.NewEVD(EVDConfig{
		// No budget, as the baselines.
		Capacity: postRing, Batch: postBatch, Budget: maxBudget, Dispatch: DispatchInline, Policy: SingleInstance,
		Upcall: func(u *Upcall) { *sum += sumOf(u.Events()) },
	})
	if err != nil {
		b.Fatal(err)
	}
	queue := baseline.NewMutexQueue(postRing, postBatch, add(1))
	direct := baseline.NewMutexDirect(postRing, postBatch, add(2))
	flag := baseline.NewSpinFlagQueue(postRing, postBatch, add(3))
	bare := add(0)
	var mu sync.Mutex
	if burst == 1 {
		return []func(n int){
			func(n int) {
				for evs := make([]Event, 1); n > 0; n-- {
					evs[0] = Event{WRID: 1}
					bare(evs)
				}
			},
			func(n int) {
				for n > 0 {
					if queue.Post(&Event{WRID: 1}) {
						n--
					} else {
						spin.Pause()
					}
				}
			},
			func(n int) {
				for n > 0 {
					if direct.Post(&Event{WRID: 1}) {
						n--
					} else {
						spin.Pause()
					}
				}
			},
			func(n int) {
				for n > 0 {
					if flag.Post(&Event{WRID: 1}) {
						n--
					} else {
						spin.Pause()
					}
				}
			},
			func(n int) {
				for ; n > 0; n-- {
					mu.Lock()
					mu.Unlock() //lint:ignore SA2001 the cost of the pair is what is measured
				}
			},
			func(n int) {
				for n > 0 {
					if d.Post(Event{WRID: 1}) == nil {
						n--
					} else {
						spin.Pause()
					}
				}
			},
		}, checkPosts(b, sums)
	}
	bursts := func(post func(evs []Event) int) func(n int) {
		evs := make([]Event, burst)
		return func(n int) {
			for ; n > 0; n -= burst {
				for i := range evs {
					evs[i].WRID = 1
				}
				for left := evs; len(left) > 0; {
					k := post(left)
					if left = left[k:]; k == 0 {
						spin.Pause()
					}
				}
			}
		}
	}
	return []func(n int){
		bursts(func(evs []Event) int { bare(evs); return len(evs) }),
		bursts(queue.PostN),
		bursts(direct.PostN),
		bursts(flag.PostN),
		bursts(func(evs []Event) int {
			mu.Lock()
			mu.Unlock() //lint:ignore SA2001 the cost of the pair is what is measured
			return len(evs)
		}),
		bursts(func(evs []Event) int {
			n, _ := d.PostN(evs)
			return n
		}),
	}, checkPosts(b, sums)
}

// sumOf is what every upcall does.
func sumOf(evs []Event) (n uint64) {
	for i := range evs {
		n += evs[i].WRID
	}
	return n
}

func checkPosts(b *testing.B, sums []uint64) func(want uint64) {
	return func(want uint64) {
		for i, way := range postImpls {
			if got := sums[8*i]; got != want && way != "mutex-alone" {
				b.Fatalf("%s: the sum is %d, not %d", way, got, want)
			}
		}
	}
}

// BenchmarkPost: a turn of the benchmark is a sample of each way, and the results are
// the tenth percentiles: ns an event, how many times as long as evd the others take, and as
// a mutex's Lock and Unlock. Two posters have a CPU each and begin together; the
// mutex and the upcall alone are left out then.
func BenchmarkPost(b *testing.B) {
	for _, posters := range []int{1, 2} {
		for _, burst := range []int{1, 32} {
			b.Run("posters="+strconv.Itoa(posters)+"/burst="+strconv.Itoa(burst), func(b *testing.B) {
				if posters > runtime.NumCPU() {
					b.Skip("not enough CPUs")
				}
				ways, check := postWays(b, burst)
				samples := make([][]float64, len(ways))
				rounds := uint64(0)
				for b.Loop() {
					for i, way := range ways {
						if posters > 1 && (postImpls[i] == "bare" || postImpls[i] == "mutex-alone") {
							continue
						}
						samples[i] = append(samples[i], postSampleOf(posters, way))
					}
					rounds++
				}
				if posters == 1 {
					check(rounds * postSample)
				}
				reportPosts(b, samples)
			})
		}
	}
}

// postSampleOf returns the ns an event that posters take, all together.
func postSampleOf(posters int, way func(n int)) float64 {
	var start time.Time
	if posters == 1 {
		start = time.Now()
		way(postSample)
		return float64(time.Since(start).Nanoseconds()) / postSample
	}
	var ready atom.Int32
	var wg sync.WaitGroup
	var began [2]time.Time
	for p := range posters {
		wg.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread goes with its CPU
			pinBench(p)
			for ready.Add(1); ready.Load() < int32(posters); {
				spin.Pause()
			}
			began[p] = time.Now()
			way(postSample)
		})
	}
	wg.Wait()
	if start = began[0]; began[1].Before(start) {
		start = began[1]
	}
	return float64(time.Since(start).Nanoseconds()) / float64(posters*postSample)
}

func reportPosts(b *testing.B, samples [][]float64) {
	p10 := make([]float64, len(samples))
	for i, s := range samples {
		if slices.Sort(s); len(s) > 0 {
			p10[i] = s[len(s)/10]
		}
	}
	b.ReportMetric(0, "ns/op")
	evd, pair := p10[len(p10)-1], p10[len(p10)-2]
	for i, impl := range postImpls {
		if p10[i] == 0 {
			continue
		}
		b.ReportMetric(p10[i], impl+"-ns")
		if impl != "evd" {
			b.ReportMetric(p10[i]/evd, impl+"/evd")
		}
		if impl != "mutex-alone" && pair > 0 {
			b.ReportMetric(p10[i]/pair, impl+"/mutex")
		}
	}
}
