// Package check tests what a completion queue, and the engine over it, promise, on
// the machine where it runs, and says in plain words what became of each promise. It
// is what "evdbench check" does: the role of kdapltest for DAPL.
//
// First comes the conformance suite of hwcq/cqtest, then the engine: the policies
// under load, the pattern of iSER, waiters with thresholds, a hunt for lost wake-ups,
// and on the mock CQ scripts of faults.
//
// The package neither prints nor exits.
package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/internal/param"
)

// CQs that can be checked.
const (
	Mock    = bench.CQMock
	RXE     = bench.CQRXE
	Timer   = "timer"
	EventFD = "eventfd"
	URing   = "uring"
)

// CQs lists the CQs that can be checked, the default first. Not each is available
// everywhere.
func CQs() []string { return []string{Mock, Timer, EventFD, URing, RXE} }

// Config says what is checked. The zero value of a field means its default.
type Config struct {
	CQ       string        // one of CQs; "": mock
	Dev      string        // of rxe; "": the first device
	Duration time.Duration // of the hunt for lost wake-ups, 10 ms to 24 h; 0: 2 s
	Seed     uint64        // of everything random
	Short    bool          // a fifth of the rounds of everything but the hunt

	// Patience is how long something that must happen may take, 100 ms to 10 min; 0: 30
	// s. Where all is well it is not waited for.
	Patience time.Duration

	// Of tests of this package.
	spoil      func(*cqtest.Bed) // replaces the CQ of each bed
	engineOnly bool              // leaves the suite out
}

// DefaultDuration is how long the hunt for lost wake-ups takes.
const DefaultDuration = 2 * time.Second

func (c Config) withDefaults() Config {
	if c.CQ == "" {
		c.CQ = Mock
	}
	if c.Duration == 0 {
		c.Duration = DefaultDuration
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	return c
}

// Validate returns all that is wrong. The parameters are named as evdbench's flags.
// Errors match engine.ErrInvalid.
func (c Config) Validate() error {
	var errs []error
	bad := func(name string, value any, allowed string) {
		errs = append(errs, param.Invalid("check: Run", name, value, allowed))
	}
	d := c.withDefaults()
	if beds[d.CQ] == nil {
		bad("cq", fmt.Sprintf("%q", c.CQ), "mock, timer, eventfd, uring or rxe")
	}
	if c.Dev != "" && d.CQ != RXE {
		bad("dev", c.Dev, "left out with cq "+d.CQ+": it is for rxe")
	}
	if d.Duration < 10*time.Millisecond || d.Duration > 24*time.Hour {
		bad("duration", d.Duration, "10ms to 24h")
	}
	if d.Patience < 100*time.Millisecond || d.Patience > 10*time.Minute {
		bad("patience", d.Patience, "100ms to 10m")
	}
	return errors.Join(errs...)
}

// Verdicts.
const (
	Holds    = "ok"
	Broken   = "BROKEN"
	Excepted = "known" // this CQ is known not to do it, and says so
)

// Result is what became of one promise.
type Result struct {
	Name     string        `json:"name"`    // the same in every release: "arm/event", "engine/hunt", ..
	Promise  string        `json:"promise"` // in words
	Verdict  string        `json:"verdict"` // Holds, Broken or Excepted
	Rounds   uint64        `json:"rounds"`  // how often it was tried; 0: once
	Details  []string      `json:"details"` // what was found
	Promised string        `json:"promised_by"`
	Took     time.Duration `json:"took_ns"`
}

// Report is all that was checked.
type Report struct {
	CQ           string            `json:"cq"`
	Capabilities hwcq.Capabilities `json:"capabilities"`
	Seed         uint64            `json:"seed"`
	Results      []Result          `json:"results"`
	Untested     []string          `json:"untested"` // what this CQ has not
	Interrupted  bool              `json:"interrupted"`
}

// OK tells whether everything was checked and holds.
func (r *Report) OK() bool { return !r.Interrupted && r.Broken() == 0 }

// Broken is how many promises are broken.
func (r *Report) Broken() (n int) {
	for _, x := range r.Results {
		if x.Verdict == Broken {
			n++
		}
	}
	return n
}

// Run checks a CQ. told, if not nil, gets each result as it comes. The error is about
// checks that did not take place: a bad configuration, or a CQ that is not available
// (hwcq.ErrUnavailable, hwcq.ErrNotSupported). When ctx ends, what has been checked
// until then is reported.
//
// Nothing else in the process may allocate, or open descriptors, meanwhile: the
// suite counts.
func Run(ctx context.Context, cfg Config, told func(Result)) (_ *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	d, release, err := beds[cfg.CQ](cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if cfg.spoil != nil {
		open := d.Open
		d.Open = func(depth int) (*cqtest.Bed, error) {
			b, err := open(depth)
			if err == nil {
				cfg.spoil(b)
			}
			return b, err
		}
	}
	d.Patience, d.Short = cfg.Patience, d.Short || cfg.Short
	r := &Report{CQ: cfg.CQ, Seed: cfg.Seed, Results: []Result{}, Untested: []string{}}
	if r.Capabilities, err = capabilities(d); err != nil {
		return nil, err
	}
	add := func(x Result) {
		r.Results = append(r.Results, x)
		if told != nil {
			told(x)
		}
	}
	if !cfg.engineOnly {
		untested, err := cqtest.Verify(d, func(x cqtest.Result) bool {
			add(fromSuite(x))
			return ctx.Err() == nil
		})
		if err != nil {
			return nil, err
		}
		for _, s := range untested {
			if name, ok := strings.CutPrefix(s, "not for this CQ: "); ok && words[name] != "" {
				s = "not of this CQ: " + words[name]
			}
			r.Untested = append(r.Untested, s)
		}
	}
	for _, s := range scenarios(cfg) {
		if ctx.Err() != nil {
			break
		}
		t := &trial{ctx: ctx, cfg: cfg, open: d.Open}
		began := time.Now()
		t.run(s.do)
		if t.interrupted() {
			break
		}
		add(t.result(s, time.Since(began)))
	}
	r.Interrupted = ctx.Err() != nil
	return r, nil
}

// capabilities opens the CQ once.
func capabilities(d cqtest.Driver) (c hwcq.Capabilities, err error) {
	b, err := d.Open(16)
	if err != nil {
		return c, err
	}
	c = b.CQ.Capabilities()
	return c, closeBed(b)
}

// closeBed closes it in the order that cqtest asks for.
func closeBed(b *cqtest.Bed) error {
	var errs []error
	for _, f := range []func() error{b.Quiesce, b.CQ.Close, b.Release} {
		if f != nil {
			errs = append(errs, f())
		}
	}
	return errors.Join(errs...)
}

// fromSuite words a result of the suite.
func fromSuite(x cqtest.Result) Result {
	r := Result{
		Name: x.Property, Promise: words[x.Property], Verdict: Holds, Rounds: uint64(x.Rounds),
		Details: []string{}, Promised: x.Promise, Took: x.Took,
	}
	switch {
	case x.Excepted != "" && len(x.Failures) > 0:
		r.Verdict, r.Details = Excepted, []string{x.Excepted}
	case len(x.Failures) > 0:
		r.Verdict, r.Details = Broken, x.Failures
	}
	return r
}

// trial is the check of one promise of the engine.
type trial struct {
	ctx  context.Context
	cfg  Config
	open func(depth int) (*cqtest.Bed, error)

	rigs   uint64 // so far. Owner: the goroutine of the scenario
	rounds uint64 // the same

	mu       sync.Mutex
	failures []string // guarded by mu
}

func (t *trial) errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.failures) < 10 { // the first ones tell
		t.failures = append(t.failures, fmt.Sprintf(format, args...))
	}
}

