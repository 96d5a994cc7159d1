package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/mock"
)

// Handlers.
const (
	HandlerNoop = "noop" // counts the event, no more
	handlerWork = "work" // work:T computes for T beside that
)

// Limits of scenarios.
const (
	maxEVDs = 256
	maxCQs  = 64
	maxWork = 10 * time.Millisecond
)

// PolicyForms and HandlerForms are what Config.Policy and Config.Handler may be.
const (
	PolicyForms  = "single, many, many:N (N upcalls at a time at most, 2..1024), drain or notify"
	HandlerForms = "noop or work:T (a time of 1ns to 10ms, such as work:200ns)"
)

// scenarioDefaults fills in what is run where nothing was said.
func (c *Config) scenarioDefaults() {
	if c.CQ != CQMock || c.Workload != Lat && c.Workload != BW {
		return
	}
	def(&c.Engine, EngineEVD)
	def(&c.Policy, PolicySingle)
	def(&c.Handler, HandlerNoop)
	if c.Workload == BW {
		def(&c.EVDs, 1)
		def(&c.CQs, 1)
	}
}

// policyOf is Config.Policy taken apart.
type policyOf struct {
	kind  string
	limit int // of PolicyMany; 0: the engine's workers
}

func parsePolicy(s string) (p policyOf, ok bool) {
	switch s {
	case "", PolicySingle:
		return policyOf{kind: PolicySingle}, true
	case PolicyMany, PolicyDrain, PolicyNotify:
		return policyOf{kind: s}, true
	}
	rest, many := strings.CutPrefix(s, PolicyMany+":")
	n, err := strconv.Atoi(rest)
	if !many || err != nil || n < 2 || n > engine.MaxInstances {
		return policyOf{}, false
	}
	return policyOf{PolicyMany, n}, true
}

// engine is what upcalls are enabled with.
func (p policyOf) engine() engine.Policy {
	switch {
	case p.kind == PolicyNotify:
		return engine.NotificationOnly
	case p.kind == PolicyMany && p.limit > 0:
		return engine.ManyLimit(p.limit)
	case p.kind == PolicyMany:
		return engine.Many
	}
	return engine.SingleInstance
}

// parseHandler returns how long a handler works on an event.
func parseHandler(s string) (work time.Duration, ok bool) {
	if s == "" || s == HandlerNoop {
		return 0, true
	}
	kind, rest, _ := strings.Cut(s, ":")
	d, err := time.ParseDuration(rest)
	if kind != handlerWork || err != nil || d < 1 || d > maxWork {
		return 0, false
	}
	return d, true
}

// faults is the script of the mock CQ's faults, error completions included.
func (c Config) faults() (mock.Faults, error) {
	f, err := mock.ParseFaults(c.Faults)
	if c.ErrorRate > 0 {
		f.ErrorWC.Prob = c.ErrorRate
	}
	return f, err
}

// Rules that make a CQ drop completions.
func drops(f mock.Faults) bool { return f.Overrun != (mock.Rule{}) || f.Remove != (mock.Rule{}) }

func (v *validator) scenario(c, d Config) {
	lat, bw := d.Workload == Lat, d.Workload == BW
	why := ""
	switch {
	case d.CQ != CQMock:
		why = "with cq " + d.CQ + ": it is for mock"
	case !lat && !bw:
		why = "with " + d.Workload + ": it is for lat and bw"
	}
	if why != "" {
		v.none("engine", c.Engine, c.Engine != "" && c.Engine != EngineEVD, why)
		v.none("policy", c.Policy, c.Policy != "" && c.Policy != PolicySingle, why)
		v.none("handler", c.Handler, c.Handler != "" && c.Handler != HandlerNoop, why)
		v.none("evds", c.EVDs, c.EVDs > 1, why)
		v.none("cqs", c.CQs, c.CQs > 1, why)
		v.none("faults", strconv.Quote(c.Faults), c.Faults != "", why)
		v.none("error-rate", c.ErrorRate, c.ErrorRate != 0, why)
		return
	}
	v.in("engine", d.Engine, EngineEVD, EngineSpinlock, EngineMutex, EngineChannel)
	if _, ok := parseHandler(d.Handler); !ok {
		v.bad("handler", strconv.Quote(d.Handler), HandlerForms)
	}
	v.policy(c, d)
	if d.Engine != EngineEVD {
		v.otherEngine(c, d)
	}
	if bw {
		v.num("evds", d.EVDs, 1, maxEVDs)
		v.num("cqs", d.CQs, 1, maxCQs)
		v.none("flip", c.Flip, c.Flip != 0 && d.EVDs > 1, "with several EVDs")
		v.none("exclusive", c.Exclusive, c.Exclusive && d.CQs > 1, "with several CQs: an exclusive EVD has one")
	} else {
		v.none("evds", c.EVDs, c.EVDs != 0, "with lat: there is one")
		v.none("cqs", c.CQs, c.CQs != 0, "with lat: there is one")
	}
	plain := d.Policy == PolicySingle && d.Handler == HandlerNoop
	v.none("stages", c.Stages, c.Stages && !plain, "with a policy or a handler: the parts are of a plain upcall")
	v.faults(c, d)
}

