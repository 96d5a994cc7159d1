package bench

import (
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/mock"
)

// scenario is what a run does beside the plainest: one upcall at a time, of the engine,
// that counts, over a CQ without faults.
type scenario struct {
	policy policyOf
	turns  int // of the handler's work for each event; 0: noop
	other  bool
	faults mock.Faults
	devs   []*mockDevice // that have them
}

// newScenario reads a valid configuration, and calibrates what it needs.
func newScenario(cfg Config, clk *Clock) (scenario, error) {
	p, _ := parsePolicy(cfg.Policy)
	work, _ := parseHandler(cfg.Handler)
	f, err := cfg.faults()
	return scenario{policy: p, turns: workTurns(work, clk), other: cfg.other(), faults: f}, err
}

// other tells whether something stands in for the engine.
func (c Config) other() bool { return c.Engine != "" && c.Engine != EngineEVD }

// plain: the workload's own upcall does.
func (s *scenario) plain() bool {
	return s.policy.kind == PolicySingle && s.turns == 0 && !s.other && !s.lossy()
}

// shared: several goroutines may deal with events at once.
func (s *scenario) shared() bool {
	return s.policy.kind == PolicyMany || s.policy.kind == PolicyNotify || s.lossy()
}

// lossy: the script has the device drop completions.
func (s *scenario) lossy() bool { return drops(s.faults) }

// eventsPerUpcall is the mean batch. With PolicyNotify upcalls have no events, and it is
// how many were dequeued for each.
func (s *session) eventsPerUpcall() float64 {
	var events, upcalls uint64
	for _, u := range s.units {
		upcalls += u.con.upcalls
		events += u.con.delivered
		if s.scn.policy.kind == PolicyNotify {
			events += u.con.dequeued
		}
	}
	return ratio(events, upcalls)
}

// spinBudget is how long the poller of the first CQ polls before it sleeps, now.
func (u *unit) spinBudget() (d time.Duration) {
	if u.evd == nil {
		return u.base.budget()
	}
	if st, err := u.evd.CQStats(0); err == nil && st.Mode == engine.ModeAdaptive {
		return st.Budget
	}
	return 0
}
