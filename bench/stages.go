package bench

import "math"

// part is a stage of a latency.
type part int

const (
	partPost     part = iota // in the call that hands the request over
	partQueue                // in the EVD, until a worker takes it up
	partArm                  // from the arm until asleep: the look after the arm is in it
	partWake                 // from asleep, or the post if that is later, until awake
	partPoll                 // polling, before the arm and after the sleep
	partDispatch             // from the CQ to the upcall, on the poller's goroutine
	numParts
)

var partNames = [numParts]string{"post", "queue", "arm", "wake", "poll", "dispatch"}

// stagePrefix begins the names of the histograms of stages.
const stagePrefix = "stage/"

// split divides the time from a request to its upcall. A nil split does nothing.
//
// The parts follow each other without a gap: each begins with the reading of the clock
// that the one before ended with. What did not happen since the last reading (a sleep,
// where the poller polled) is no part.
//
// Concurrency: one goroutine at a time, the one that runs the upcall; one request in
// flight.
type split struct {
	clk   *Clock
	probe *probe // nil: no CQ is on the way
	last  part   // of the way to the upcall: partDispatch or partQueue

	prev  Ticks
	acc   [numParts]Ticks
	hists [numParts]*Hist
	sum   float64 // of all parts that were recorded, ns
	reads uint64  // readings of the clock, in the measured rounds
	n     uint64  // rounds
	round uint64  // readings in this round
}

func newSplit(clk *Clock, p *probe, dispatch string) *split {
	s := &split{clk: clk, probe: p, last: partDispatch}
	if dispatch == "queued" {
		s.last = partQueue
	}
	for i := range s.hists {
		s.hists[i] = NewHist()
	}
	return s
}

// begin starts a round: the request is made now.
func (s *split) begin(now Ticks) {
	if s == nil {
		return
	}
	s.prev, s.acc, s.round = now, [numParts]Ticks{}, 0
}

// posted is called when the request has been handed over.
func (s *split) posted() {
	if s == nil {
		return
	}
	s.round++
	s.until(s.clk.Now(), partPost)
}

// until ends a part, unless it is over already.
func (s *split) until(t Ticks, p part) {
	if d := t - s.prev; d > 0 {
		s.acc[p] += d
		s.prev = t
	}
}

// arrived is called at the entry of an upcall. A round may have several.
func (s *split) arrived(now Ticks) {
	if s == nil {
		return
	}
	if s.probe != nil {
		t := &s.probe.taken
		s.round++
		if t.woke > s.prev {
			s.round += 4
			s.until(t.arming, partPoll)
			s.until(t.slept, partArm)
			s.until(t.woke, partWake)
		}
		s.until(t.taken, partPoll)
	}
	s.until(now, s.last)
}

// posting is a whole measured round of a post: begun, returned from, and its upcall
// entered, which may have been before the return. With inline dispatch the poster has
// run that upcall himself then.
func (s *split) posting(begun, returned, entered Ticks) {
	s.begin(begun)
	s.round++
	p := partPost
	if returned > entered && s.last == partDispatch {
		p = partDispatch
	}
	s.until(min(returned, entered), p)
	s.until(entered, partQueue)
	s.end()
}

// end records a measured round.
func (s *split) end() {
	if s == nil {
		return
	}
	for i, d := range s.acc {
		if d > 0 {
			ns := s.clk.Nanos(d)
			s.hists[i].Record(ns)
			s.sum += float64(ns)
		}
	}
	s.n++
	s.reads += s.round
}

// worstSum is how far, of the whole, the parts may be from it.
const worstSum = 0.03

// report says what the split has found, once the latency that it is of is reported.
func (s *split) report(r *Report) {
	if s == nil {
		return
	}
	st := &Stages{Whole: r.Results.Latency.Mean}
	for i, h := range s.hists {
		if h.Count() == 0 {
			continue
		}
		x := Stage{Name: partNames[i], Time: h.Summary(r.Config.stagePercentiles()...)}
		x.PerOp = x.Time.Mean * float64(x.Time.Samples) / float64(s.n)
		st.Parts = append(st.Parts, x)
		r.keep(stagePrefix+x.Name, h)
	}
	if s.n > 0 {
		st.Sum = s.sum / float64(s.n)
		st.Cost = float64(s.reads) / float64(s.n) * float64(s.clk.Cost())
	}
	r.Stages = st
}

// check warns if the parts do not add up to the whole.
func (st *Stages) check(warn func(format string, args ...any)) {
	if off := st.off(); math.Abs(off) > worstSum {
		warn("the stages add up to %.1f %% of the latency that they are parts of: do not trust the split", 100*(1+off))
	}
	if st.Whole > 0 && st.Cost > st.Whole/10 {
		warn("--stages: the readings of the clock that the split needs, %.0f ns, are %.0f %% of the latency", st.Cost, 100*st.Cost/st.Whole)
	}
}

// off is how far the sum is from the whole, relatively.
func (st *Stages) off() float64 {
	if st.Whole == 0 {
		return 0
	}
	return st.Sum/st.Whole - 1
}

// keep adds a histogram to the report.
func (r *Report) keep(name string, h *Hist) {
	if r.Histograms == nil {
		r.Histograms = map[string]*Hist{}
	}
	r.Histograms[name] = h
}
