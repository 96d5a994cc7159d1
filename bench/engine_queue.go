package bench

import (
	"errors"
	"sync"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/baseline"
)

// gone tells whether a CQ gives nothing any more.
func gone(err error) bool {
	return errors.Is(err, hwcq.ErrClosed) || errors.Is(err, hwcq.ErrRemoved) || errors.Is(err, hwcq.ErrCorrupt) || errors.Is(err, hwcq.ErrOverrun)
}

// newDispatcher returns the one of that engine, with room for so many events, a power of
// two, that gives fn at most batch at a time.
func newDispatcher(name string, room, batch int, wait waitFor, fn func([]engine.Event)) dispatcher {
	switch name {
	case EngineSpinlock:
		return spinlockFlag{baseline.NewSpinFlagQueue(room, batch, fn)}
	case EngineMutex:
		q := &condQueue{slots: make([]engine.Event, room)}
		q.more.L = &q.mu
		return newHandOver(q, batch, wait, fn)
	case EngineChannel:
		return newHandOver(&chanQueue{make(chan engine.Event, room)}, batch, wait, fn)
	}
	panic("bench: no engine " + name)
}

// spinlockFlag is a queue under a spinlock and a flag that somebody delivers, as kDAPL
// had it in 2005: whoever puts something and finds the flag down raises it and delivers
// until the queue is empty.
type spinlockFlag struct {
	q *baseline.SpinFlagQueue[engine.Event]
}

func (d spinlockFlag) put(evs []engine.Event) int { return d.q.PostN(evs) }
func (d spinlockFlag) post(ev *engine.Event) bool { return d.q.Post(ev) }

// close: who has put something has returned, so the queue is empty.
func (d spinlockFlag) close(func([]engine.Event)) {}

// queue is between those who put and the goroutine that delivers.
type queue interface {
	put(evs []engine.Event) int
	post(ev *engine.Event) bool
	// try takes what there is.
	try(dst []engine.Event) int
	// take waits for something, 0: it was shut.
	take(dst []engine.Event) int
	shut()
}

// handOver delivers on a goroutine of its own what others put into a queue.
type handOver struct {
	queue
	wait waitFor
	fn   func([]engine.Event)
	done chan struct{}

	// Owner: the goroutine, then close.
	buf []engine.Event
	n   int
}

func newHandOver(q queue, batch int, wait waitFor, fn func([]engine.Event)) *handOver {
	h := &handOver{queue: q, wait: wait, fn: fn, buf: make([]engine.Event, batch), done: make(chan struct{})}
	go h.run()
	return h
}

func (h *handOver) run() {
	defer close(h.done)
	found := func() bool {
		h.n = h.try(h.buf)
		return h.n != 0
	}
	for {
		if !found() && !h.wait.spins(found) {
			h.n = h.take(h.buf)
		}
		if h.n <= 0 {
			return
		}
		h.fn(h.buf[:h.n])
	}
}

// shutNow is what try answers once the queue was shut and is empty.
const shutNow = -1

func (h *handOver) close(left func([]engine.Event)) {
	h.shut()
	<-h.done
	for n := h.try(h.buf); n > 0; n = h.try(h.buf) {
		left(h.buf[:n])
	}
}

// condQueue is a ring, a mutex and a condition.
//
// Invariant: slots [head, tail) hold the events that are queued.
type condQueue struct {
	mu         sync.Mutex
	more       sync.Cond // something was put, or it is shut
	slots      []engine.Event
	head, tail uint64
	sleeps     bool // the one who takes does, or is about to
	closed     bool
}

func (q *condQueue) put(evs []engine.Event) int {
	q.mu.Lock()
	n := min(len(evs), len(q.slots)-int(q.tail-q.head))
	k := copy(q.slots[q.at(q.tail):], evs[:n])
	copy(q.slots, evs[k:n])
	q.tail += uint64(n)
	q.wake()
	return n
}

func (q *condQueue) post(ev *engine.Event) bool {
	q.mu.Lock()
	ok := q.tail-q.head < uint64(len(q.slots))
	if ok {
		q.slots[q.at(q.tail)] = *ev
		q.tail++
	}
	q.wake()
	return ok
}

// wake is entered with the lock and leaves without: who is woken need not wait for it.
func (q *condQueue) wake() {
	asleep := q.sleeps
	q.sleeps = false
	q.mu.Unlock()
	if asleep {
		q.more.Signal()
	}
}

func (q *condQueue) try(dst []engine.Event) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pop(dst)
}

func (q *condQueue) take(dst []engine.Event) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if n := q.pop(dst); n != 0 {
			return n
		}
		q.sleeps = true
		q.more.Wait()
	}
}

func (q *condQueue) pop(dst []engine.Event) int {
	n := min(len(dst), int(q.tail-q.head))
	if n == 0 && q.closed {
		return shutNow
	}
	k := copy(dst[:n], q.slots[q.at(q.head):])
	copy(dst[k:n], q.slots)
	q.head += uint64(n)
	return n
}

func (q *condQueue) at(i uint64) int { return int(i) & (len(q.slots) - 1) }

func (q *condQueue) shut() {
	q.mu.Lock()
	q.closed = true
	q.sleeps = true
	q.wake()
}

// chanQueue is a channel.
type chanQueue struct{ events chan engine.Event }

func (q *chanQueue) put(evs []engine.Event) int {
	for i := range evs {
		if !q.post(&evs[i]) {
			return i
		}
	}
	return len(evs)
}

func (q *chanQueue) post(ev *engine.Event) bool {
	select {
	case q.events <- *ev:
		return true
	default:
		return false
	}
}

func (q *chanQueue) try(dst []engine.Event) (n int) {
	for n < len(dst) {
		select {
		case ev, open := <-q.events:
			if open {
				dst[n] = ev
				n++
				continue
			}
			if n == 0 {
				return shutNow
			}
		default:
		}
		break
	}
	return n
}

func (q *chanQueue) take(dst []engine.Event) int {
	ev, open := <-q.events
	if !open {
		return shutNow
	}
	dst[0] = ev
	return 1 + max(0, q.try(dst[1:]))
}

// shut: nobody puts any more.
func (q *chanQueue) shut() { close(q.events) }
