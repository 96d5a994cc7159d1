package engine

import "github.com/evdengine/evd/internal/atom"

// Stats is a snapshot of an EVD's counters since it was created. Counters are
// read one after the other: while the EVD is in use they need not add up. At
// rest they do:
//
//	Posted + Polled + Raised = Delivered + Dequeued + Leftover + pending, those on CQs excepted
type Stats struct {
	Posted    uint64 // events accepted by Post and PostCM
	Rejected  uint64 // posts refused with ErrFull
	Raised    uint64 // events that the engine made: connection events, async errors
	Polled    uint64 // completions taken from CQs
	Delivered uint64 // events handed to upcalls
	Upcalls   uint64 // upcall invocations
	Dequeued  uint64 // events handed out by Dequeue and Wait
	Waits     uint64 // Waits that succeeded
	Leftover  uint64 // events handed to Leftovers by Close
	Direct    uint64 // of Posted: handed to the upcall without passing the ring
	HandOvers uint64 // times the budget was used up and the rest handed on

	Arms      uint64 // successful arms of a CQ
	ArmErrors uint64 // failed ones
	Events    uint64 // one-shot events received from CQs
	Spurious  uint64 // of Events: the CQ turned out to be empty
	Sleeps    uint64 // ModeAdaptive: pollers that went from polling to sleeping
	Wakes     uint64 // ModeAdaptive: pollers that went from sleeping to polling
	Averted   uint64 // ModeAdaptive: sleeps averted by the look after the arm
	Retries   uint64 // attempts to arm again after a failure
	WaitErrs  uint64 // failed waits for an event; the poller polls and tries again
	Stalls    uint64 // DispatchQueued: times the ring was full and a completion had to wait

	Notified uint64 // times a CNO was told: a waiter was given the EVD, or it went on the ready list

	LostInterrupts uint64 // completions that the watchdog found, nobody having been told of them
	Panics         uint64 // upcalls that panicked
}

type stats struct {
	rejected, dequeued, leftover     atom.Counter
	handOvers, arms, armErrs, stalls atom.Counter
	raised, waits, lost, panics      atom.Counter
	poll                             pollerStats

	polled, delivered, upcalls, direct atom.Counter
	pumped                             atom.Counter // of polled: went through the ring

	notified atom.Counter
}

// Stats returns the EVD's counters. For any goroutine.
func (d *EVD) Stats() Stats {
	st := &d.stats
	direct := st.direct.Load()
	pumped := st.pumped.Load() // before Accepted: counted after it
	return Stats{
		Posted:    d.ring.Accepted() - pumped + direct,
		Rejected:  st.rejected.Load(),
		Polled:    st.polled.Load(),
		Delivered: st.delivered.Load() + direct,
		Upcalls:   st.upcalls.Load() + direct,
		Dequeued:  st.dequeued.Load(),
		Leftover:  st.leftover.Load(),
		Direct:    direct,
		HandOvers: st.handOvers.Load(),
		Arms:      st.arms.Load(),
		ArmErrors: st.armErrs.Load(),
		Events:    st.poll.events.Load(),
		Spurious:  st.poll.spurious.Load(),
		Sleeps:    st.poll.sleeps.Load(),
		Wakes:     st.poll.wakes.Load(),
		Averted:   st.poll.averted.Load(),
		Retries:   st.poll.retries.Load(),
		WaitErrs:  st.poll.waitErrs.Load(),
		Stalls:    st.stalls.Load(),
		Raised:    st.raised.Load(),
		Waits:     st.waits.Load(),
		Notified:  st.notified.Load(),

		LostInterrupts: st.lost.Load(),
		Panics:         st.panics.Load(),
	}
}
