package bench

import (
	"fmt"
	"strings"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// FaultReport is what a script of faults has done to a run, and what the run made of
// it. What went wrong beside that stands in Conservation.Violations.
type FaultReport struct {
	Script string       `json:"script"`
	Checks []FaultCheck `json:"checks"` // one for each fault of the script
	Passed uint64       `json:"passed"` // of the checks
	Failed uint64       `json:"failed"`
}

// FaultCheck is one fault of a script: how often it was injected, and how often it was
// seen from the other side.
type FaultCheck struct {
	Name     string `json:"name"` // as in the script
	Injected uint64 `json:"injected"`
	Seen     uint64 `json:"seen"`
	What     string `json:"what"` // what is seen of it
	Exact    bool   `json:"exact"`
	Pass     bool   `json:"pass"`
}

// account puts into the books what the script had the devices drop, and fail.
func (b *throughput) account() {
	for _, ln := range b.lanes {
		for _, d := range ln.devs {
			if m, ok := d.(*mockDevice); ok {
				m.share.book.Lost = m.lost()
				ln.con.injected += m.c.Stats().ErrorWCs
			}
		}
	}
}

func (l *mockPingPong) account() { l.s.con.injected = l.dev.c.Stats().ErrorWCs }
func (l *mockOpen) account()     { l.s.con.injected = l.dev.c.Stats().ErrorWCs }

// reportFaults fills in Report.Faults. Once the conservation is drawn up.
func (s *session) reportFaults(r *Report) {
	f := s.scn.faults
	script := f.String()
	if script == "" {
		return
	}
	var st mock.Stats
	for _, d := range s.scn.devs {
		one := d.c.Stats()
		st.EventsLost += one.EventsLost
		st.EventsDuplicated += one.EventsDuplicated
		st.EventsDelayed += one.EventsDelayed
		st.EventsSpurious += one.EventsSpurious
		st.EventsEarly += one.EventsEarly
		st.ArmErrors += one.ArmErrors
		st.ErrorWCs += one.ErrorWCs
		st.ForcedOverruns += one.ForcedOverruns
		st.Overruns += one.Overruns
		st.Removals += one.Removals
	}
	var missing, failed uint64
	for _, p := range r.Conservation.Producers {
		missing += p.Missing
	}
	for _, u := range s.units {
		failed += u.con.failed
		if f.ErrorStatus == hwcq.StatusWRFlushErr {
			failed += u.con.flushed
		}
	}
	rep := &FaultReport{Script: script}
	e := &r.Engine
	for _, c := range []struct {
		FaultCheck
		on bool
	}{
		{FaultCheck{Name: "lose", Injected: st.EventsLost, Seen: e.LostInterrupts, What: "lost interrupts that the watchdog found; a poller or a post may be faster"}, f.LoseEvent != mock.Rule{}},
		{FaultCheck{Name: "duplicate", Injected: st.EventsDuplicated, Seen: e.Spurious, What: "events that found nothing"}, f.DuplicateEvent != mock.Rule{}},
		{FaultCheck{Name: "delay", Injected: st.EventsDelayed, Seen: e.LostInterrupts, What: "interrupts that were so late that the watchdog took them for lost"}, f.DelayEvent != mock.Rule{}},
		{FaultCheck{Name: "spurious", Injected: st.EventsSpurious, Seen: e.Spurious, What: "events that found nothing"}, f.SpuriousEvent != mock.Rule{}},
		{FaultCheck{Name: "armerror", Injected: st.ArmErrors, Seen: e.ArmErrors, What: "arms that failed", Exact: true}, f.ArmError != mock.Rule{}},
		{FaultCheck{Name: "early", Injected: st.EventsEarly, Seen: e.LostInterrupts, What: "lost interrupts that the watchdog found"}, f.EarlyEvent != mock.Rule{}},
		{FaultCheck{Name: "error", Injected: st.ErrorWCs, Seen: failed, What: "failed completions delivered", Exact: true}, f.ErrorWC != mock.Rule{}},
		{FaultCheck{Name: "overrun", Injected: st.Overruns, Seen: missing, What: "completions that never came", Exact: st.Removals == 0}, f.Overrun != mock.Rule{}},
		{FaultCheck{Name: "remove", Injected: st.Removals, Seen: missing, What: "requests that the device took along"}, f.Remove != mock.Rule{}},
	} {
		if c.on {
			rep.add(c.FaultCheck, r)
		}
	}
	r.Faults = rep
}

// add judges a fault. It is passed if it was injected at all, if it was seen as often
// where that must be so, and if nothing was lost or doubled over it.
func (f *FaultReport) add(c FaultCheck, r *Report) {
	c.Pass = r.Conservation.OK() && c.Injected > 0 && (!c.Exact || c.Seen == c.Injected)
	switch {
	case c.Exact && c.Seen != c.Injected:
		r.Conservation.violate("fault %s: injected %d, seen %d (%s)", c.Name, c.Injected, c.Seen, c.What)
	case c.Injected == 0:
		r.Warnings = append(r.Warnings, fmt.Sprintf("fault %s never came up: the run is too short for its rule", c.Name))
	}
	if c.Pass {
		f.Passed++
	} else {
		f.Failed++
	}
	f.Checks = append(f.Checks, c)
}

// measures says what a scenario changes about what is measured.
func (s *scenario) measures(cfg Config) string {
	var b strings.Builder
	switch s.policy.kind {
	case PolicyMany:
		b.WriteString("; several upcalls at once, in no order, which take turns where events are counted and requests made")
	case PolicyDrain:
		b.WriteString("; each upcall disables upcalls, dequeues until nothing is pending and enables them again")
	case PolicyNotify:
		b.WriteString("; upcalls only notify a goroutine, which dequeues: a time ends there")
	}
	switch cfg.Engine {
	case EngineSpinlock:
		b.WriteString("; without the engine: pollers, a queue under a spinlock and a flag that somebody delivers")
	case EngineMutex:
		b.WriteString("; without the engine: pollers, a queue under a mutex, and a goroutine that waits on a condition and delivers")
	case EngineChannel:
		b.WriteString("; without the engine: pollers, a channel, and a goroutine that delivers")
	}
	if n := cfg.EVDs * cfg.CQs; n > 1 {
		fmt.Fprintf(&b, "; %d EVD(s) of %d CQ(s) each, and %d requests in flight on each CQ", cfg.EVDs, cfg.CQs, cfg.Outstanding)
	}
	if s.turns > 0 {
		fmt.Fprintf(&b, "; the handler works on each event for %d turns", s.turns)
	}
	return b.String()
}
