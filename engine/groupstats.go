package engine

import (
	"slices"

	"github.com/evdengine/evd/internal/atom"
)

// PollerStats is a snapshot of a Poller's counters. Those of each CQ are in CQStats.
type PollerStats struct {
	Name    string
	CPU     CPU
	Members int    // CQs
	Active  int    // of Members: polled now
	Visits  uint64 // members looked after since they were told of
	Passes  uint64 // rounds over the active members; a little late
	Sleeps  uint64
	Wakes   uint64
	Errors  uint64 // failed sleeps, and failed attempts to go to CPU
}

// pollerStats are written by the Poller's goroutine.
type pollerStats struct {
	active, visits, passes, sleeps, wakes, errs atom.Counter
}

// Stats returns the counters. For any goroutine. Of a nil Poller they are zero.
func (g *Poller) Stats() PollerStats {
	if g.valid("") != nil {
		return PollerStats{}
	}
	g.mu.Lock()
	n := g.members
	g.mu.Unlock()
	st := &g.stats
	return PollerStats{
		Name: g.name, CPU: g.cpu,
		Members: n,
		Active:  int(st.active.Load()),
		Visits:  st.visits.Load(),
		Passes:  st.passes.Load(),
		Sleeps:  st.sleeps.Load(),
		Wakes:   st.wakes.Load(),
		Errors:  st.errs.Load(),
	}
}

// Pollers returns the pollers that are open, oldest first. Of a nil engine there are
// none.
func (e *Engine) Pollers() []*Poller {
	if e.valid("") != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.pollers)
}

// forgetPoller takes g off the list.
func (e *Engine) forgetPoller(g *Poller) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pollers = slices.DeleteFunc(e.pollers, func(x *Poller) bool { return x == g })
}
