package mock

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// DistKind names a distribution.
type DistKind uint8

// The kinds of Dist.
const (
	DistNone      DistKind = iota // always 0
	DistConst                     // always Mean
	DistUniform                   // Low..High, both included
	DistExp                       // with mean Mean
	DistLognormal                 // with median Median and shape Sigma
	DistScript                    // Steps in turn, then from the start again
)

var distNames = [...]string{"none", "constant", "uniform", "exponential", "lognormal", "scripted"}

func (k DistKind) String() string {
	if int(k) < len(distNames) {
		return distNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Dist is a distribution of times: service times, gaps. The zero value is
// always 0. Only the fields of its kind are used. No draw exceeds one hour.
type Dist struct {
	Kind      DistKind
	Mean      time.Duration   `json:",omitempty"`
	Low, High time.Duration   `json:",omitempty"`
	Median    time.Duration   `json:",omitempty"`
	Sigma     float64         `json:",omitempty"` // of the natural logarithm, 0..10
	Steps     []time.Duration `json:",omitempty"`
}

// Const is always d.
func Const(d time.Duration) Dist { return Dist{Kind: DistConst, Mean: d} }

// Uniform is between low and high, both included.
func Uniform(low, high time.Duration) Dist {
	return Dist{Kind: DistUniform, Low: low, High: high}
}

// Exp is exponential: as gap, the arrivals of a Poisson process.
func Exp(mean time.Duration) Dist { return Dist{Kind: DistExp, Mean: mean} }

// Lognormal has the long tail that real service times have.
func Lognormal(median time.Duration, sigma float64) Dist {
	return Dist{Kind: DistLognormal, Median: median, Sigma: sigma}
}

// Script repeats the given steps in turn.
func Script(steps ...time.Duration) Dist { return Dist{Kind: DistScript, Steps: steps} }

// maxDraw bounds a draw, so that sums of draws cannot overflow in a lifetime
// and the tail of a lognormal cannot stop a run for ever.
const maxDraw = time.Hour

func (d Dist) validate(op, name string) error {
	var errs []error
	check := func(field string, v time.Duration) {
		if v < 0 || v > maxDraw {
			errs = append(errs, param.Invalid(op, name+"."+field, v, "0..1h"))
		}
	}
	switch d.Kind {
	case DistNone:
	case DistConst, DistExp:
		check("Mean", d.Mean)
	case DistUniform:
		check("Low", d.Low)
		check("High", d.High)
		if d.Low > d.High {
			errs = append(errs, param.Invalid(op, name+".Low", d.Low, "<= High ("+d.High.String()+")"))
		}
	case DistLognormal:
		check("Median", d.Median)
		if !(d.Sigma >= 0 && d.Sigma <= 10) { // also catches NaN
			errs = append(errs, param.Invalid(op, name+".Sigma", d.Sigma, "0..10"))
		}
	case DistScript:
		if len(d.Steps) == 0 {
			errs = append(errs, param.Invalid(op, name+".Steps", "empty", "at least one step"))
		}
		for i, s := range d.Steps {
			check("Steps["+strconv.Itoa(i)+"]", s)
		}
	default:
		errs = append(errs, param.Invalid(op, name+".Kind", d.Kind, "DistNone..DistScript"))
	}
	return errors.Join(errs...)
}

// sampler draws from a valid Dist. Owner: one goroutine.
type sampler struct {
	d   Dist
	rng *rand.Rand
	i   int
}

func newSampler(d Dist, seed, stream uint64) *sampler {
	d.Steps = slices.Clone(d.Steps) // ours: read by another goroutine
	return &sampler{d: d, rng: rand.New(rand.NewPCG(seed, stream))}
}

func (s *sampler) next() time.Duration {
	switch s.d.Kind {
	case DistConst:
		return s.d.Mean
	case DistUniform:
		return s.d.Low + time.Duration(s.rng.Int64N(int64(s.d.High-s.d.Low)+1))
	case DistExp:
		return clampDraw(float64(s.d.Mean) * s.rng.ExpFloat64())
	case DistLognormal:
		return clampDraw(float64(s.d.Median) * math.Exp(s.d.Sigma*s.rng.NormFloat64()))
	case DistScript:
		v := s.d.Steps[s.i]
		if s.i++; s.i == len(s.d.Steps) {
			s.i = 0
		}
		return v
	}
	return 0
}

func clampDraw(f float64) time.Duration {
	// In this order a NaN or an infinity cannot come through.
	if f < float64(maxDraw) {
		return time.Duration(f)
	}
	return maxDraw
}
