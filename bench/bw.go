package bench

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// device is what makes the completions of a throughput run: it keeps
// cfg.Outstanding requests in flight.
//
// Concurrency: open, prime, start and flush are called while no event is
// consumed, completed by the one who consumes.
type device interface {
	// open is told whose events come out of which unit.
	open(s *session, u *unit) error
	cq() hwcq.CQ
	// prime makes the first requests; the EVD does not exist yet.
	prime(b *throughput) error
	// completed is told of a batch of events that came, of all streams, and
	// makes new requests for the completions among them.
	completed(evs []engine.Event) error
	// expected is how many of its events will have come.
	expected() uint64
	flush() error
	measures() string
	report(r *Report)
	close() error
}

// throughput keeps many events in flight: requests of devices and posts of goroutines
// beside them, into one EVD or several.
type throughput struct {
	s     *session
	dev   device // the first one; the others are as it
	lanes []*lane

	quota   uint64 // events of each producer after the warm-up; 0: no limit
	posters []*poster

	slow seeded // owner: whoever consumes

	turn chan struct{} // an upcall has disabled upcalls: the flipper's turn
}

func (b *throughput) open(s *session) (engine.EVDConfig, error) {
	b.s = s
	b.turn = make(chan struct{}, 1)
	var ecs []engine.EVDConfig
	for range max(s.cfg.EVDs, 1) {
		ln, err := newLane(b)
		if err != nil {
			return engine.EVDConfig{}, err
		}
		ecs = append(ecs, ln.config())
	}
	s.also = ecs[1:]
	producers := 0
	for _, ln := range b.lanes {
		producers += len(ln.devs)
	}
	for i := range s.cfg.Posters {
		n := i % len(ecs)
		b.posters = append(b.posters, newPoster(b, b.lanes[n].u, i))
		ecs[n].Streams = engine.Software | engine.DTO
	}
	producers += len(b.posters)
	if s.cfg.Count > 0 {
		b.quota = (s.cfg.Count + uint64(producers) - 1) / uint64(producers)
	}
	s.produce(producers)
	if s.cfg.Warmup.Off {
		s.phase.advance(measuring)
	}
	for _, ln := range b.lanes {
		for _, d := range ln.devs {
			if err := d.prime(b); err != nil {
				return ecs[0], err
			}
		}
	}
	return ecs[0], nil
}

func (b *throughput) start() error {
	c := b.s.cfg
	switch {
	case c.Warmup.Off:
		b.measure()
	case c.Warmup.Time > 0:
		b.s.after(c.Warmup.Time, b.measure)
	}
	for _, p := range b.posters {
		b.s.goProduce(p.name, p.run)
	}
	if c.Flip > 0 {
		b.s.goWork("flipper", newFlipper(b).run)
	}
	if b.s.scn.lossy() {
		for _, ln := range b.lanes {
			b.s.goWork("nurse", ln.nurse)
		}
	}
	return nil
}

// measure ends the warm-up.
func (b *throughput) measure() {
	b.s.phase.advance(measuring)
	b.s.measured()
	if d := b.s.cfg.Duration; d > 0 {
		b.s.after(d, func() { b.s.phase.advance(stopping) })
	}
}

func (b *throughput) expected() (n uint64) {
	for _, ln := range b.lanes {
		for _, d := range ln.devs {
			n += d.expected()
		}
	}
	for _, p := range b.posters {
		n += p.book.Accepted
	}
	return n
}

func (b *throughput) flush() error { return b.each(device.flush) }
func (b *throughput) close() error { return b.each(device.close) }

// each calls fn for every device.
func (b *throughput) each(fn func(device) error) error {
	var errs []error
	for _, ln := range b.lanes {
		for _, d := range ln.devs {
			errs = append(errs, fn(d))
		}
	}
	return errors.Join(errs...)
}

func (b *throughput) report(r *Report) {
	r.Measures = b.dev.measures()
	if n := len(b.posters); n > 0 {
		r.Measures += fmt.Sprintf("; beside it %d goroutine(s) post software events to the same EVD", n)
	}
	r.Measures += b.s.scn.measures(b.s.cfg)
	var from, to Ticks
	var cqs []*countedCQ
	for _, ln := range b.lanes {
		r.Results.Operations += ln.win.n
		if ln.win.open && (from == 0 || ln.win.start < from) {
			from = ln.win.start
		}
		to = max(to, ln.win.end)
		for _, d := range ln.devs {
			d.report(r)
		}
		cqs = append(cqs, ln.cqs...)
	}
	r.Results.Elapsed = b.s.clk.Nanos(to - from)
	reportPolls(r, cqs...)
	b.s.reportFaults(r)
}

// window counts the events of the measured part of a run.
type window struct {
	clk        *Clock
	cfg        Config
	open, shut bool
	n          uint64
	start, end Ticks
}

// note counts n events that have just come. The batch that finds the warm-up
// over opens the window and is not counted; without a warm-up the first batch
// is. A run of a number of events is measured until the last.
func (w *window) note(n int, ph phase) {
	if ph == warming || w.shut {
		return
	}
	now := w.clk.Now()
	if !w.open {
		w.open, w.start, w.end = true, now, now
		if !w.cfg.Warmup.Off {
			return
		}
	}
	w.n += uint64(n)
	w.end = now
	w.shut = ph >= stopping && w.cfg.Count == 0
}

func (w *window) elapsed() int64 { return w.clk.Nanos(w.end - w.start) }

// after runs fn after d, unless the run is over by then.
func (s *session) after(d time.Duration, fn func()) {
	t := time.AfterFunc(d, fn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timers = append(s.timers, t)
}

// share is a producer's own view of the run: whether it may make more events.
// Owner: the producer.
type share struct {
	phase *phaseWord
	tag   *tag // of a goroutine of its own; nil: it has none
	book  *Producer
	quota uint64 // after the warm-up; 0: no limit
	warm  bool   // the warm-up is over
	until uint64 // Accepted at the end
}

func (b *throughput) share(book *Producer) share {
	return share{phase: &b.s.phase, book: book, quota: b.quota}
}

// left returns how many of n events the producer may still make.
func (s *share) left(n int) int {
	ph := s.phase.load()
	s.tag.see(ph)
	if ph == stopping {
		return 0
	}
	if s.quota == 0 {
		return n
	}
	if !s.warm {
		if ph == warming {
			return n
		}
		s.warm, s.until = true, s.book.Accepted+s.quota
	}
	return int(min(uint64(n), s.until-s.book.Accepted))
}
