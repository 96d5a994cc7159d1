package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
)

// session is one run: the engine, the EVD under test, the two edges of its
// events, and the clockwork.
type session struct {
	ctx   context.Context // of the run; for open
	watch Watch
	cfg   Config // defaults filled in
	clk   *Clock
	eng   *engine.Engine
	scn   scenario
	units []*unit            // one at least
	also  []engine.EVDConfig // of units[1] and on; set by the workload's open
	evd   *engine.EVD        // of units[0]; nil with another engine
	con   *consumer          // of units[0]
	books []book
	phase phaseWord
	rec   *recorder     // of latencies; nil: the run has none. Writer: open
	began chan struct{} // closed when the measurement begins, of runs without rec
	begin sync.Once     // closes it
	quiet func() bool   // nothing is in flight, and that is as it should be; nil: it never is. Writer: open
	pins  pins

	active atomic.Int32  // producers that have not ended
	ended  chan struct{} // closed by the last of them

	posters sync.WaitGroup // goroutines that post to the EVD
	gone    chan struct{}  // closed when they need not wait for anything any more

	mu     sync.Mutex
	faults []string      // guarded by mu
	timers []*time.Timer // guarded by mu

	interrupted, stalled bool // owner: Run
	cut                  bool // the peer is lost. Writer: who ends the last producer, before; reader: Run, after
}

// workload is what is run in a session.
type workload interface {
	// open makes the device and returns the CQs and upcall of the EVD.
	open(s *session) (evd engine.EVDConfig, err error)
	// start makes the first requests, once the EVD is there.
	start() error
	// expected is how many events will have come when what is in flight has
	// come home. Called when all producers have ended.
	expected() uint64
	// flush makes the device give back requests that have nothing to wait
	// for any more.
	flush() error
	// report fills in what was measured. Called when nothing runs any more.
	report(r *Report)
	// close releases the device. Called once the EVD is closed.
	close() error
}

// accountant is a workload that has something to put into the books once nothing runs
// any more: what a script made its device drop.
type accountant interface{ account() }

// Run runs a workload and reports. The error is about runs that did not take
// place: a bad configuration (engine.ErrInvalid), a CQ that is not available
// (hwcq.ErrUnavailable, hwcq.ErrNotSupported), a peer that does not answer.
// What goes wrong in the run stands in the report's Conservation.
//
// When ctx is cancelled the run ends early, and the report says so.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	return RunWatched(ctx, cfg, Watch{})
}

// RunWatched is Run, and tells w how the run goes.
func RunWatched(ctx context.Context, cfg Config, w Watch) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return RunOn(ctx, cfg, NewClock(), w)
}

// RunOn is RunWatched with a clock that is there already: NewClock takes 25 ms, which
// many short runs in a row do without.
func RunOn(ctx context.Context, cfg Config, clk *Clock, w Watch) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	return run(ctx, cfg, workloadFor(cfg), clk, w)
}

func workloadFor(cfg Config) workload {
	onRXE := cfg.rdma()
	switch {
	case cfg.Server != "":
		return &node{}
	case cfg.Workload == WakeUp:
		return &wakeUp{}
	case cfg.Workload == BW && onRXE:
		return &throughput{dev: &rxeDevice{}}
	case cfg.Workload == BW:
		return &throughput{dev: &mockDevice{}}
	case onRXE && cfg.open():
		return &rxeOpen{}
	case onRXE:
		return &rxeLat{}
	case cfg.open():
		return &mockOpen{}
	case cfg.OneWay:
		return &mockOneWay{}
	}
	return &mockPingPong{}
}

func run(ctx context.Context, cfg Config, w workload, clk *Clock, watch Watch) (_ *Report, err error) {
	s := &session{watch: watch, ctx: ctx, cfg: cfg, clk: clk, ended: make(chan struct{}), gone: make(chan struct{}), began: make(chan struct{})}
	s.con = s.newUnit().con
	if s.scn, err = newScenario(cfg, clk); err != nil {
		return nil, err
	}
	if s.pins.Pin, err = ParsePin(cfg.Pin); err != nil {
		return nil, err
	}
	if err := s.pins.check(); err != nil {
		return nil, err
	}
	if len(s.pins.Other) > 0 {
		restore, err := pinProcess(s.pins.Other)
		if err != nil {
			return nil, err
		}
		defer restore()
	}
	s.eng, err = engine.New(engine.Config{SpinBudget: cfg.Spin})
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, s.closeUnits(), s.eng.Close(), w.close())
	}()
	var ec engine.EVDConfig
	// A simulated device's goroutine begins there, and gets the label.
	pprof.Do(ctx, pprof.Labels("evd", "device"), func(context.Context) { ec, err = w.open(s) })
	if err != nil {
		return nil, err
	}
	if err := s.openUnits(ec); err != nil {
		return nil, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t0, cpu := time.Now(), cpuTime()
	if err := w.start(); err != nil {
		return nil, err // nothing runs yet
	}
	beside := s.watching()
	s.await(ctx)
	beside.stop()
	s.stopTimers()
	wall := time.Since(t0)
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	s.drain(w)
	close(s.gone)
	if err := s.closeUnits(); err != nil {
		s.fault("EVD: %v", err)
	}
	s.posters.Wait()

	r := &Report{
		Config: cfg, Interrupted: s.interrupted, Warnings: []string{}, Invalid: []string{},
		Env: Environment(clk), Engine: s.engineStats(),
	}
	r.SpinBudget = s.units[0].spinBudget()
	if w, ok := w.(accountant); ok {
		w.account()
	}
	r.Conservation = s.balances()
	r.Conservation.Violations = append(s.faults, r.Conservation.Violations...)
	res := &r.Results
	beside.rest()
	w.report(r)
	beside.report(r)
	s.cost(r)
	if res.Elapsed > 0 {
		res.Rate = float64(res.Operations) / (float64(res.Elapsed) / 1e9)
	}
	if res.Operations > 0 {
		res.PerOp = float64(res.Elapsed) / float64(res.Operations)
	}
	res.EventsPerUpcall = s.eventsPerUpcall()
	r.Wake = economy(r, cpu)
	res.CPU = 100 * float64(cpu) / float64(wall)
	res.Mallocs, res.GCs = after.Mallocs-before.Mallocs, after.NumGC-before.NumGC
	if r.CQ.Overruns > 0 && !s.scn.lossy() {
		r.Conservation.violate("the CQ dropped %d completions", r.CQ.Overruns)
	}
	s.warnPins(r)
	r.warn()
	return r, nil
}

