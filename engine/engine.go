package engine

import (
	"context"
	"errors"
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

	// SpinBudget is how long a ModeAdaptive poller goes on polling after the
	// last completion before it arms and sleeps, up to one second. 0 means
	// what a wake-up costs on this machine (see WakeCost).
	SpinBudget time.Duration
}

// Limits of Config.
const (
	maxWorkers    = 1024
	maxSpinBudget = time.Second
)

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
	return errors.Join(errs...)
}

// Engine owns EVDs, the pollers of their CQs and the workers of queued
// upcalls.
//
// Concurrency: all methods from any goroutine.
// Zero value: not usable; use New. Must not be copied.
type Engine struct {
	rq   runq
	cfg  Config
	wait []atom.Token // one a worker, signalled when it ends

	// Sleepers that wait for some machine to become quiet. One condition for
	// all: teardown is rare, and a broadcast makes everyone look again.
	quietMu   atom.Mutex
	quietCond *atom.Cond

	mu     atom.Mutex
	evds   map[uint32]*EVD  // owner: mu
	cqs    map[hwcq.CQ]*EVD // owner: mu; who polls a CQ
	nextID uint32           // owner: mu
	closed bool             // owner: mu

	spawn func(role, name string, fn func()) // starts the engine's goroutines; the explorer's threads in its scenarios
}

// New returns an engine with its workers running.
func New(cfg Config) (*Engine, error) { return newEngine(cfg, spawn) }

func newEngine(cfg Config, spawn func(role, name string, fn func())) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	e := &Engine{cfg: cfg, evds: map[uint32]*EVD{}, cqs: map[hwcq.CQ]*EVD{}, spawn: spawn}
	e.rq.cond = atom.NewCond(&e.rq.mu)
	e.quietCond = atom.NewCond(&e.quietMu)
	for range cfg.Workers {
		done := atom.NewToken()
		e.wait = append(e.wait, done)
		e.keep("worker", "engine", e.work, done)
	}
	return e, nil
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
		pprof.Do(context.Background(), pprof.Labels("evd", role, "name", name), func(context.Context) { fn() })
		returned = true
	}()
}

// keep starts a goroutine of the engine that signals done at its end.
func (e *Engine) keep(role, name string, fn func(), done atom.Token) {
	e.spawn(role, name, func() {
		fn()
		done.Signal()
	})
}

// Close closes every EVD (see EVD.Close) and ends the engine's goroutines. It
// waits for upcalls that run; do not call it from one. Idempotent.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	evds := make([]*EVD, 0, len(e.evds))
	for _, d := range e.evds {
		evds = append(evds, d)
	}
	e.mu.Unlock()
	var errs []error
	for _, d := range evds {
		errs = append(errs, d.Close())
	}
	e.rq.close()
	for _, done := range e.wait {
		done.Wait()
		done.Signal() // for another Close
	}
	return errors.Join(errs...)
}

// wakeQuiet wakes the sleepers of waitQuiet, who look again.
func (e *Engine) wakeQuiet() {
	// Under the lock: a sleeper between his compare-and-swap and Wait has it,
	// and hears a broadcast only once he waits.
	e.quietMu.Lock()
	defer e.quietMu.Unlock()
	e.quietCond.Broadcast()
}

// waitQuiet is transition [Q1]: it returns when m has RUN=0 and, if take is
// set, TAKE=0; or with ctx's error. m's LIM must be 0, or it may wait for
// ever.
func (e *Engine) waitQuiet(ctx context.Context, m *machine, take bool) error {
	var stop func() bool
	for {
		s := m.load()
		if s.run() == 0 && (!take || s&bTAKE == 0) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err // a QUIET bit left behind costs one broadcast
		}
		if stop == nil && ctx.Done() != nil {
			stop = context.AfterFunc(ctx, e.wakeQuiet)
			defer stop()
		}
		e.quietMu.Lock()
		// [Q1] QUIET goes up in exactly the word that was not quiet: the one
		// that makes it quiet will see it.
		// The context is looked at again under the lock: its end broadcasts
		// under the lock too, so it comes before this look or after Wait.
		if ctx.Err() == nil && m.word.CompareAndSwap(uint64(s), uint64(s|bQUIET)) {
			e.quietCond.Wait()
		}
		e.quietMu.Unlock()
	}
}
