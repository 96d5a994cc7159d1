package engine

import (
	"time"

	"github.com/evdengine/evd/internal/atom"
)

// CQStats is a snapshot of the counters of one CQ of an EVD.
type CQStats struct {
	Mode           Mode   // as last set
	Polling        bool   // the poller polls at this moment; with ModeAdaptive it may or may not
	Polled         uint64 // completions taken
	PolledRuns     uint64 // runs begun by the poller while it polled, which moved something; a little late
	Arms           uint64 // successful arms
	ArmErrors      uint64 // failed ones
	Events         uint64 // one-shot events received
	Spurious       uint64 // of Events: the CQ turned out to be empty
	Missed         uint64 // arms that came after the completion, which the consumer's look after the arm found: the lost wake-ups that were not
	Averted        uint64 // the same of the poller, going from polling to sleep: it did not sleep
	Sleeps         uint64 // times the poller went from polling to sleeping
	Wakes          uint64 // times it came back, in a mode that polls
	Retries        uint64 // attempts to arm again after a failure
	WaitErrs       uint64 // failed waits for an event; the poller polls and tries again
	Stalls         uint64 // DispatchQueued: times the ring was full and a completion had to wait
	LostInterrupts uint64 // completions that the watchdog found, nobody having been told of them

	Budget time.Duration // ModeAdaptive: how long the poller polls now before it sleeps; 0 before it has polled
	Grown  uint64        // times it became longer, since a completion came soon after the poller slept
	Shrunk uint64        // times it became shorter, since none came for long
}

// linkStats are the counters of one CQ. All but the first are off the hot path.
type linkStats struct {
	polled, drained                           atom.Counter // drained: by Close, from a pump's stash
	found                                     atom.Counter // runs of a polling poller that moved something
	arms, armErrs, events, spurious, missed   atom.Counter
	averted, sleeps, wakes, retries, waitErrs atom.Counter
	stalls, lost                              atom.Counter
	budget, grown, shrunk                     atom.Counter // budget: of the patience, in ns
}

// mode is the mode of its poller, or of the shared CQ's.
func (l *link) mode() Mode {
	if l.port != nil {
		l = l.port.s.link
	}
	return l.poll.mode()
}

func (l *link) counters() CQStats {
	st := &l.stats
	return CQStats{
		Mode:           l.mode(),
		Polled:         st.polled.Load() + st.drained.Load(),
		PolledRuns:     st.found.Load(),
		Arms:           st.arms.Load(),
		ArmErrors:      st.armErrs.Load(),
		Events:         st.events.Load(),
		Spurious:       st.spurious.Load(),
		Missed:         st.missed.Load(),
		Averted:        st.averted.Load(),
		Sleeps:         st.sleeps.Load(),
		Wakes:          st.wakes.Load(),
		Retries:        st.retries.Load(),
		WaitErrs:       st.waitErrs.Load(),
		Stalls:         st.stalls.Load(),
		LostInterrupts: st.lost.Load(),
		Polling:        l.polling(),
		Budget:         time.Duration(st.budget.Load()),
		Grown:          st.grown.Load(),
		Shrunk:         st.shrunk.Load(),
	}
}

// polling says that its poller, or the shared CQ's, polls.
func (l *link) polling() bool {
	if l.port != nil {
		l = l.port.s.link
	}
	return l.state.Load()&lWATCH != 0
}

// CQStats returns the counters of one CQ: its place in EVDConfig.CQs, from 0. Also
// of a closed EVD. For any goroutine.
//
// Errors: ErrInvalid (cq), ErrNilHandle.
func (d *EVD) CQStats(cq int) (CQStats, error) {
	const op = "engine: CQStats"
	if err := d.valid(op); err != nil {
		return CQStats{}, err
	}
	if err := d.checkCQ(op, "cq", cq); err != nil {
		return CQStats{}, err
	}
	return d.links()[cq].counters(), nil
}
