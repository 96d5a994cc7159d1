package render

import (
	"fmt"
	"math"
	"time"

	"github.com/evdengine/evd/bench"
)

func (t *texter) results(r *bench.Report) {
	s := &r.Results
	unit := "events"
	switch {
	case r.Config.Workload == bench.Lat:
		unit = "rounds"
	case r.Connection != nil:
		unit = "messages"
	}
	t.line("rate", "%s %s/s: %s in %v, %.1f ns each", groupU(uint64(math.Round(s.Rate))), unit,
		groupU(s.Operations), time.Duration(s.Elapsed).Round(time.Microsecond), s.PerOp)
	cpu := ""
	if s.CPU > 0 {
		cpu = fmt.Sprintf("cpu %.0f %% of one, ", s.CPU)
	}
	t.line("process", "%s%s heap objects, %d garbage collections", cpu, groupU(s.Mallocs), s.GCs)
}

func (t *texter) engine(r *bench.Report) {
	e := &r.Engine
	t.line("engine", "upcalls %s (%.1f events each), posted direct %s, hand-overs %s, stalls %s",
		groupU(e.Upcalls), r.Results.EventsPerUpcall, groupU(e.Direct), groupU(e.HandOvers), groupU(e.Stalls))
	t.line("", "arms %s (%s failed), events %s (%s spurious), sleeps %s, wakes %s, averted %s",
		groupU(e.Arms), groupU(e.ArmErrors), groupU(e.Events), groupU(e.Spurious), groupU(e.Sleeps), groupU(e.Wakes), groupU(e.Averted))
	if r.Config.Mode == "adaptive" {
		t.line("", "adaptive: polled for %v before it slept at the end of the run (grown %s times, shrunk %s)",
			r.SpinBudget, groupU(e.Grown), groupU(e.Shrunk))
	}
	q := &r.CQ
	polls := ""
	if q.Polls > 0 {
		polls = fmt.Sprintf("polls %s (%s empty, %.1f completions per other one), ",
			groupU(q.Polls), groupU(q.EmptyPolls), ratio(q.Completions, q.Polls-q.EmptyPolls))
	}
	t.line("cq", "%scompletions %s, overruns %s, stalls %s", polls, groupU(q.Completions), groupU(q.Overruns), groupU(q.Stalls))
}

func (t *texter) connection(r *bench.Report) {
	c := r.Connection
	if c == nil {
		return
	}
	t.line("connection", "established %s, broken %s, disconnected %s; sent %s, received %s, each once and in order; failed %s",
		groupU(c.Established), groupU(c.Broken), groupU(c.Disconnected), groupU(c.Sent), groupU(c.Received), groupU(c.Failed))
	if c.Lost != "" {
		t.line("peer lost", "%s", c.Lost)
	}
	if p := r.Peer; p != nil {
		t.line("server", "received %s, sent %s, flushed %s at the end: OK", groupU(p.Received), groupU(p.Sent), groupU(p.Flushed))
	}
}

func (t *texter) conservation(c *bench.Conservation) {
	if len(c.Producers) > 1 {
		for _, p := range c.Producers {
			t.line("producer", "%s: attempted %s = accepted %s + rejected %s, seen %s", p.Name,
				groupU(p.Attempted), groupU(p.Accepted), groupU(p.Rejected), groupU(p.Seen))
		}
	}
	verdict := "OK, all in order, engine counters agree"
	if !c.OK() {
		verdict = "VIOLATED"
	}
	flushed := ""
	if c.Flushed > 0 {
		flushed = fmt.Sprintf(" (%s of them flushed at the end)", groupU(c.Flushed))
	}
	if c.Lost > 0 {
		flushed = fmt.Sprintf(" + lost %s, as the script has it", groupU(c.Lost)) + flushed
	}
	t.line("conservation", "attempted %s = accepted %s + rejected %s; accepted = delivered %s + dequeued %s + left over %s%s: %s",
		groupU(c.Attempted), groupU(c.Accepted), groupU(c.Rejected),
		groupU(c.Delivered), groupU(c.Dequeued), groupU(c.LeftOver), flushed, verdict)
	for _, v := range c.Violations {
		t.line("violation", "%s", v)
	}
}
