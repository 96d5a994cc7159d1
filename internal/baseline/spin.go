package baseline

import (
	"runtime"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/spin"
)

// Spinlock is a compare-and-swap and an exchange. Who waits reads, with PAUSE, and
// lets others run now and then: its holder may have lost the CPU.
type Spinlock struct{ w atom.Uint32 }

// Lock waits until nobody has it.
func (l *Spinlock) Lock() {
	if !l.w.CompareAndSwap(0, 1) {
		l.wait()
	}
}

func (l *Spinlock) wait() {
	for n := 1; ; n++ {
		if l.w.Load() == 0 && l.w.CompareAndSwap(0, 1) {
			return
		}
		spin.Pause()
		if n%64 == 0 {
			runtime.Gosched()
		}
	}
}

// Unlock gives it back.
func (l *Spinlock) Unlock() { l.w.Store(0) }

// SpinFlagQueue is [MutexQueue] with a spinlock.
type SpinFlagQueue[T any] struct {
	mu Spinlock
	run[T]
}

// NewSpinFlagQueue is as [NewMutexQueue].
func NewSpinFlagQueue[T any](capacity, batch int, fn func([]T)) *SpinFlagQueue[T] {
	return &SpinFlagQueue[T]{run: newRun(capacity, batch, fn)}
}

// Post queues *v, and delivers. It answers false if the queue is full.
func (q *SpinFlagQueue[T]) Post(v *T) bool {
	q.mu.Lock()
	if q.tail-q.head == uint64(len(q.slots)) {
		q.mu.Unlock()
		return false
	}
	q.slots[int(q.tail)&(len(q.slots)-1)] = *v
	q.tail++
	q.deliver()
	return true
}

// PostN queues as many of vs as fit, and delivers. It answers how many.
func (q *SpinFlagQueue[T]) PostN(vs []T) int {
	q.mu.Lock()
	n := q.put(vs)
	q.deliver()
	return n
}

// deliver is entered with the lock and leaves without.
func (q *SpinFlagQueue[T]) deliver() {
	if q.running {
		q.mu.Unlock()
		return
	}
	q.running = true
	for {
		vs := q.next()
		if len(vs) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		q.fn(vs)
		q.mu.Lock()
		q.head += uint64(len(vs))
	}
}
