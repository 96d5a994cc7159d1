package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
	"github.com/evdengine/evd/internal/param"
)

// SharedCQConfig configures a SharedCQ.
type SharedCQConfig struct {
	// Name appears in errors and profiles. Generated if empty.
	Name string

	// CQ is polled by the shared CQ alone: one that feeds something else is
	// refused with ErrBusy. Close the shared CQ before it. One that belongs to one OS
	// thread gets one, as in EVDConfig.CQs.
	CQ hwcq.CQ

	// Mode says how the CQ is waited for.
	Mode Mode

	// Poller waits for the CQ, together with others: see EVDConfig.Poller.
	Poller *Poller

	// SolicitedOnly arms the CQ for solicited and failed completions only: see
	// EVDConfig.SolicitedOnly.
	SolicitedOnly bool

	// CPU, if set, is where the CQ is polled: see EVDConfig.CPU.
	CPU CPU

	// Batch is the most completions taken from the CQ at once, 1..4096; 0 means
	// DefaultBatch.
	Batch int
}

// Validate returns all that is wrong with the configuration.
func (c SharedCQConfig) Validate() error {
	const op = "engine: NewSharedCQ"
	var errs []error
	if c.CQ == nil {
		errs = append(errs, param.Invalid(op, "CQ", "nil", "a CQ"))
	} else if t := reflect.TypeOf(c.CQ); !t.Comparable() {
		errs = append(errs, param.Invalid(op, "CQ", t, "of a comparable type, such as a pointer"))
	}
	if c.Mode > ModeSpin {
		errs = append(errs, param.Invalid(op, "Mode", c.Mode, "ModeAdaptive, ModeEvent or ModeSpin"))
	}
	if c.CPU != AnyCPU && c.Poller != nil {
		errs = append(errs, param.Invalid(op, "CPU", c.CPU, "AnyCPU, because Poller is set: PollerConfig.CPU says where it runs"))
	} else if err := c.CPU.check(op, "CPU"); err != nil {
		errs = append(errs, err)
	}
	if c.Batch < 0 || c.Batch > maxBatch {
		errs = append(errs, param.Invalid(op, "Batch", c.Batch, fmt.Sprintf("0 (%d) or 1..%d", DefaultBatch, maxBatch)))
	}
	return errors.Join(errs...)
}

// SharedCQ is a CQ whose completions go to many EVDs, by the number of the queue
// pair they are of (EVD.Join). One goroutine serves it, whatever the number of
// EVDs. It takes completions off the CQ at once and puts each where its EVD
// finds it, in a place that was reserved when the EVD joined: so an EVD that is
// disabled, slow or blocked keeps no other from its completions. Only the upcalls of
// an EVD with DispatchInline run on that goroutine, and hold up the others.
//
// Concurrency: all methods from any goroutine.
// Ownership: the CQ stays the caller's; the SharedCQ is its only poller until it is
// closed.
// Zero value: not usable; use Engine.NewSharedCQ. Must not be copied.
//
// It is a machine as a pump is: a word of the same layout with LIM=1, and one link.
// Invariants: routes, ports and what a port has for its producer belong to mu; a
// completion is on the CQ, or holds is set, or it is in a port.
type SharedCQ struct {
	machine
	id    uint32
	name  string
	link  *link
	depth int
	buf   []hwcq.WC // owner: the slot holder
	due   []*port   // owner: the slot holder, and Close after it; their events are still to be told

	_      pad.Line
	holds  atom.Bool   // Writer: the slot holder. Readers: everybody
	passed atom.Uint64 // completions that have been put where they belong. Writer: the slot holder
	asks   atom.Uint32 // 1 while asking is not empty. Writers: ask, answer
	_      pad.Line

	mu       atom.Mutex
	routes   map[uint32]*Credits // owner: mu; by QP number
	ports    []*port             // owner: mu; those to which a number leads
	reserved int                 // owner: mu; sum of the credits
	closed   bool                // owner: mu
	lastLost uint32              // owner: mu
	asking   []*EVD              // owner: mu

	closer   atom.Token // there while nobody is in close; guards dead
	dead     bool
	alarms   alarms
	unrouted atom.Counter
}

// SharedStats is a snapshot of a SharedCQ's counters, and of who has joined.
type SharedStats struct {
	CQStats             // Stalls is 0: there always is a place
	Unrouted     uint64 // of Polled: of a QP number that nobody had joined with
	LastUnrouted uint32 // the number of the last of these

	EVDs     int // that have joined
	QPs      int // that they have joined with
	Reserved int // sum of their credits
}