// book opens the book of a new producer. Only before the EVD is made.
func (s *session) book(name string, software bool) *Producer {
	return s.units[0].book(name, software)
}

// produce announces n producers, before they start; each calls producerEnded
// once.
func (s *session) produce(n int) { s.active.Add(int32(n)) }

// measured says that the measurement begins, in a run without latencies.
func (s *session) measured() { s.begin.Do(func() { close(s.began) }) }

func (s *session) producerEnded() {
	if s.active.Add(-1) == 0 {
		close(s.ended)
	}
}

// fault notes that the run went wrong, and ends it. From any goroutine.
func (s *session) fault(format string, args ...any) {
	s.mu.Lock()
	if len(s.faults) < 20 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
	s.mu.Unlock()
	s.phase.advance(stopping)
}

func (s *session) faulty() bool {
	return s.firstFault() != ""
}

// firstFault is what went wrong first, "" if nothing did.
func (s *session) firstFault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return ""
	}
	return s.faults[0]
}

// await returns when all producers have ended, or when nothing has moved for
// too long. An end of ctx makes the producers end.
func (s *session) await(ctx context.Context) {
	// Ticks are counted, not time: after the whole process was stopped for a
	// while, everybody gets a chance before it is called a stall.
	const ticks = 8
	tick := time.NewTicker(s.cfg.Stall / ticks)
	defer tick.Stop()
	interrupt := ctx.Done()
	last, idle := s.seen(), 0
	for {
		select {
		case <-s.ended:
			return
		case <-interrupt:
			interrupt = nil
			s.interrupted = true
			s.phase.advance(stopping)
		case <-tick.C:
			if n := s.seen(); n != last || s.quiet != nil && s.quiet() {
				last, idle = n, 0
			} else if idle++; idle > ticks {
				s.stall("no event came")
				return
			}
		}
	}
}

func (s *session) stopTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.timers {
		t.Stop()
	}
}

func (s *session) stall(what string) {
	s.stalled = true
	s.fault("%s for %v: what is in flight is lost", what, s.cfg.Stall)
}

// drain waits for what is in flight, and flushes the rest.
func (s *session) drain(w workload) {
	if s.stalled {
		return
	}
	// After a fault what is in flight may not come by itself.
	if !s.faulty() && !s.cut && !s.settle(w.expected) {
		return
	}
	s.con.flushing.Store(true)
	if err := w.flush(); err != nil {
		s.fault("flush: %v", err)
		return
	}
	s.settle(func() uint64 { return s.accepted() - s.lost() })
}

// lost is how many of the accepted events a script has had the devices drop.
func (s *session) lost() (n uint64) {
	for _, d := range s.scn.devs {
		n += d.lost()
	}
	return n
}

// accepted is how many events have been accepted from all producers, which
// must have ended.
func (s *session) accepted() (n uint64) {
	for _, b := range s.books {
		n += b.Accepted
	}
	return n
}

// settle waits until as many events as expected have come.
func (s *session) settle(expected func() uint64) bool {
	last, idle := s.seen(), time.Duration(0)
	for turn := time.Duration(0); ; turn++ {
		n, want := s.seen(), expected() // which falls when a script has the device drop some
		if n >= want {
			return true
		}
		if n != last {
			last, idle = n, 0
		} else if idle > s.cfg.Stall {
			s.stall(fmt.Sprintf("%d of %d accepted events have come, and none any more", n, want))
			return false
		}
		nap := min(turn*10*time.Microsecond, time.Millisecond)
		time.Sleep(nap)
		idle += nap // naps are counted, as ticks in await
	}
}
