package bench

import (
	"cmp"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// maxPoints is the most intervals of a series. One that runs longer is made coarser:
// pairs of neighbours become one, so that its memory does not grow with the length of
// the run.
const maxPoints = 512

// seriesDigits is the resolution of what is kept of an interval, to evaluate it anew
// when it has become part of a longer one.
const seriesDigits = 2

// series is a run interval by interval.
//
// Concurrency: one goroutine at a time.
type series struct {
	width  time.Duration
	points []point // that at i is of i*width to (i+1)*width after the beginning
}

// point is one interval of a series.
type point struct {
	n                    uint64
	over                 time.Duration // in which n was counted; 0: in just the interval
	max, respMax, lagMax int64
	service, response    *hdr.PackedHistogram // nil: nothing there
	cpu, wall            time.Duration        // CPU time in so much time
	wakeups              uint64
}

// at is the point of the moment t after the beginning.
func (s *series) at(t time.Duration) *point {
	for t/s.width >= maxPoints {
		s.coarsen()
	}
	i := int(t / s.width)
	for len(s.points) <= i {
		s.points = append(s.points, point{})
	}
	return &s.points[i]
}

func (s *series) coarsen() {
	s.width *= 2
	half := (len(s.points) + 1) / 2
	for i := range half {
		p := s.points[2*i]
		if 2*i+1 < len(s.points) {
			p.merge(&s.points[2*i+1])
		}
		s.points[i] = p
	}
	clear(s.points[half:])
	s.points = s.points[:half]
}

// take adds the stretch, which is the caller's still.
func (p *point) take(q *stretch) {
	p.n += q.service.n
	p.lagMax = max(p.lagMax, q.lagMax)
	p.max = max(p.max, q.service.max)
	keep(&p.service, q.service)
	if q.response != nil {
		p.respMax = max(p.respMax, q.response.max)
		keep(&p.response, q.response)
	}
}

func keep(to **hdr.PackedHistogram, h *Hist) {
	if h.n == 0 {
		return
	}
	if *to == nil {
		*to = hdr.NewPacked(1, histMost, seriesDigits)
	}
	(*to).MergeFrom(h.folded()) // the range is the same: drops nothing
	(*to).Compact()
}

// clone is a point that shares nothing with p.
func (p *point) clone() *point {
	c := *p
	for _, h := range []**hdr.PackedHistogram{&c.service, &c.response} {
		if *h != nil {
			*h = (*h).Clone()
		}
	}
	return &c
}

// merge adds another point. What it holds may become p's.
func (p *point) merge(o *point) {
	p.n += o.n
	p.over += o.over
	p.max, p.respMax, p.lagMax = max(p.max, o.max), max(p.respMax, o.respMax), max(p.lagMax, o.lagMax)
	p.cpu += o.cpu
	p.wall += o.wall
	p.wakeups += o.wakeups
	for _, x := range []struct{ to, from **hdr.PackedHistogram }{{&p.service, &o.service}, {&p.response, &o.response}} {
		switch {
		case *x.from == nil:
		case *x.to == nil:
			*x.to = *x.from
		default:
			(*x.to).Merge(*x.from)
		}
	}
}

// interval evaluates the point, of from to end after the beginning.
func (p *point) interval(from, end time.Duration, offered float64) Interval {
	v := Interval{
		End: int64(end), Operations: p.n, Offered: offered, LagMax: p.lagMax,
		Max: p.max, RespMax: p.respMax, Wakeups: p.wakeups,
	}
	if span := cmp.Or(p.over, end-from); span > 0 {
		v.Rate = float64(p.n) / span.Seconds()
	}
	if p.wall > 0 {
		v.CPU = 100 * float64(p.cpu) / float64(p.wall)
	}
	if h := p.service; h != nil {
		at := h.ValueAtPercentilesSlice([]float64{50, 99, 99.9})
		v.P50, v.P99, v.P999 = min(at[0], p.max), min(at[1], p.max), min(at[2], p.max)
	}
	if h := p.response; h != nil {
		v.RespP99 = min(h.ValueAtPercentile(99), p.respMax)
	}
	return v
}

func (s *series) operations() (n uint64) {
	for i := range s.points {
		n += s.points[i].n
	}
	return n
}

// intervals evaluates the series of a measurement that took elapsed. A last part of less
// than half an interval, such as the one event that ends the run, goes to the one before:
// its rate would say nothing.
func (s *series) intervals(elapsed time.Duration, offered float64) []Interval {
	if n := len(s.points); n > 1 && elapsed-time.Duration(n-1)*s.width < s.width/2 {
		last := s.points[n-1]
		s.points = s.points[:n-1]
		s.points[n-2].merge(&last)
	}
	var all []Interval
	for i := range s.points {
		from, end := time.Duration(i)*s.width, time.Duration(i+1)*s.width
		if i == len(s.points)-1 && elapsed > from {
			end = elapsed
		}
		all = append(all, s.points[i].interval(from, end, offered))
	}
	return all
}
