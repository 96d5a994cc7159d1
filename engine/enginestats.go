package engine

import "slices"

// EngineStats is a snapshot of what an engine is and has done.
type EngineStats struct {
	Workers    int    // goroutines that run queued upcalls; after Close, that did
	EVDs       int    // those that are not closed, the async EVD excepted
	Pollers    int    // those made by NewPoller that are not closed
	Queued     int    // runs that wait for a worker
	QueuedMost int    // the most there were at once
	Runs       uint64 // runs that workers took up, the engine's own included
	Wakes      uint64 // times that a worker was woken for a run; no more than there were runs queued
	Looks      uint64 // of the watchdog
	Total      Stats  // over all EVDs, the async EVD and closed ones included
}

// Stats returns the engine's counters. They are read one after the other, under a
// lock that keeps EVDs from being made and closed meanwhile: some 100 ns for each
// EVD. For any goroutine. Of a nil engine they are 0.
func (e *Engine) Stats() (s EngineStats) {
	if e.valid("") != nil {
		return s
	}
	e.workMu.Lock()
	s.Workers = len(e.wait)
	e.workMu.Unlock()
	s.Looks = e.looks.Load()
	e.mu.Lock()
	s.Total, s.Pollers = e.gone, len(e.pollers)
	for _, d := range e.evds {
		if d != e.async {
			s.EVDs++
		}
		one := d.Stats()
		s.Total.add(&one)
	}
	e.mu.Unlock()
	s.Queued, s.QueuedMost, s.Runs, s.Wakes = e.rq.counters()
	return s
}

// EVDs returns the EVDs that are not closed, the async EVD excepted, oldest first.
// For any goroutine. Of a nil engine there are none.
func (e *Engine) EVDs() []*EVD {
	if e.valid("") != nil {
		return nil
	}
	return e.list()
}

// counters are how many runs wait, the most there were, how many began, and how often
// a worker was woken.
func (q *runq) counters() (n, most int, pops, wakes uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n, q.most, q.pops, q.wakes
}

// SharedCQs returns the shared CQs that are open, by age. Of a nil engine there are
// none.
func (e *Engine) SharedCQs() []*SharedCQ {
	if e.valid("") != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.shared)
}
