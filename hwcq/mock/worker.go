package mock

import (
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// spinHorizon is how close a moment must be for a worker to spin towards it:
// a timer sleep on Linux overshoots by a millisecond when the runtime is
// parked in epoll_wait, whose timeout has that resolution.
const spinHorizon = 2 * time.Millisecond

// worker is the goroutine of a QP or a stream: what can stop, wake and pace
// it.
type worker struct {
	stop atom.Bool // Writer: whoever stops. Reader: the goroutine
	tok  atom.Token
	base time.Time     // the origin of now
	over atom.Bool     // Writer: the goroutine, last but one thing
	done chan struct{} // closed last
}

func newWorker() *worker {
	return &worker{tok: atom.NewToken(), base: time.Now(), done: make(chan struct{})}
}

// askStop makes the goroutine end soon; wait returns when it has.
func (w *worker) askStop() {
	w.stop.Store(true) // before the token: a parked goroutine looks after it
	w.tok.Signal()
}

// ended is what the goroutine does last.
func (w *worker) ended() {
	w.over.Store(true) // for wait under the explorer, which has no channels
	close(w.done)
}

func (w *worker) wait() {
	for atom.Exploring && !w.over.Load() {
		atom.Spin()
	}
	<-w.done
}

// now is the time since base.
func (w *worker) now() time.Duration { return time.Since(w.base) }

// until waits for the moment due, or to be stopped, and returns the time.
func (w *worker) until(due time.Duration) time.Duration {
	for {
		now := w.now()
		if now >= due || w.stop.Load() {
			return now
		}
		w.pause(due - now)
	}
}

// pause is one turn of waiting for a moment that is left away. It sleeps
// while that is far, until a token comes, and only yields when it is near, so
// that it shares a processor with whoever else spins.
func (w *worker) pause(left time.Duration) {
	if left > spinHorizon {
		w.tok.WaitTimeout(left - spinHorizon)
	} else {
		atom.Spin()
	}
}

// backoff is one turn of waiting for the poller to make room: it yields at
// first, and sleeps longer and longer (up to 1 ms) when that does not help.
func backoff(turn int) {
	const yields = 1000
	if atom.Exploring || turn < yields {
		atom.Spin()
		return
	}
	time.Sleep(min(time.Duration(turn-yields+1)*10*time.Microsecond, time.Millisecond))
}

// putAll stores all of wcs, waiting for room; with drop, what finds no room
// is lost as hardware would lose it, and so is what a CQ in error gets. It
// returns false when the worker was stopped or the CQ closed before.
func (w *worker) putAll(c *CQ, wcs []hwcq.WC, solicited, drop bool, stalls *atom.Counter) bool {
	for turn := 0; ; turn++ {
		n, err := c.put(wcs, solicited, drop)
		if err != nil {
			return false
		}
		if wcs = wcs[n:]; drop || len(wcs) == 0 || c.failed.Load() {
			return true
		}
		if n > 0 {
			turn = 0
		}
		if turn == 0 {
			stalls.Add(1)
		}
		if w.stop.Load() {
			return false
		}
		backoff(turn)
	}
}

// adopt makes w one of the workers that Close stops and hands out the number
// that keeps its random draws apart from the others'.
func (c *CQ) adopt(w *worker) (stream uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() { // under mu: pairs with Close
		return 0, hwcq.ErrClosed
	}
	if w != nil {
		c.workers = append(c.workers, w)
	}
	c.started++
	return c.started, nil
}

// disown forgets a worker that has ended, or does nothing else any more.
func (c *CQ) disown(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, x := range c.workers {
		if x == w {
			c.workers = append(c.workers[:i], c.workers[i+1:]...)
			return
		}
	}
}