func (v *validator) policy(c, d Config) {
	p, ok := parsePolicy(d.Policy)
	if !ok {
		v.bad("policy", strconv.Quote(d.Policy), PolicyForms)
		return
	}
	if p.kind == PolicySingle {
		return
	}
	why := "with policy " + d.Policy
	v.none("flip", c.Flip, c.Flip != 0, why+": it is for single")
	v.none("exclusive", c.Exclusive, c.Exclusive && p.kind != PolicyDrain, why+": an exclusive EVD has one upcall at a time")
	v.none("dispatch", d.Dispatch, p.kind == PolicyMany && d.Dispatch == "inline", why+": several upcalls at a time run on workers")
}

// otherEngine refuses what only the engine has.
func (v *validator) otherEngine(c, d Config) {
	why := "with engine " + d.Engine + ", which has no such thing"
	v.none("policy", d.Policy, d.Policy != PolicySingle, why)
	v.none("dispatch", d.Dispatch, d.Dispatch != "auto", why)
	v.none("exclusive", c.Exclusive, c.Exclusive, why)
	v.none("flip", c.Flip, c.Flip != 0, why)
	v.none("stages", c.Stages, c.Stages, why)
	v.none("pin", c.Pin, c.Pin != "", why)
}

func (v *validator) faults(c, d Config) {
	f, err := mock.ParseFaults(c.Faults)
	if err != nil {
		v.bad("faults", strconv.Quote(c.Faults), "a script such as \"lose=3 spurious=p0.01 error=5@12\" ("+err.Error()+")")
		return
	}
	if !(c.ErrorRate >= 0 && c.ErrorRate <= 1) { // also catches NaN
		v.bad("error-rate", c.ErrorRate, "more than 0 and at most 1")
	}
	v.none("error-rate", c.ErrorRate, c.ErrorRate != 0 && f.ErrorWC != (mock.Rule{}), "where faults has error=: it is the same")
	given := c.Faults != "" || c.ErrorRate != 0
	v.none("faults", strconv.Quote(f.String()), given && c.OneWay, "with oneway: nothing completes there")
	if drops(f) {
		v.none("faults", strconv.Quote(f.String()), d.Workload == Lat,
			"with lat where it has overrun= or remove=: the one request in flight would be gone")
		if d.Workload == BW && d.Outstanding > d.Depth {
			v.bad("outstanding", d.Outstanding, fmt.Sprintf("at most depth, %d, where faults has overrun= or remove=: others than scripted ones would be dropped", d.Depth))
		}
	}
}

// scenarioText is the part of the configuration that says what is run, where that is
// not the usual.
func (c *Config) scenarioText() string {
	var b strings.Builder
	put := func(name, value string, given bool) {
		if given {
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
	}
	put("engine", c.Engine, c.Engine != "" && c.Engine != EngineEVD)
	put("policy", c.Policy, c.Policy != "" && c.Policy != PolicySingle)
	put("evds", strconv.Itoa(c.EVDs), c.EVDs > 1)
	put("cqs", strconv.Itoa(c.CQs), c.CQs > 1)
	put("handler", c.Handler, c.Handler != "" && c.Handler != HandlerNoop)
	put("faults", strconv.Quote(c.Faults), c.Faults != "")
	put("error-rate", strconv.FormatFloat(c.ErrorRate, 'g', -1, 64), c.ErrorRate != 0)
	return b.String()
}
