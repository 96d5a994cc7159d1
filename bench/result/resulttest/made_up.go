package resulttest

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/evdengine/evd/bench"
)

// random is a generator of whole numbers: floating point differs between
// processors.
type random uint64

// below returns a number of 0..n-1.
func (r *random) below(n int64) int64 {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int64((x ^ x>>31) >> 1 % uint64(n))
}

// parts are the stages of a request, with the bounds of their usual times.
var parts = []struct {
	name        string
	least, most int64
}{
	{"post", 120, 200},
	{"queue", 300, 700},
	{"arm", 60, 110},
	{"wake", 500, 900},
	{"poll", 150, 260},
	{"dispatch", 90, 180},
}

// What is made up takes a while, and is the same each time.
type made struct {
	hists  map[string]*bench.Hist
	series []bench.Interval
	last   random
}

var (
	kept   = map[random]*made{}
	keptMu sync.Mutex
)

// Of each repetition.
const (
	requests = 50_000
	seconds  = 10
)

// fill gives the report the measurements of 50 000 requests in 10 s.
func fill(r *bench.Report, rnd random, scale int64) {
	keptMu.Lock()
	key := rnd<<8 | random(scale)
	m := kept[key]
	if m == nil {
		m = makeUp(rnd, scale)
		kept[key] = m
	}
	keptMu.Unlock()
	r.Histograms, r.Series, rnd = maps.Clone(m.hists), slices.Clone(m.series), m.last
	sv, rs := r.Histograms["service"].Summary(), r.Histograms["response"].Summary()
	r.Results = bench.Results{
		Operations: requests, Elapsed: int64(seconds * time.Second), Rate: requests / seconds, PerOp: 1e9 * seconds / requests,
		Latency: &sv, Response: &rs, EventsPerUpcall: 1.3, CPU: 61.2, Mallocs: 14 + uint64(rnd.below(9)),
	}
	r.Load = &bench.Load{Offered: 5e3, Achieved: 5e3, LagMax: 3900, LagP99: 1400}
	r.Stages = &bench.Stages{Whole: sv.Mean}
	for _, x := range parts {
		t := r.Histograms["stage/"+x.name].Summary()
		r.Stages.Parts = append(r.Stages.Parts, bench.Stage{Name: x.name, Time: t, PerOp: t.Mean})
		r.Stages.Sum += t.Mean
	}
	r.Wake = &bench.Wake{
		Wakeups: 19_300, PerCompletion: 0.386, Spins: 747_200, CPUPerMillion: 122.4,
		Cost: 6390 * time.Nanosecond, Recommended: 12800 * time.Nanosecond,
	}
	r.SpinBudget = 12500 * time.Nanosecond
}

// makeUp makes requests that take their usual times, in halves of scale.
func makeUp(rnd random, scale int64) *made {
	m := &made{hists: map[string]*bench.Hist{"service": bench.NewHist(), "response": bench.NewHist()}}
	for _, x := range parts {
		m.hists["stage/"+x.name] = bench.NewHist()
	}
	for i := range seconds {
		s, p := bench.NewHist(), bench.NewHist() // of this second
		for range requests / seconds {
			whole := int64(0)
			for _, x := range parts {
				t := x.least + rnd.below(x.most-x.least)
				if x.name == "wake" {
					t += tail(&rnd)
				}
				t = t * scale / 2
				m.hists["stage/"+x.name].Record(t)
				whole += t
			}
			s.Record(whole)
			if rnd.below(12) == 0 {
				whole += rnd.below(2500)
			}
			p.Record(whole)
		}
		m.series = append(m.series, bench.Interval{
			End: int64(i+1) * int64(time.Second), Operations: requests / seconds, Rate: requests / seconds,
			Offered: requests/seconds + float64(rnd.below(200)) - 100, LagMax: 2000 + rnd.below(2000),
			P50: s.At(50), P99: s.At(99), P999: s.At(99.9), Max: s.At(100), RespP99: p.At(99), RespMax: p.At(100),
			CPU: 60 + float64(rnd.below(4)), Wakeups: 1900 + uint64(rnd.below(60)),
		})
		m.hists["service"].Merge(s)
		m.hists["response"].Merge(p)
	}
	m.last = rnd
	return m
}

// tail is what one request in a hundred waits more, and some of them much more.
func tail(r *random) int64 {
	switch n := r.below(20_000); {
	case n < 4:
		return 20_000 + r.below(15_000)
	case n < 40:
		return 4_000 + r.below(9_000)
	case n < 400:
		return 800 + r.below(2_500)
	}
	return 0
}
