package bench

import (
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/param"
)

const serviceForms = "none, const:T, uniform:LOW,HIGH, exp:MEAN, lognormal:MEDIAN,SIGMA or script:T,T,.. (times such as 1.5us)"

// ParseDist reads a distribution of times: none, const:2us, uniform:1us,3us,
// exp:2us, lognormal:1us,0.3 or script:1us,5us.
func ParseDist(s string) (mock.Dist, error) {
	bad := func() (mock.Dist, error) {
		return mock.Dist{}, param.Invalid("bench: Run", "service", strconv.Quote(s), serviceForms)
	}
	if s == "" || s == "none" {
		return mock.Dist{}, nil
	}
	kind, rest, _ := strings.Cut(s, ":")
	args := strings.Split(rest, ",")
	times := make([]time.Duration, len(args))
	for i, a := range args {
		t, err := time.ParseDuration(a)
		if err != nil && !(kind == "lognormal" && i == 1) {
			return bad()
		}
		times[i] = t
	}
	var d mock.Dist
	switch {
	case kind == "const" && len(args) == 1:
		d = mock.Const(times[0])
	case kind == "uniform" && len(args) == 2:
		d = mock.Uniform(times[0], times[1])
	case kind == "exp" && len(args) == 1:
		d = mock.Exp(times[0])
	case kind == "lognormal" && len(args) == 2:
		sigma, err := strconv.ParseFloat(args[1], 64)
		if err != nil {
			return bad()
		}
		d = mock.Lognormal(times[0], sigma)
	case kind == "script":
		d = mock.Script(times...)
	default:
		return bad()
	}
	// The mock device knows its limits itself.
	if err := (mock.QPConfig{Service: d}).Validate(); err != nil {
		return mock.Dist{}, param.Invalid("bench: Run", "service", strconv.Quote(s), serviceForms+" ("+err.Error()+")")
	}
	return d, nil
}
