package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// JitterSpin is the histogram of MeasureJitter's spinning goroutine, of all CPUs
// together. Those of the parts are "jitter/" and the name of the part.
const JitterSpin = "jitter"

// Defaults and limits of JitterConfig.
const (
	DefaultJitterDuration = 2 * time.Second
	DefaultJitterPeriod   = 5 * time.Microsecond
	DefaultJitterSleep    = 100 * time.Microsecond

	// A spinning goroutine that is not run for this long has a gap.
	gapLeast = time.Microsecond
)

// JitterConfig says what MeasureJitter measures. The zero value of a field means
// its default.
type JitterConfig struct {
	Duration time.Duration // of each part; 0: 2 s
	Period   time.Duration // between the moments that a spinning goroutine waits for, 1 us to 1 s; 0: 5 us
	Sleep    time.Duration // how long a sleeping goroutine wants to sleep, 1 us to 1 s; 0: 100 us
	NoSleep  bool          // leaves the sleeping parts out

	// CPUs are spun on one after the other, each by a thread that runs there alone.
	// Empty: one part, on a thread that the scheduler puts where it likes.
	CPUs []int
}

func (c JitterConfig) withDefaults() JitterConfig {
	def(&c.Duration, DefaultJitterDuration)
	def(&c.Period, DefaultJitterPeriod)
	def(&c.Sleep, DefaultJitterSleep)
	return c
}

// Validate returns all that is wrong. The parameters are named as evdbench's
// flags. Errors match engine.ErrInvalid. Which CPUs there are is found out by
// running on them.
func (c JitterConfig) Validate() error {
	v := validator{}
	d := c.withDefaults()
	v.dur("duration", d.Duration, time.Millisecond, maxTime, "1ms to 720h")
	v.dur("period", d.Period, time.Microsecond, time.Second, "1us to 1s")
	v.dur("sleep", d.Sleep, time.Microsecond, time.Second, "1us to 1s")
	for i, n := range c.CPUs {
		if n < 0 || slices.Contains(c.CPUs[:i], n) {
			v.bad("cpus", n, "CPUs as the system numbers them from 0, each once")
		}
	}
	return errors.Join(v.errs...)
}

// Jitters are the parts of a measurement of jitter.
type Jitters struct {
	Period time.Duration `json:"period_ns"`
	Sleep  time.Duration `json:"sleep_ns"` // 0: not measured
	Parts  []JitterPart  `json:"parts"`
}

// JitterPart is how late a goroutine was.
type JitterPart struct {
	Name string  `json:"name"` // "spin", "cpu3"; "sleep" by time.Sleep, "nanosleep" by the system call
	Late Summary `json:"late"` // in ns
	// Gaps are the times that a spinning goroutine did not run for more than 1 us: by an
	// interrupt, another thread, the hypervisor.
	Gaps    uint64 `json:"gaps"`
	Lost    int64  `json:"lost_ns"` // all of them together
	Longest int64  `json:"longest_ns"`
	Elapsed int64  `json:"elapsed_ns"`
}