// NewSharedCQ has the engine poll a CQ for many EVDs, and starts its poller.
//
// Errors: ErrInvalid, ErrBusy (the CQ feeds something else), ErrClosed.
func (e *Engine) NewSharedCQ(cfg SharedCQConfig) (*SharedCQ, error) {
	const op = "engine: NewSharedCQ"
	if err := e.valid(op); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if g := cfg.Poller; g != nil && g.e != e {
		return nil, g.foreignErr(op)
	}
	if cfg.Batch == 0 {
		cfg.Batch = DefaultBatch
	}
	s := &SharedCQ{name: cfg.Name, buf: make([]hwcq.WC, cfg.Batch), routes: map[uint32]*Credits{}, closer: atom.NewToken()}
	s.closer.Signal()
	s.machine = machine{e: e, self: s}
	s.word.Store(uint64(word(0).policy(1 << limShift)))
	s.link = e.newLink(cfg.CQ, s, cfg.Mode, cfg.SolicitedOnly, cfg.CPU, cfg.Poller)
	s.depth = s.link.depth
	if err := e.addShared(s); err != nil {
		return nil, err
	}
	e.trace(TraceAPI, "shared_create", "shared", s.name)
	s.link.listen(s)
	if g := cfg.Poller; g != nil {
		if err := g.admit(s.link.poll); err != nil {
			s.link.poll.refused()
			_ = s.close(context.Background())
			return nil, fmt.Errorf("%s: CQ: %w", op, err)
		}
		return s, nil
	}
	if e.tracing&traceRegions != 0 {
		s.link.poll.r.labelled("poller", s.name)
	}
	e.keep("poller", s.name, s.link.poll.serve, s.link.poll.done)
	if err := s.link.poll.bound(); err != nil {
		_ = s.close(context.Background()) // nobody has joined
		return nil, fmt.Errorf("%s: CQ: %w", op, err)
	}
	return s, nil
}

// addShared registers a shared CQ and numbers it.
func (e *Engine) addShared(s *SharedCQ) error {
	const op = "engine: NewSharedCQ"
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("%s: engine: %w", op, ErrClosed)
	}
	if o := e.cqs[s.link.cq]; o != "" {
		return fmt.Errorf("%s: CQ: %w: it feeds %s", op, ErrBusy, o)
	}
	s.id = e.nextID
	e.nextID++
	if s.name == "" {
		s.name = fmt.Sprintf("shared%d", s.id)
	}
	for i := range s.alarms {
		s.alarms[i].ev = Event{Stream: Async, Number: alarmNumbers[i], WRID: uint64(s.id)}
	}
	e.cqs[s.link.cq] = fmt.Sprintf("shared CQ %q", s.name)
	e.shared = append(e.shared, s)
	return nil
}

// ID returns the number that async errors about the shared CQ carry as WRID. It is
// never reused in an engine, nor that of an EVD.
func (s *SharedCQ) ID() uint32 { return s.id }

// Name returns SharedCQConfig.Name, or a generated one.
func (s *SharedCQ) Name() string { return s.name }

// Stats returns the counters. For any goroutine. Of a nil SharedCQ they are zero.
func (s *SharedCQ) Stats() SharedStats {
	if s.valid("") != nil {
		return SharedStats{}
	}
	s.mu.Lock()
	st := SharedStats{EVDs: len(s.ports), QPs: len(s.routes), Reserved: s.reserved, LastUnrouted: s.lastLost}
	s.mu.Unlock()
	st.Unrouted = s.unrouted.Load()
	st.CQStats = s.link.counters()
	return st
}

// valid is the check of a handle.
func (s *SharedCQ) valid(op string) error {
	if s == nil || s.e == nil {
		return nilHandle(op, "shared CQ")
	}
	return nil
}

// Close ends the polling of the CQ. It is refused with ErrBusy while an EVD is
// joined. What is on the CQ stays there. Idempotent. It waits for an upcall that
// runs on its goroutine: do not call it from one.
func (s *SharedCQ) Close() error { return s.CloseContext(context.Background()) }

// CloseContext is Close with a limit on the wait for such an upcall. When ctx ends
// first its error is returned: nobody joins any more, and another Close continues the
// wait.
func (s *SharedCQ) CloseContext(ctx context.Context) error {
	const op = "engine: SharedCQ.Close"
	if err := s.valid(op); err != nil {
		return err
	}
	if ctx == nil {
		return nilHandle(op, "ctx")
	}
	err := s.close(ctx)
	if s.e.tracing&TraceAPI != 0 {
		s.e.traceAPI(err, "shared_free", "shared", s.name)
	}
	return err
}

func (s *SharedCQ) close(ctx context.Context) error {
	const op = "engine: SharedCQ.Close"
	s.mu.Lock()
	if n := len(s.routes); n > 0 {
		s.mu.Unlock()
		return fmt.Errorf("%s: shared CQ %q: %w: %d queue pairs have joined", op, s.name, ErrBusy, n)
	}
	s.closed = true
	s.mu.Unlock()
	if err := acquire(ctx, s.closer); err != nil {
		return fmt.Errorf("%s: shared CQ %q: another Close: %w", op, s.name, err)
	}
	defer s.closer.Signal()
	if s.dead {
		return nil
	}
	s.forbid()
	if err := s.e.waitQuiet(ctx, &s.machine, noRun); err != nil {
		return fmt.Errorf("%s: shared CQ %q: %w", op, s.name, err)
	}
	s.link.poll.askStop()
	s.link.poll.wait()
	for len(s.due) > 0 {
		s.fire(nil) // of one who has left, and has something in his port
	}
	s.link.deafen()
	s.dead = true
	s.e.mu.Lock()
	s.e.shared = slices.DeleteFunc(s.e.shared, func(x *SharedCQ) bool { return x == s })
	delete(s.e.cqs, s.link.cq)
	s.e.mu.Unlock()
	return nil
}
