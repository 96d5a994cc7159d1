package bench

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/spin"
)

// generator makes the requests of an open loop, at the times that a schedule says,
// whether the ones before have completed or not.
//
// It is a goroutine of its own: if whoever runs the upcalls made the requests too, a slow
// upcall would make the load lighter. It has the CPU for itself only where it needs it:
// it sleeps until a request is nearly due, and spins the rest of the way, offering its
// processor to other goroutines all the time, so that with few processors the poller gets
// its turn. What that costs in precision is measured: each request's lag behind its plan.
//
// Concurrency: the fields are the goroutine's, but for those with a remark. The slot of
// request n passes to whoever consumes its completion with the request, and back with
// home.
type generator struct {
	s      *session
	tag    *tag // nil: none
	book   *Producer
	plan   *schedule
	submit func(seq uint64) error // a full queue is hwcq.ErrFull or engine.ErrFull
	maxLag Ticks

	slots []slot
	mask  uint64
	made  atomic.Uint64  // requests accepted. Readers: quiet
	home  *atomic.Uint64 // the requests below are all through

	begun      bool  // the warm-up is over
	begin, end Ticks // of the measured part; end 0: it has none
	planned    uint64
	lag        *Hist
	start      Ticks // of all
	lastSent   Ticks
	ran        Ticks // how long the generator was at work; set at the end
	late       Ticks // how late the first request that was given up was
	window     Ticks // how long the measured part was, as planned; set at the end
	dropped    uint64
	waited     uint64 // requests that had to wait for one before them to complete
	behind     int    // requests made in a row without waiting for their time
}

// slot is what is known of a request in flight.
type slot struct {
	due, sent Ticks
	measured  bool
}

// spinAhead is how long before its time a request is waited for without sleeping: what a
// sleep overshoots by, mostly.
const spinAhead = napSlack

// longestNap is how soon a sleeping generator notices that the run is to end.
const longestNap = 20 * time.Millisecond

func newGenerator(s *session, book *Producer, submit func(seq uint64) error) (*generator, error) {
	a, err := parseArrival(s.cfg.Arrival)
	if err != nil {
		return nil, err
	}
	slots := 1
	for slots < s.cfg.Outstanding {
		slots *= 2
	}
	g := &generator{
		s: s, book: book, submit: submit, plan: newSchedule(a, s.cfg.Rate, s.clk.Hertz(), s.cfg.Seed),
		maxLag: s.clk.Ticks(s.cfg.MaxLag), slots: make([]slot, slots), mask: uint64(slots - 1), lag: NewHist(),
	}
	return g, nil
}

// homeIs says which requests are through, all those below the number in n; before run.
// A count of them is not enough where they come out of order: a slot would be used again
// while the request that has it is still on its way.
func (g *generator) homeIs(n *atomic.Uint64) {
	g.home = n
	g.s.quiet = func() bool { return g.made.Load() == n.Load() }
}

func (g *generator) run(t *tag) {
	defer g.s.producerEnded()
	g.tag = t
	g.start = g.s.clk.Now()
	defer func() { g.ran = g.s.clk.Now() - g.start }()
	if g.s.cfg.Warmup.Count == 0 {
		g.limit(g.start + g.s.clk.Ticks(g.s.cfg.Warmup.Time))
	}
	for {
		due := g.start + g.plan.next()
		if !g.begun && g.warm(due) {
			g.measure(due)
		}
		if g.begun && g.over(due) {
			return
		}
		now, ok := g.await(due)
		if ok && g.end != 0 && now-g.end > g.maxLag {
			g.drop(due, now)
			return
		}
		if ok && g.begun {
			g.planned++
		}
		if !ok || !g.make(due) {
			g.window = max(due-g.begin, 0) // 0: the warm-up was not over
			return
		}
	}
}

// warm tells whether the request that is due next is the first one after the warm-up.
func (g *generator) warm(due Ticks) bool {
	w := g.s.cfg.Warmup
	return w.Off || w.Count > 0 && g.book.Accepted >= w.Count || w.Count == 0 && due-g.start >= g.s.clk.Ticks(w.Time)
}

// limit says when the measured part begins.
func (g *generator) limit(begin Ticks) {
	g.begin = begin
	if d := g.s.cfg.Duration; d > 0 {
		g.end = begin + g.s.clk.Ticks(d)
	}
}

// measure begins the measured part.
func (g *generator) measure(due Ticks) {
	g.begun = true
	if g.s.cfg.Warmup.Count > 0 {
		g.limit(due)
	}
	g.s.rec.begin(g.begin)
	g.s.phase.advance(measuring)
	g.tag.see(measuring)
}

// over tells whether the request that is due next is not to be made any more.
func (g *generator) over(due Ticks) bool {
	switch c := g.s.cfg.Count; {
	case g.end != 0 && due >= g.end:
		g.window = g.end - g.begin
	case c > 0 && g.planned >= c:
		g.window = due - g.begin
	default:
		return false
	}
	return true
}

