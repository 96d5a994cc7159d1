package bench

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/evdengine/evd/internal/param"
)

// arrival is how the requests of an open loop are spread over time.
type arrival struct {
	poisson bool
	burst   int // requests that are due at the same moment
}

const (
	arrivalForms = "const, poisson or burst:N, with N of 1..1048576"
	maxBurst     = 1 << 20
)

// parseArrival reads const, poisson or burst:N.
func parseArrival(s string) (arrival, error) {
	switch s {
	case "const":
		return arrival{burst: 1}, nil
	case "poisson":
		return arrival{burst: 1, poisson: true}, nil
	}
	if n, ok := strings.CutPrefix(s, "burst:"); ok {
		if k, err := strconv.Atoi(n); err == nil && k >= 1 && k <= maxBurst {
			return arrival{burst: k}, nil
		}
	}
	return arrival{}, param.Invalid("bench: Run", "arrival", strconv.Quote(s), arrivalForms)
}

// schedule says when requests are due, one after the other, in ticks since the
// beginning. It does not know whether they were made in time: that one was late does not
// move the others.
//
// Concurrency: one goroutine at a time.
type schedule struct {
	arrival
	rng    *rand.Rand
	period float64 // mean ticks from one burst to the next
	n      uint64  // requests that were planned
	sum    float64 // of poisson gaps. Exact to a tick up to 2^53 of them: a month at 3 GHz
}

// newSchedule plans rate requests a second for a clock of hertz ticks a second. With the
// same seed it is the same plan.
func newSchedule(a arrival, rate, hertz float64, seed uint64) *schedule {
	return &schedule{
		arrival: a, period: hertz * float64(a.burst) / rate,
		rng: rand.New(rand.NewPCG(seed, 0x6f70656e)), // apart from what else the seed is used for
	}
}

// next is when the next request is due. The first of const and burst is at 0.
func (s *schedule) next() Ticks {
	k := s.n
	s.n++
	if s.poisson {
		s.sum += s.rng.ExpFloat64() * s.period
		return Ticks(s.sum)
	}
	// Not by adding up: errors would add up too.
	return Ticks(float64(k/uint64(s.burst)) * s.period)
}
