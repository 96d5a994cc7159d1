package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/internal/atom"
)

// Poller is one goroutine that waits for the CQs of many EVDs and shared CQs: those
// that were made with it (EVDConfig.Poller, SharedCQConfig.Poller). It polls only
// its active members: those that poll by their mode and have had a completion
// lately. The others are armed and cost nothing until their event comes, which puts
// them on a list: a wake-up costs as much as there are members with events, however
// many there are.
//
// Active members are looked at in turn, each for a Budget of events at most. Inline
// upcalls run on the poller's goroutine, so one that blocks holds up all members
// (with DispatchQueued it does not). It holds up nobody's Close: an upcall may close
// other members' EVDs, as those of other goroutines. One that panics or ends its
// goroutine does the others no harm, and a member whose CQ cannot be armed is tried again
// by and by while the others go on.
//
// Concurrency: all methods from any goroutine.
// Zero value: not usable; use Engine.NewPoller. Must not be copied.
//
// What belongs to the goroutine is turned over on its death (runtime.Goexit in an
// upcall) to the one that takes its place: so each list is in order whenever user
// code may run, and at is who it runs for.
//
// Invariants: a member is noted, and then on ready, todo or about to be looked at, or
// nobody has told of it since the goroutine last looked. Who puts the first one on
// ready looks at asleep afterwards; the goroutine stores asleep, and looks at ready
// afterwards.
type Poller struct {
	e    *Engine
	id   uint32
	name string
	cpu  CPU

	ready  atom.Pointer[member] // a stack. Writers: everybody pushes, the goroutine takes all
	asleep atom.Uint32          // gAwake, or where the goroutine sleeps. Writers: it, and who wakes it
	tok    atom.Token           // it sleeps here
	stop   atom.Bool            // Writer: Close
	done   atom.Token
	bed    atom.Pointer[epoll] // it sleeps there once there are descriptors. Writer: admit, under mu

	inside  atom.Bool // it may be in an upcall. Writer: the goroutine
	leaving atom.Bool // there are leavers. Writers: dismiss, letGo, under mu

	mu      atom.Mutex
	members int       // owner: mu
	leavers []*member // owner: mu; who are to be let go
	closed  bool      // owner: mu

	// owner: the goroutine
	r      runner
	todo   *member   // taken from ready, oldest first
	active []*member // polled in turn
	turn   int       // place in active of the next one
	late   []*member // back off
	at     *member   // whom it is looking after
	alarm  *time.Timer
	since  int    // visits that moved something since the last glance
	passes uint64 // to be told in stats

	stats pollerStats
}

// Values of Poller.asleep.
const (
	gAwake = iota
	gToken // in tok
	gBed   // in bed
)

// PollerConfig configures a Poller.
type PollerConfig struct {
	// Name appears in errors and profiles. Generated if empty.
	Name string

	// CPU is where the goroutine runs: its thread is locked to it. AnyCPU (0) leaves
	// both to the scheduler. A pinned poller that sleeps takes longer to wake up.
	CPU CPU
}

// Validate returns all that is wrong with the configuration.
func (c PollerConfig) Validate() error { return c.CPU.check("engine: NewPoller", "CPU") }

// NewPoller starts a poller, which has no members yet.
//
// Errors: ErrInvalid, ErrClosed, ErrNotSupported (a CPU, where threads cannot be
// pinned).
func (e *Engine) NewPoller(cfg PollerConfig) (*Poller, error) {
	const op = "engine: NewPoller"
	if err := e.valid(op); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Poller{e: e, name: cfg.Name, cpu: cfg.CPU, tok: atom.NewToken(), done: atom.NewToken()}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, fmt.Errorf("%s: engine: %w", op, ErrClosed)
	}
	e.nextPoller++
	g.id = e.nextPoller
	if g.name == "" {
		g.name = fmt.Sprintf("poller%d", g.id)
	}
	e.pollers = append(e.pollers, g)
	e.mu.Unlock()
	if e.tracing&traceRegions != 0 {
		g.r.labelled("poller", g.name)
	}
	e.trace(TraceAPI, "poller_create", "poller", g.name, "cpu", g.cpu)
	e.keep("poller group", g.name, g.serve, g.done)
	return g, nil
}

// Name returns PollerConfig.Name, or a generated one.
func (g *Poller) Name() string { return g.name }

func (g *Poller) valid(op string) error {
	if g == nil || g.e == nil {
		return nilHandle(op, "poller")
	}
	return nil
}

func (g *Poller) foreignErr(op string) error {
	return fmt.Errorf("%s: Poller %q: %w", op, g.name, ErrForeign)
}

// Close ends the poller. It is refused with ErrBusy while it has members: close their
// EVDs and shared CQs first. Engine.Close does both. Idempotent.
func (g *Poller) Close() error {
	const op = "engine: Poller.Close"
	if err := g.valid(op); err != nil {
		return err
	}
	g.mu.Lock()
	if n := g.members; n > 0 {
		g.mu.Unlock()
		return fmt.Errorf("%s: poller %q: %w: it has %d members", op, g.name, ErrBusy, n)
	}
	first := !g.closed
	g.closed = true
	g.mu.Unlock()
	g.stop.Store(true) // before the wake-up; pairs with [G3]
	g.wake()
	g.done.Wait()
	g.done.Signal() // for another Close
	if !first {
		return nil
	}
	g.e.forgetPoller(g)
	g.e.trace(TraceAPI, "poller_free", "poller", g.name)
	if b := g.bed.Load(); b != nil {
		return b.close()
	}
	return nil
}

// closePollers ends all that the engine has. There are no members any more.
func (e *Engine) closePollers() error {
	var errs []error
	for _, g := range e.Pollers() {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}
