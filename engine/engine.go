package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// Config configures an Engine. The zero value is a good default.
type Config struct {
	// Workers is the number of goroutines that run queued upcalls, 1..1024.
	// 0 means GOMAXPROCS. An upcall that blocks keeps its worker.
	Workers int

	// SpinBudget is how long at most a ModeAdaptive poller goes on polling after the
	// last completion before it arms and sleeps, and a WaitAdaptive waiter looks before
	// it sleeps, up to one second. 0 means what a wake-up costs on this machine (see
	// WakeCost).
	SpinBudget time.Duration

	// MaxWorkers is how many workers there may be when upcalls block: one is
	// added when a queued run has waited between two looks of the watchdog in
	// which no other began. Workers..1024; 0 means 64, or Workers if that is more.
	MaxWorkers int

	// Watchdog is how often the engine looks for what should not happen: lost
	// interrupts, CQs that drop completions, upcalls that do not return, queued
	// runs that wait for a worker. 1ms..1h; 0 means DefaultWatchdog, NoWatchdog
	// means never. It looks twice in a period, so that what it has to see twice
	// is found within one.
	Watchdog time.Duration

	// StuckAfter is how long an upcall may run before the watchdog reports it,
	// once, as an async error; it is not interfered with. Watchdog..24h; 0
	// means DefaultStuckAfter. It is noticed at the first look after that. EVDs
	// without CQs are looked at in turn, 2048 at a look: with more, a round takes
	// several looks, and an upcall may run for two rounds longer.
	StuckAfter time.Duration

	// Priority has queued runs begin by class: async errors, then EVDs with stream
	// Connection or CR, then the others; in each class in order, and after 8 runs of
	// more urgent classes in a row one that they kept waiting. A run is a turn of
	// Budget x Weight events at most; one that has begun is not interrupted, and
	// upcalls that do not run on workers are not concerned. Without it all runs begin
	// in the order in which they were queued.
	Priority bool

	// AsyncUpcall, if set, is called with async errors (see Engine.Async), one
	// upcall at a time on a worker. AsyncLeftovers gets those that were not
	// delivered when the engine is closed.
	AsyncUpcall    UpcallFunc
	AsyncLeftovers func([]Event)

	// Regions marks upcalls, and the sleep of pollers and waiters, as regions of
	// runtime/trace: "evd.upcall", "evd.sleep" and "evd.wait", with the EVD's name
	// logged under the category "evd"; and gives goroutines of the engine the
	// EVD's pprof labels (evd=upcall, name=its name) while they run an upcall of
	// it. It costs some 10 ns an upcall, more while a trace is being taken, and on
	// the engine's goroutines the making of the labels, which allocates. Without it
	// nothing is done.
	Regions bool

	// Logger gets the traces that Trace selects; nothing is logged without
	// both. Its handler must not call the engine, which may hold a lock.
	Logger *slog.Logger
	Trace  Trace
}

// Defaults of Config.
const (
	DefaultWatchdog   = 100 * time.Millisecond
	DefaultStuckAfter = 10 * time.Second
	NoWatchdog        = time.Duration(-1)
	defaultMaxWorkers = 64
)

// Limits of Config.
const (
	maxWorkers    = 1024
	maxSpinBudget = time.Second
	minWatchdog   = time.Millisecond
	maxWatchdog   = time.Hour
	maxStuckAfter = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	if c.Workers == 0 {
		c.Workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = max(defaultMaxWorkers, c.Workers)
	}
	if c.Watchdog == 0 {
		c.Watchdog = DefaultWatchdog
	}
	if c.StuckAfter == 0 {
		c.StuckAfter = max(DefaultStuckAfter, c.Watchdog)
	}
	return c
}

// Validate returns all that is wrong with the configuration.
func (c Config) Validate() error {
	const op = "engine: New"
	var errs []error
	if c.Workers < 0 || c.Workers > maxWorkers {
		errs = append(errs, param.Invalid(op, "Workers", c.Workers, "0 (GOMAXPROCS) or 1..1024"))
	}
	if c.SpinBudget < 0 || c.SpinBudget > maxSpinBudget {
		errs = append(errs, param.Invalid(op, "SpinBudget", c.SpinBudget, "0 (measured) or up to 1s"))
	}
	d := c.withDefaults()
	if d.MaxWorkers < d.Workers || d.MaxWorkers > maxWorkers {
		errs = append(errs, param.Invalid(op, "MaxWorkers", c.MaxWorkers, fmt.Sprintf("0 (%d) or Workers..1024, and Workers is %d", defaultMaxWorkers, d.Workers)))
	}
	if d.Watchdog != NoWatchdog && (d.Watchdog < minWatchdog || d.Watchdog > maxWatchdog) {
		errs = append(errs, param.Invalid(op, "Watchdog", c.Watchdog, "0 (100ms), NoWatchdog or 1ms..1h"))
	}
	if d.StuckAfter < max(d.Watchdog, minWatchdog) || d.StuckAfter > maxStuckAfter {
		errs = append(errs, param.Invalid(op, "StuckAfter", c.StuckAfter, "0 (10s) or Watchdog..24h"))
	}
	if c.Trace&^TraceAll != 0 {
		errs = append(errs, param.Invalid(op, "Trace", c.Trace, "a combination of the Trace constants"))
	}
	return errors.Join(errs...)
}