// drop gives up on what is still to be made, from the request on that is due next: the
// time of the run is over, and the generator hopelessly behind.
func (g *generator) drop(due, now Ticks) {
	g.late, g.window = now-due, g.end-g.begin
	left := g.s.clk.Nanos(g.end - max(due, g.begin))
	g.dropped = 1 + uint64(float64(left)/1e9*g.s.cfg.Rate)
}

// await waits for the moment due, and returns the time. False: the run is to end.
func (g *generator) await(due Ticks) (now Ticks, ok bool) {
	clk := g.s.clk
	ahead := clk.Ticks(spinAhead)
	for turn := 0; ; turn++ {
		if g.s.phase.load() >= stopping {
			return 0, false
		}
		now = clk.Now()
		left := due - now
		switch {
		case left <= 0:
			g.waitedFor(turn)
			return now, true
		case turn%8 == 0:
			// Before a nap too: whoever the last request has woken may be waiting for
			// the processor, and would until somebody saw that its owner sleeps.
			runtime.Gosched()
		case left > ahead:
			nap(min(time.Duration(clk.Nanos(left-ahead)), longestNap))
		default:
			spin.Pause()
		}
	}
}

// waitedFor keeps a generator that is behind its plan, and never waits, from having its
// processor for itself.
func (g *generator) waitedFor(turns int) {
	if turns > 0 {
		g.behind = 0
	} else if g.behind++; g.behind%64 == 0 {
		runtime.Gosched()
	}
}

// make makes the request that was due. False: the run is to end.
func (g *generator) make(due Ticks) bool {
	n := g.book.Accepted
	for turn := 0; ; turn++ {
		if turn == 1 {
			g.waited++
		}
		if turn > 0 {
			giveWay(turn)
		}
		if g.s.phase.load() >= stopping && turn > 0 {
			if g.begun { // it is not made, but it was late
				g.late = g.s.clk.Now() - due
			}
			return false
		}
		if n-g.home.Load() >= uint64(g.s.cfg.Outstanding) {
			continue
		}
		now := g.s.clk.Now()
		g.slots[n&g.mask] = slot{due, now, g.begun}
		err := g.submit(n)
		if err == nil {
			g.book.Offered(1, 1)
			g.made.Store(n + 1)
			g.lastSent = now
			if g.begun {
				g.lag.Record(g.s.clk.Nanos(now - due))
			}
			return true
		}
		g.book.Offered(1, 0)
		if !errors.Is(err, engine.ErrFull) && !errors.Is(err, hwcq.ErrFull) {
			g.s.fault("request %d: %v", n, err)
			return false
		}
	}
}

// completed records request n, whose completion has come at time now. It is for the
// goroutine that consumes.
func (g *generator) completed(n uint64, now Ticks, w *openWindow) {
	p := &g.slots[n&g.mask]
	if !p.measured {
		return
	}
	clk := g.s.clk
	w.n++
	w.last = now
	g.s.rec.recordOpen(now, clk.Nanos(now-p.sent), clk.Nanos(now-p.due), clk.Nanos(p.sent-p.due))
}

// openWindow is the measured part of an open loop, at the end that consumes.
type openWindow struct {
	n    uint64
	last Ticks
}

// report fills in what was measured, and whether it may be used.
func (g *generator) report(r *Report, w *openWindow) {
	c, clk, total := &r.Config, g.s.clk, g.s.rec.total
	service, response := total.service.Summary(c.Percentiles...), total.response.Summary(c.Percentiles...)
	r.Results.Latency, r.Results.Response = &service, &response
	r.Results.Operations = w.n
	if w.n > 0 {
		r.Results.Elapsed = clk.Nanos(w.last - g.begin)
	}
	l := &Load{Dropped: g.dropped}
	r.Load = l
	if g.window > 0 {
		l.Offered = clk.rate(g.planned+g.dropped, g.window)
	}
	switch made := g.lag.n; {
	case made > 0:
		l.Achieved = clk.rate(made, max(g.window, g.lastSent-g.begin))
		l.LagMax, l.LagP99 = g.lag.max, g.lag.quantile(99)
	case g.book.Accepted > 0: // the time was over before the warm-up was
		l.Achieved = clk.rate(g.book.Accepted, g.ran)
	}
	l.LagMax = max(l.LagMax, clk.Nanos(g.late))
	if l.LagMax > int64(c.MaxLag) || l.Dropped > 0 {
		r.Invalid = append(r.Invalid, g.verdict(l))
	}
}

// verdict says what became of a load that the generator could not make.
func (g *generator) verdict(l *Load) string {
	s := fmt.Sprintf("the generator was up to %v late, and max-lag is %v: offered %.0f/s, achieved %.0f/s",
		time.Duration(l.LagMax).Round(time.Microsecond), g.s.cfg.MaxLag, l.Offered, l.Achieved)
	if l.Dropped > 0 {
		s += fmt.Sprintf("; about %d requests were never made", l.Dropped)
	}
	if g.waited > 0 {
		s += fmt.Sprintf("; %d had to wait for room in a queue", g.waited)
	}
	return s
}

// rate is n in the time t, a second; 0 if that is none.
func (c *Clock) rate(n uint64, t Ticks) float64 {
	ns := c.Nanos(t)
	if ns <= 0 {
		return 0
	}
	return float64(n) / (float64(ns) / 1e9)
}
