package bench

import (
	"sync/atomic"

	"github.com/evdengine/evd/hwcq"
)

// probe is a CQ that notes when it is armed, when its poller falls asleep and wakes,
// and when a completion is taken from it: five readings of the clock for each sleep.
// Empty polls are not timed.
//
// Concurrency: that of the CQ; taken belongs to whoever polls, and then to the upcall
// that gets what he found, as long as no other completion comes meanwhile.
type probe struct {
	*countedCQ
	clk  *Clock
	fill func(*hwcq.WC) // changes completions; nil: it does not

	arming, armed atomic.Int64 // Ticks around the last Arm. Writer: who arms
	slept, woke   atomic.Int64 // Ticks around the last Wait. Writer: the poller
	inside        atomic.Bool  // the poller is in Wait. Writer: the poller. Reader: the wake workload

	taken stamps // as of the last completion
}

// stamps are what a probe has noted; 0: never.
type stamps struct{ arming, armed, slept, woke, taken Ticks }

func newProbe(c *countedCQ, clk *Clock) *probe { return &probe{countedCQ: c, clk: clk} }

// Poll implements hwcq.CQ.
func (p *probe) Poll(dst []hwcq.WC) int {
	n := p.countedCQ.Poll(dst)
	if n == 0 {
		return 0
	}
	p.taken = stamps{
		Ticks(p.arming.Load()), Ticks(p.armed.Load()), Ticks(p.slept.Load()), Ticks(p.woke.Load()), p.clk.Now(),
	}
	if p.fill != nil {
		for i := range dst[:n] {
			p.fill(&dst[i])
		}
	}
	return n
}

// Arm implements hwcq.CQ.
func (p *probe) Arm(solicitedOnly bool) (missed bool, err error) {
	p.arming.Store(int64(p.clk.Now()))
	missed, err = p.CQ.Arm(solicitedOnly)
	p.armed.Store(int64(p.clk.Now()))
	return missed, err
}

// Events implements hwcq.CQ.
func (p *probe) Events() hwcq.EventSource { return (*probeSource)(p) }

// asleep tells since when the poller is in Wait.
func (p *probe) asleep() (since Ticks, ok bool) {
	// The flag goes up after the time was noted.
	return Ticks(p.slept.Load()), p.inside.Load()
}

// probeSource is the event source of a probe.
type probeSource probe

// Wait implements hwcq.EventSource.
func (s *probeSource) Wait() (event bool, err error) {
	s.slept.Store(int64(s.clk.Now()))
	s.inside.Store(true)
	event, err = s.CQ.Events().Wait()
	now := s.clk.Now()
	s.inside.Store(false)
	s.woke.Store(int64(now))
	return event, err
}

// TryWait implements hwcq.EventSource.
func (s *probeSource) TryWait() (event bool, err error) { return s.CQ.Events().TryWait() }

// Wake implements hwcq.EventSource.
func (s *probeSource) Wake() { s.CQ.Events().Wake() }