// Engine owns EVDs, the pollers of their CQs and the workers of queued
// upcalls.
//
// Concurrency: all methods from any goroutine.
// Zero value: not usable; use New. Must not be copied.
type Engine struct {
	rq      runq
	cfg     Config
	async   *EVD
	tracing Trace // nothing of Config.Trace without a logger

	workMu atom.Mutex
	wait   []atom.Token // owner: workMu; one a worker, signalled when it ends
	dog    watchdog

	// Sleepers that wait for some machine to become quiet. One condition for
	// all: teardown is rare, and a broadcast makes everyone look again.
	quietMu   atom.Mutex
	quietCond *atom.Cond

	mu      atom.Mutex
	evds    []*EVD             // owner: mu; the async EVD is the first
	fed     []*EVD             // owner: mu; those with CQs of their own
	cqs     map[hwcq.CQ]string // owner: mu; who polls a CQ
	shared  []*SharedCQ        // owner: mu
	cnos    map[*CNO]bool      // owner: mu
	nextCNO uint32             // owner: mu
	nextID  uint32             // owner: mu
	epGen   uint32             // owner: mu; generations of endpoints
	closed  bool               // owner: mu
	gone    Stats              // owner: mu; what closed EVDs had counted
	looks   atom.Counter       // of the watchdog

	spinning    atom.Int32 // waiters that spin by their patience. Writers: they. It limits, no more
	maxSpinning int32

	spawn func(role, name string, fn func()) // starts the engine's goroutines; the explorer's threads in its scenarios
}

// New returns an engine with its workers and its watchdog running.
func New(cfg Config) (*Engine, error) {
	e, err := newEngine(cfg, spawn)
	if err == nil && e.cfg.Watchdog != NoWatchdog {
		e.dog.runs = true
		e.keep("watchdog", "engine", e.watch, e.dog.done)
	}
	return e, err
}

func newEngine(cfg Config, spawn func(role, name string, fn func())) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, maxSpinning: spinners(), cqs: map[hwcq.CQ]string{}, cnos: map[*CNO]bool{}, spawn: spawn}
	if cfg.Logger != nil {
		e.tracing = cfg.Trace
	}
	if cfg.Regions {
		e.tracing |= traceRegions
	}
	e.rq.cond = atom.NewCond(&e.rq.mu)
	e.quietCond = atom.NewCond(&e.quietMu)
	e.dog = watchdog{done: atom.NewToken(), stop: atom.NewToken()}
	e.async = e.newAsync()
	e.needWorkers(cfg.Workers)
	return e, nil
}

// needWorkers makes the workers at least n.
func (e *Engine) needWorkers(n int) {
	e.workMu.Lock()
	defer e.workMu.Unlock()
	for len(e.wait) < n {
		done := atom.NewToken()
		e.wait = append(e.wait, done)
		e.keep("worker", "engine", e.work, done)
	}
}

// valid is the check of a handle.
func (e *Engine) valid(op string) error {
	if e == nil || e.async == nil {
		return nilHandle(op, "engine")
	}
	return nil
}

// spawn starts a goroutine with a pprof label, so that profiles tell the
// engine's parts apart. An upcall that calls runtime.Goexit (a failed test
// assertion does) ends the goroutine it runs on; another one takes its place.
func spawn(role, name string, fn func()) {
	go func() {
		returned := false
		defer func() {
			if !returned {
				spawn(role, name, fn)
			}
		}()
		pprof.Do(context.Background(), labels(role, name), func(context.Context) { fn() })
		returned = true
	}()
}

func labels(role, name string) pprof.LabelSet { return pprof.Labels("evd", role, "name", name) }

// keep starts a goroutine of the engine that signals done at its end.
func (e *Engine) keep(role, name string, fn func(), done atom.Token) {
	e.spawn(role, name, func() {
		fn()
		done.Signal()
	})
}
