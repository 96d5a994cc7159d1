package bench

import (
	"math"
	"sync/atomic"
	"time"
)

// recorder is where the latencies of a run go. They are recorded once each, into the
// histograms of the stretch of time that is running; when that is over the stretch is
// swapped for an empty one, and a goroutine beside the run adds it to the whole. So an
// event costs the same whether anybody watches or not.
//
// Concurrency: begin, record and recordOpen by one goroutine at a time, in order; the
// rest is the watcher's, and once that has stopped, the report's.
type recorder struct {
	clk   *Clock
	step  Ticks // length of a stretch
	start Ticks // of the measurement; set by begin
	ends  Ticks // of cur
	cur   *stretch
	began chan struct{} // closed by begin
	total *stretch      // what the watcher has collected; the watcher's

	breach   int64 // the first latency above it is told to breached
	breached func(int64)

	full  atomic.Pointer[stretch] // Writer: turn sets it, the watcher takes it
	spare atomic.Pointer[stretch] // empty. Writer: the watcher sets it, turn takes it
}

// stretch is what was recorded in a stretch of time, from step number first on.
type stretch struct {
	service  *Hist
	response *Hist // nil: the loop is closed
	lagMax   int64 // of an open loop
	first    int64
}

func newStretch(open bool) *stretch {
	p := &stretch{service: NewHist()}
	if open {
		p.response = NewHist()
	}
	return p
}

func (p *stretch) reset() {
	p.service.Reset()
	if p.response != nil {
		p.response.Reset()
	}
	p.lagMax = 0
}

func (p *stretch) merge(o *stretch) {
	p.service.Merge(o.service)
	if p.response != nil {
		p.response.Merge(o.response)
	}
}

// newRecorder makes a recorder of stretches of length step. open: it is for an open
// loop, which has two times for each request.
func newRecorder(clk *Clock, step time.Duration, open bool, w Watch) *recorder {
	r := &recorder{
		clk: clk, step: max(clk.Ticks(step), 1), began: make(chan struct{}),
		cur: newStretch(open), total: newStretch(open), breach: math.MaxInt64, breached: w.Breached,
	}
	if w.Breach > 0 && w.Breached != nil {
		r.breach = int64(w.Breach)
	}
	r.spare.Store(newStretch(open))
	return r
}

// begin begins the measurement; once.
func (r *recorder) begin(start Ticks) {
	r.start, r.ends = start, start+r.step
	close(r.began)
}

// record adds the latency of a round that has ended at time now.
func (r *recorder) record(now Ticks, ns int64) {
	if now >= r.ends {
		r.turn(now)
	}
	r.cur.service.Record(ns)
	if ns > r.breach {
		r.broke(ns)
	}
}

// recordOpen adds the two times, and the lateness of the generator, of a request that
// has ended at time now.
func (r *recorder) recordOpen(now Ticks, service, response, lag int64) {
	if now >= r.ends {
		r.turn(now)
	}
	c := r.cur
	c.service.Record(service)
	c.response.Record(response)
	if lag > c.lagMax {
		c.lagMax = lag
	}
	if response > r.breach {
		r.broke(response)
	}
}

// turn ends a stretch. When the one before has not been taken yet, this one goes on.
func (r *recorder) turn(now Ticks) {
	at := int64((now - r.start) / r.step)
	r.ends = r.start + Ticks(at+1)*r.step
	if r.full.Load() != nil {
		return
	}
	next := r.spare.Swap(nil)
	if next == nil {
		return
	}
	r.full.Store(r.cur)
	next.first = at
	r.cur = next
}

func (r *recorder) broke(ns int64) {
	r.breach = math.MaxInt64
	r.breached(ns)
}
