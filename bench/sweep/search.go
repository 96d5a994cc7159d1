package sweep

import (
	"context"
	"math"
)

// Probe is one measurement at a rate.
type Probe struct {
	Rate float64 `json:"rate"`
	Kept bool    `json:"kept"`
	Why  string  `json:"why"` // why not, or what was measured
}

// Search finds the highest rate that is kept. The zero value of a field means its
// default.
//
// A rate that is not kept counts only when most of Repeat measurements say so: one bad
// moment of the machine is no limit. Between two rates that have both been measured, every
// answer is that of the majority.
type Search struct {
	From, To  float64 // first and highest rate tried; 0: 1000 and 1e8
	Precision float64 // the search ends when the bracket is that narrow, 0.05 is 5 %; 0: 0.05
	Repeat    int     // measurements for a majority, odd; 0: 3

	// Measure measures once. An error ends the search.
	Measure func(ctx context.Context, rate float64) (Probe, error)
}

// Found is what a search has found: the highest rate that was kept, and the lowest above
// it that was not. 0: there is none: nothing was kept, or everything.
type Found struct {
	Kept   float64 `json:"kept"`
	Failed float64 `json:"failed"`
	Why    string  `json:"why"` // Failed failed

	Probes []Probe `json:"probes"` // all measurements, in order

	// Done: the bracket is as narrow as was asked for, or there is none. Otherwise the
	// search was ended early.
	Done bool `json:"done"`
}

// smallest is the lowest rate that is worth a try.
const smallest = 1

// Run searches. When ctx ends, or Measure returns an error, what was found until then is
// returned beside it.
func (s Search) Run(ctx context.Context) (f Found, err error) {
	s = s.withDefaults()
	f.Probes = []Probe{}
	lo, hi := 0.0, 0.0
	for rate := s.From; ; {
		kept, why, err := s.decide(ctx, &f, rate, hi > 0 && lo > 0)
		if err != nil {
			return f, err
		}
		if kept {
			lo = rate
		} else {
			hi, f.Why = rate, why
		}
		f.Kept, f.Failed = lo, hi
		switch {
		case hi == 0 && lo >= s.To, lo == 0 && hi <= smallest:
			f.Done = true
			return f, nil
		case hi == 0:
			rate = min(lo*2, s.To)
		case lo == 0:
			rate = max(hi/4, smallest)
		case hi/lo <= 1+s.Precision:
			// The bracket is narrow: both ends must stand a second majority.
			rate, err = s.confirm(ctx, &f)
			if err != nil || rate == 0 {
				f.Done = err == nil
				return f, err
			}
			lo, hi = f.Kept, f.Failed
		default:
			rate = math.Sqrt(lo * hi)
		}
		rate = round(rate)
		if rate == lo && rate < s.To || rate == hi { // nothing between them that can be told apart
			f.Done = true
			return f, nil
		}
	}
}

// confirm measures both ends of the bracket once more. 0: they stand. Otherwise the end
// that does not is moved, and the search goes on at rate.
func (s Search) confirm(ctx context.Context, f *Found) (rate float64, err error) {
	kept, _, err := s.decide(ctx, f, f.Failed, true)
	if err != nil {
		return 0, err
	}
	if kept {
		f.Kept, f.Failed = f.Failed, 0
		return min(f.Kept*2, s.To), nil
	}
	kept, why, err := s.decide(ctx, f, f.Kept, true)
	if err != nil || kept {
		return 0, err
	}
	f.Kept, f.Failed, f.Why = 0, f.Kept, why
	return max(f.Failed/(1+2*s.Precision), smallest), nil
}

func (s Search) withDefaults() Search {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&s.From, 1000)
	set(&s.To, 1e8)
	set(&s.Precision, 0.05)
	s.To = max(s.To, s.From)
	if s.Repeat == 0 {
		s.Repeat = 3
	}
	return s
}

// decide measures a rate until the answer is sure. careful: kept takes a majority too.
func (s Search) decide(ctx context.Context, f *Found, rate float64, careful bool) (kept bool, why string, err error) {
	yes, no := 0, 0
	for {
		if err := ctx.Err(); err != nil {
			return false, "", err
		}
		p, err := s.Measure(ctx, rate)
		if err != nil {
			return false, "", err
		}
		f.Probes = append(f.Probes, p)
		if p.Kept {
			yes++
		} else {
			no++
			why = p.Why
		}
		switch {
		case yes > s.Repeat/2, yes > 0 && no == 0 && !careful:
			return true, "", nil
		case no > s.Repeat/2:
			return false, why, nil
		}
	}
}

// round keeps three digits: nobody wants --rate 123456.789.
func round(rate float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(rate))-2)
	return math.Round(rate/unit) * unit
}
