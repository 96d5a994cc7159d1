package engine

import (
	"slices"

	"github.com/evdengine/evd/internal/atom"
)

// PollerStats is a snapshot of a Poller's counters. Those of each CQ are in CQStats; here
// are the sums over all members, those that have left included.
type PollerStats struct {
	ID      uint32 // the engine's first one is 1; never given again
	Name    string
	CPU     CPU
	Members int // CQs
	Active  int // of Members: polled now
	Late    int // of Members: back off, since an arm or a wait has failed

	Arms      uint64 // successful arms of CQs
	ArmErrors uint64 // failed ones
	Events    uint64 // one-shot events received
	Visits    uint64 // members looked after since they were told of
	Passes    uint64 // rounds over the active members; a little late
	Sleeps    uint64 // times the goroutine went to sleep
	Wakes     uint64 // times it woke up
	Calls     uint64 // of Wakes: by who had something for it, or a timer; else by a descriptor
	Errors    uint64 // failed sleeps, and failed attempts to go to CPU
}

// pollerStats are written by the Poller's goroutine, but for arms, armErrs and calls.
type pollerStats struct {
	active, late, events, visits, passes, sleeps, wakes, errs atom.Counter
	arms, armErrs                                             atom.Counter // Writers: who arms
	calls                                                     atom.Counter // Writers: who wakes
}

// noteArm counts an arm of the CQ for the Poller that has it, if one has.
func (l *link) noteArm(err error) {
	if l.poll == nil || l.poll.m == nil {
		return
	}
	st := &l.poll.m.g.stats
	if err == nil {
		st.arms.Add(1)
	} else {
		st.armErrs.Add(1)
	}
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
		ID: g.id, Name: g.name, CPU: g.cpu,
		Members:   n,
		Active:    int(st.active.Load()),
		Late:      int(st.late.Load()),
		Arms:      st.arms.Load(),
		ArmErrors: st.armErrs.Load(),
		Events:    st.events.Load(),
		Visits:    st.visits.Load(),
		Passes:    st.passes.Load(),
		Sleeps:    st.sleeps.Load(),
		Wakes:     st.wakes.Load(),
		Calls:     st.calls.Load(),
		Errors:    st.errs.Load(),
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
