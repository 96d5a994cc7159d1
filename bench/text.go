package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Text writes the report for people: 80 to 120 columns, no colours.
func (r *Report) Text(w io.Writer) error {
	t := &texter{}
	if r.Jitter != nil {
		t.jitter(r)
		return t.end(w, r)
	}
	t.head(r)
	if r.Results.Latency != nil {
		t.latency(r)
	}
	t.stages(r.Stages)
	t.results(r)
	t.load(r.Load)
	t.recording(r.Recording)
	t.series(r.Series)
	t.engine(r)
	t.wake(r)
	t.connection(r)
	t.conservation(&r.Conservation)
	t.faults(r.Faults)
	return t.end(w, r)
}

// end writes what every report ends with.
func (t *texter) end(w io.Writer, r *Report) error {
	for _, s := range r.Warnings {
		t.line("warning", "%s", s)
	}
	for _, s := range r.Invalid {
		t.line("invalid", "%s", s)
	}
	if r.Interrupted {
		t.line("partial", "interrupted: what is above is what there was until then")
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// TextHead writes what Text begins with: the settings, the host and what is measured.
func (r *Report) TextHead(w io.Writer) error {
	t := &texter{}
	t.head(r)
	_, err := io.WriteString(w, t.b.String())
	return err
}

// Text writes the balance, and all that is wrong with it.
func (c *Conservation) Text(w io.Writer) error {
	t := &texter{}
	t.conservation(c)
	_, err := io.WriteString(w, t.b.String())
	return err
}

type texter struct{ b strings.Builder }

// line writes a line with a title of fixed width.
func (t *texter) line(title, format string, args ...any) {
	fmt.Fprintf(&t.b, "%-12s  ", title)
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

func (c *Config) exclusive() string {
	if c.Exclusive {
		return " exclusive"
	}
	return ""
}

func (t *texter) head(r *Report) {
	c := &r.Config
	t.line("evdbench", "%s  cq=%s mode=%s dispatch=%s%s%s", c.Workload, c.CQ, c.Mode, c.Dispatch, c.exclusive(), c.load())
	t.line("config", "depth=%d capacity=%d batch=%d budget=%d %s", c.Depth, c.Capacity, c.Batch, c.Budget, c.limits())
	t.where(r)
}

// where is the host, its clock, and what is measured.
func (t *texter) where(r *Report) {
	e := &r.Env
	t.line("host", "%s, %d CPUs, GOMAXPROCS %d, %s %s %s, %s", e.CPU, e.CPUs, e.GOMAXPROCS, e.OS, e.Kernel, e.Arch, e.Go)
	clock := fmt.Sprintf("%s %.3f GHz, %d ns a reading, %+.1f ppm against CLOCK_MONOTONIC",
		e.Clock.Source, e.Clock.Hertz/1e9, e.Clock.Cost, e.Clock.Drift)
	if e.Clock.Source != SourceTSC {
		clock = fmt.Sprintf("CLOCK_MONOTONIC, %d ns a reading (%s)", e.Clock.Cost, e.Clock.Why)
	}
	t.line("clock", "%s", clock)
	t.floor(e.Floor)
	t.line("measures", "%s", r.Measures)
}

// load is the part of the configuration that depends on workload and CQ.
func (c *Config) load() string {
	var b strings.Builder
	put := func(name string, v any, given bool) {
		if given {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	put("outstanding", c.Outstanding, c.Workload == BW)
	put("posters", c.Posters, c.Workload == BW)
	put("flip", c.Flip, c.Flip != 0)
	put("oneway", c.OneWay, c.OneWay)
	put("service", c.Service, c.CQ == CQMock)
	put("seed", c.Seed, c.CQ == CQMock)
	put("rate", strconv.FormatFloat(c.Rate, 'f', -1, 64)+"/s", c.Rate > 0)
	put("arrival", c.Arrival, c.Rate > 0 && c.Arrival != "")
	put("size", c.Size, c.rdma() || c.CQ == CQTCP)
	put("dev", c.Dev, c.Dev != "")
	put("peer", c.Peer, c.Peer != "")
	put("peer-listen", c.PeerListen, c.PeerListen != "")
	put("pin", c.Pin, c.Pin != "")
	put("server", c.Server, c.Server != "")
	put("direction", c.Direction, c.Direction != "")
	return b.String() + c.scenarioText()
}

func (c *Config) limits() string {
	var b strings.Builder
	if c.Mode == "adaptive" {
		spin := "auto"
		if c.Spin != 0 {
			spin = c.Spin.String()
		}
		fmt.Fprintf(&b, "spin=%s ", spin)
	}
	if c.Duration > 0 {
		fmt.Fprintf(&b, "duration=%v ", c.Duration)
	}
	if c.Count > 0 {
		fmt.Fprintf(&b, "count=%d ", c.Count)
	}
	return b.String() + "warmup=" + c.Warmup.String()
}

// String is "100ms", "1000" or "0".
func (s Span) String() string {
	switch {
	case s.Off || s.zero():
		return "0"
	case s.Count > 0:
		return strconv.FormatUint(s.Count, 10)
	}
	return s.Time.String()
}

func (t *texter) results(r *Report) {
	s := &r.Results
	unit := "events"
	switch {
	case r.Config.Workload == Lat:
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

func (t *texter) engine(r *Report) {
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

func (t *texter) connection(r *Report) {
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

func (t *texter) conservation(c *Conservation) {
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
	t.line("conservation", "attempted %s = accepted %s + rejected %s; accepted = delivered %s + dequeued %s + left over %s%s: %s",
		groupU(c.Attempted), groupU(c.Accepted), groupU(c.Rejected),
		groupU(c.Delivered), groupU(c.Dequeued), groupU(c.LeftOver), c.lost()+flushed, verdict)
	for _, v := range c.Violations {
		t.line("violation", "%s", v)
	}
}

func ratio(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// group writes 1234567 as 1 234 567.
func group(n int64) string {
	if n < 0 {
		return "-" + groupU(uint64(-n))
	}
	return groupU(uint64(n))
}

func groupU(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// warnClock warns of a clock that drifted.
func (r *Report) warnClock() {
	if d := r.Env.Clock.Drift; math.Abs(d) > 200 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the TSC was off by %+.0f ppm against CLOCK_MONOTONIC over the run: times are as much off", d))
	}
}

// warn adds what a reader should know about the numbers.
func (r *Report) warn() {
	add := func(format string, args ...any) {
		r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
	}
	r.warnClock()
	if r.Stages != nil {
		r.Stages.check(add)
	}
	l := r.Results.Latency
	if l == nil {
		return
	}
	if l.Clamped > 0 {
		add("%d latencies outside 0..60 s count as 0 or 60 s in the percentiles", l.Clamped)
	}
	for _, q := range l.Percentiles {
		if q.P == 50 && q.Nanos != nil && *q.Nanos < 10*r.Env.Clock.Cost {
			add("two readings of the clock, %d ns each, are a large part of the median", r.Env.Clock.Cost)
		}
	}
}
