package engine

import "github.com/evdengine/evd/internal/atom"

// runq is the queue of queued runs, a FIFO unless there are classes. QUED in a machine's word allows one entry a
// machine, so the list is intrusive, never full and never allocates.
//
// It has a lock, unlike everything else on the way of an event: a queued run
// pays for a goroutine's wake-up, beside which the lock does not show, and
// under load QUED is already set and nobody comes here. Wake-ups go only to
// workers that are parked.
type runq struct {
	mu     atom.Mutex
	cond   *atom.Cond
	runs   classList[*machine]
	parked int
	n      int // runs in the list
	most   int // the most there were
	pops   uint64
	wakes  uint64
	closed bool
}

// look reports whether a run is waiting, and how many have begun so far.
func (q *runq) look() (waiting bool, pops uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.runs.empty(), q.pops
}

// push appends m, whose QUED bit the caller has just set.
func (q *runq) push(m *machine) {
	q.mu.Lock()
	q.runs.push(m, m.class)
	q.n++
	q.most = max(q.most, q.n)
	wake := q.parked > 0
	if wake {
		q.parked-- // he is spoken for: the next push wakes another, or nobody
		q.wakes++
	}
	q.mu.Unlock()
	if wake {
		q.cond.Signal()
	}
}

// pop removes the entry whose turn it is, sleeping while there is none. nil means
// closed.
func (q *runq) pop() *machine {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.runs.empty() {
		if q.closed {
			return nil
		}
		q.parked++
		q.cond.Wait()
	}
	m := q.runs.pop()
	q.n--
	m.pops.Add(1)
	q.pops++
	return m
}

// close ends every pop once the list is empty.
func (q *runq) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cond.Broadcast()
}

// work is a worker's life.
func (e *Engine) work() {
	r := &runner{}
	if e.tracing&traceRegions != 0 {
		r.labelled("worker", "engine")
	}
	for {
		m := e.rq.pop()
		if m == nil {
			return
		}
		if m.startQueued() {
			m.self.runSlot(r)
		}
	}
}