// MeasureJitter measures what this host does to a goroutine without any engine:
// how late one that spins sees a moment that it waits for, and how late one that
// sleeps is woken. Nothing measured here can have a better tail than that.
//
// Sleeping is measured as Go does it (time.Sleep, whose timers wait in the network
// poller) and, on Linux, in the bare system call: the difference is Go's. When ctx is cancelled it ends early, and the report says so.
// Errors are about measurements that did not take place: of the configuration, or a
// CPU that may not be run on.
func MeasureJitter(ctx context.Context, cfg JitterConfig) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	clk := NewClock()
	m := &jitterer{clk: clk, cfg: cfg}
	defer context.AfterFunc(ctx, func() { m.stop.Store(true) })()
	r := &Report{
		Measures: fmt.Sprintf("how late a goroutine is: one that spins, for a moment each %v; one that sleeps for %v", cfg.Period, cfg.Sleep),
		Config:   Config{Workload: Jitter, Duration: cfg.Duration},
		Jitter:   &Jitters{Period: cfg.Period, Sleep: cfg.Sleep},
		Warnings: []string{}, Invalid: []string{},
		Histograms: map[string]*Hist{},
	}
	if cfg.NoSleep {
		r.Jitter.Sleep = 0
		r.Measures = fmt.Sprintf("how late a goroutine that spins is for a moment each %v", cfg.Period)
	}
	began, cpu := time.Now(), cpuTime()
	all := NewHist()
	if len(cfg.CPUs) == 0 {
		r.addJitter("spin", all, m.spin(cfg.Duration, all))
	}
	for _, n := range cfg.CPUs {
		h := NewHist()
		g, err := m.spinOn(n, h)
		if err != nil {
			return nil, err
		}
		name := "cpu" + strconv.Itoa(n)
		r.addJitter(name, h, g)
		r.Histograms[JitterSpin+"/"+name] = h
		all.Merge(h)
	}
	r.Histograms[JitterSpin] = all
	if !cfg.NoSleep {
		r.addSleep(m, "sleep", time.Sleep)
		if nanosleep != nil {
			r.addSleep(m, "nanosleep", nanosleep)
		}
	}
	wall := time.Since(began)
	r.Env, r.Interrupted = Environment(clk), m.stop.Load()
	s := all.Summary()
	res := &r.Results
	res.Latency, res.Operations, res.Elapsed = &s, s.Samples, wall.Nanoseconds()
	res.Rate, res.PerOp = float64(s.Samples)/wall.Seconds(), float64(wall.Nanoseconds())/math.Max(1, float64(s.Samples))
	res.CPU = 100 * float64(cpuTime()-cpu) / float64(wall)
	r.warnClock()
	return r, nil
}

func (r *Report) addSleep(m *jitterer, name string, sleeper func(time.Duration)) {
	h := NewHist()
	r.addJitter(name, h, m.sleep(h, sleeper))
	r.Histograms[JitterSpin+"/"+name] = h
}

func (r *Report) addJitter(name string, h *Hist, g gaps) {
	r.Jitter.Parts = append(r.Jitter.Parts, JitterPart{
		Name: name, Late: h.Summary(), Gaps: g.n, Lost: g.lost, Longest: g.longest, Elapsed: g.elapsed,
	})
}

// gaps are the times in which a spinning goroutine did not run.
type gaps struct {
	n                      uint64
	lost, longest, elapsed int64
}

type jitterer struct {
	clk  *Clock
	cfg  JitterConfig
	stop atomic.Bool // Writer: the end of the context. Readers: who measures
}

// spin reads the clock for d, and records how late it sees each of the moments
// that come each Period.
func (m *jitterer) spin(d time.Duration, h *Hist) gaps {
	began := m.clk.Now()
	w := newWaits(m.clk, m.cfg.Period, h, began)
	for end := began + m.clk.Ticks(d); w.last < end; {
		if w.see(m.clk.Now()) && m.stop.Load() {
			break
		}
	}
	w.gaps.elapsed = m.clk.Nanos(w.last - began)
	return w.gaps
}

// waits are the moments that a spinning goroutine waits for. One long absence makes
// all the moments in it late, each by as much as it was: as events would have been
// that came then.
type waits struct {
	clk                       *Clock
	h                         *Hist
	last, next, period, least Ticks
	gaps                      gaps
}

func newWaits(clk *Clock, period time.Duration, h *Hist, began Ticks) *waits {
	p := clk.Ticks(period)
	return &waits{clk: clk, h: h, last: began, next: began + p, period: p, least: clk.Ticks(gapLeast)}
}

// see takes a reading of the clock, and tells whether a moment has come.
func (w *waits) see(now Ticks) bool {
	if gap := now - w.last; gap > w.least {
		ns := w.clk.Nanos(gap)
		w.gaps.n++
		w.gaps.lost += ns
		w.gaps.longest = max(w.gaps.longest, ns)
	}
	w.last = now
	if now < w.next {
		return false
	}
	for ; w.next <= now; w.next += w.period {
		w.h.Record(w.clk.Nanos(now - w.next))
	}
	return true
}