func (t *trial) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.failures) > 0
}

// interrupted tells whether the trial was ended before it could tell.
func (t *trial) interrupted() bool { return t.ctx.Err() != nil && !t.failed() }

// stop is a panic that ends a scenario.
type stop struct{}

// fatalf ends the scenario. Only on its goroutine.
func (t *trial) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	panic(stop{})
}

func (t *trial) noErr(what string, err error) {
	if err != nil {
		t.fatalf("%s: %v", what, err)
	}
}

func (t *trial) run(do func(*trial)) {
	defer func() {
		if p := recover(); p != nil && p != any(stop{}) {
			panic(p)
		}
	}()
	do(t)
}

func (t *trial) result(s scenario, took time.Duration) Result {
	r := Result{
		Name: s.name, Promise: s.promise, Verdict: Holds, Rounds: t.rounds, Details: []string{},
		Promised: s.where, Took: took,
	}
	if t.failed() {
		r.Verdict, r.Details = Broken, t.failures
	}
	return r
}

// mostLook is how much of the patience one look may take: on a host that does not run
// this process for a while nothing was late.
const mostLook = 10 * time.Millisecond

// until ends the scenario if cond does not come true in time, or the run ends.
func (t *trial) until(what string, cond func() bool) {
	left, last := t.cfg.Patience, time.Now()
	for i := 0; !cond(); i++ {
		now := time.Now()
		left -= min(now.Sub(last), mostLook)
		last = now
		switch {
		case t.ctx.Err() != nil:
			panic(stop{})
		case t.failed():
			panic(stop{})
		case left <= 0:
			t.fatalf("in vain for %v: %s", t.cfg.Patience, what)
		}
		pause(i)
	}
}

// scaled is n, or a fifth of it.
func (t *trial) scaled(n int) int {
	if t.cfg.Short {
		return max(1, n/5)
	}
	return n
}
