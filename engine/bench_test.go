package engine

import (
	"sync"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// lockQueue is the baseline: what one would write with a lock, a flag and a
// queue. The poster queues under the lock; if nobody is in the upcall he runs
// it himself until the queue is empty.
type lockQueue struct {
	lock, unlock func()
	running      bool
	q            []Event
	head         int
	batch        [1]Event
	fn           func([]Event)
}

func (l *lockQueue) post(ev *Event) {
	l.lock()
	l.q = append(l.q, *ev)
	if l.running {
		l.unlock()
		return
	}
	l.running = true
	for l.head < len(l.q) {
		l.batch[0] = l.q[l.head]
		l.head++
		l.unlock()
		l.fn(l.batch[:])
		l.lock()
	}
	l.q, l.head = l.q[:0], 0
	l.running = false
	l.unlock()
}

// BenchmarkIdlePost: one goroutine posts to an idle EVD whose upcall adds to a
// sum; ns from post to upcall return.
func BenchmarkIdlePost(b *testing.B) {
	var sum uint64
	add := func(evs []Event) {
		for i := range evs {
			sum += evs[i].WRID
		}
	}
	b.Run("impl=bare", func(b *testing.B) {
		fn := add
		evs := make([]Event, 1)
		for b.Loop() {
			evs[0] = Event{WRID: 1}
			fn(evs)
		}
	})
	b.Run("impl=evd-inline", func(b *testing.B) {
		e := newTestEngine(b, Config{})
		d, err := e.NewEVD(EVDConfig{
			Dispatch: DispatchInline, Policy: SingleInstance,
			Upcall: func(u *Upcall) { add(u.Events()) },
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Post(Event{WRID: 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("impl=mutex-queue", func(b *testing.B) {
		var mu sync.Mutex
		l := &lockQueue{lock: mu.Lock, unlock: mu.Unlock, fn: add}
		b.ReportAllocs()
		for b.Loop() {
			l.post(&Event{WRID: 1})
		}
	})
	b.Run("impl=spinlock-flag-queue", func(b *testing.B) {
		var w atom.Uint32
		l := &lockQueue{fn: add, unlock: func() { w.Store(0) }, lock: func() {
			for !w.CompareAndSwap(0, 1) {
				atom.Spin()
			}
		}}
		b.ReportAllocs()
		for b.Loop() {
			l.post(&Event{WRID: 1})
		}
	})
	b.Run("impl=mutex-alone", func(b *testing.B) {
		var mu sync.Mutex
		for b.Loop() {
			mu.Lock()
			mu.Unlock() //lint:ignore SA2001 the cost of the pair is what is measured
		}
	})
}

// BenchmarkPoll: bursts of completions stored and polled by a spinning poller
// of the engine's own; ns per completion from store to upcall.
func BenchmarkPoll(b *testing.B) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		b.Run("dispatch="+disp.String()+"/burst=32", func(b *testing.B) {
			cq := newTestCQ(b, mock.Config{})
			e := newTestEngine(b, Config{})
			var got atom.Counter
			_, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Mode: ModeSpin, Dispatch: disp, Policy: SingleInstance,
				Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
			})
			if err != nil {
				b.Fatal(err)
			}
			wcs := make([]hwcq.WC, 32)
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := cq.CompleteN(wcs, false); err != nil {
					b.Fatal(err)
				}
				for n += 32; got.Load() != n; {
					atom.Spin()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/wc")
		})
	}
}