// spinOn is spin on one CPU.
func (m *jitterer) spinOn(cpu int, h *Hist) (g gaps, err error) {
	done := make(chan struct{})
	go func() { // a goroutine of its own: a thread that cannot be unpinned ends with it
		defer close(done)
		restore, perr := pinThread(cpu)
		if perr != nil {
			err = fmt.Errorf("jitter: CPU %d: %w", cpu, perr)
			return
		}
		defer restore()
		g = m.spin(m.cfg.Duration, h)
	}()
	<-done
	if errors.Is(err, errNoCPU) {
		err = param.Invalid("bench: MeasureJitter", "cpus", cpu, "CPUs that this process may run on")
	}
	return g, err
}

// sleep records how late a goroutine is that sleeps, in the way of sleeper.
func (m *jitterer) sleep(h *Hist, sleeper func(time.Duration)) (g gaps) {
	clk := m.clk
	began := clk.Now()
	end := began + clk.Ticks(m.cfg.Duration)
	for now := began; now < end && !m.stop.Load(); now = clk.Now() {
		sleeper(m.cfg.Sleep)
		h.Record(clk.Nanos(clk.Now()-now) - int64(m.cfg.Sleep))
	}
	g.elapsed = clk.Nanos(clk.Now() - began)
	return g
}

// floorTime is enough for p99.9 of moments 5 us apart.
const floorTime = 55 * time.Millisecond

// Floor is the host's own jitter, measured for a moment: how late a goroutine that
// does nothing but spin is. A latency has at least that tail.
type Floor struct {
	P50     int64         `json:"p50_ns"`
	P999    int64         `json:"p999_ns"`
	Max     int64         `json:"max_ns"`
	Samples uint64        `json:"samples"`
	Took    time.Duration `json:"took_ns"`
}

// MeasureFloor spins for 55 ms. It is to be called when nothing else runs in this
// process.
func MeasureFloor(ctx context.Context) *Floor {
	clk := quickClock()
	m := &jitterer{clk: clk, cfg: JitterConfig{}.withDefaults()}
	defer context.AfterFunc(ctx, func() { m.stop.Store(true) })()
	h := NewHist()
	g := m.spin(floorTime, h)
	if h.n == 0 {
		return nil // interrupted at once
	}
	return &Floor{
		P50: h.at(50), P999: h.at(99.9), Max: h.max, Samples: h.n,
		Took: time.Duration(g.elapsed),
	}
}

// at is a percentile, whatever the number of samples.
func (h *Hist) at(p float64) int64 { return h.quantile(p) }

// quickClock is a clock that needs no calibration.
func quickClock() *Clock { return &Clock{base: time.Now(), why: "not asked for"} }

// SetFloor notes the host's jitter, as measured before the run, and warns where it
// explains the run's tail. nil changes nothing.
func (r *Report) SetFloor(f *Floor) {
	if f == nil {
		return
	}
	r.Env.Floor = f
	// Only response times can be held against it: in a closed loop nothing is due
	// while the host keeps the loop from running.
	l := r.Results.Response
	if l == nil {
		return
	}
	for _, p := range l.Percentiles {
		if p.P == 99.9 && p.Nanos != nil && 2*f.P999 > *p.Nanos {
			r.Warnings = append(r.Warnings, fmt.Sprintf(
				"p99.9 of the response time says more about this host than about the engine: a goroutine that only spins is late by %v at p99.9; \"evdbench doctor\" says why",
				round3(f.P999)))
		}
	}
}

// String is "p99.9 18us, max 1.2ms".
func (f *Floor) String() string {
	return fmt.Sprintf("p99.9 %v, max %v", round3(f.P999), round3(f.Max))
}

// round3 rounds to three digits or so.
func round3(ns int64) time.Duration {
	unit := time.Duration(1)
	for d := time.Duration(ns); d >= 10000; d /= 10 {
		unit *= 10
	}
	return time.Duration(ns).Round(unit)
}
