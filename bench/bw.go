package bench

import (
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
	open(s *session) error
	cq() hwcq.CQ
	// prime makes the first requests; the EVD does not exist yet.
	prime(b *throughput) error
	// completed is told of a batch of events that came, of all streams, and
	// makes new requests for the completions among them.
	completed(evs []engine.Event) error
	expected() uint64
	flush() error
	measures() string
	report(r *Report)
	close() error
}

// throughput keeps many events in flight: requests of a device and posts of
// goroutines beside it, into one EVD.
type throughput struct {
	s   *session
	dev device
	cq  *countedCQ
	win window // owner: whoever consumes

	quota   uint64 // events of each producer after the warm-up; 0: no limit
	posters []*poster

	slow seeded // owner: whoever consumes

	turn chan struct{} // an upcall has disabled upcalls: the flipper's turn
}

func (b *throughput) open(s *session) (engine.EVDConfig, error) {
	b.s = s
	if err := b.dev.open(s); err != nil {
		return engine.EVDConfig{}, err
	}
	b.cq = &countedCQ{CQ: b.dev.cq()}
	b.turn = make(chan struct{}, 1)
	b.win = window{clk: s.clk, cfg: s.cfg}
	ec := s.cfg.evd()
	ec.CQs = []hwcq.CQ{b.cq}
	ec.Upcall = b.upcall
	for i := range s.cfg.Posters {
		b.posters = append(b.posters, newPoster(b, i))
		ec.Streams = engine.Software | engine.DTO
	}
	producers := uint64(1 + len(b.posters))
	if s.cfg.Count > 0 {
		b.quota = (s.cfg.Count + producers - 1) / producers
	}
	s.produce(int(producers))
	if s.cfg.Warmup.Off {
		s.phase.advance(measuring)
	}
	return ec, b.dev.prime(b)
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
		b.s.goProduce("flipper", newFlipper(b).run)
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

func (b *throughput) upcall(u *engine.Upcall) {
	evs := u.Events()
	b.slow.upcall(b.s.clk)
	b.s.con.upcall(evs)
	b.consume(evs)
	if f := b.s.cfg.Flip; f > 0 && b.s.con.upcalls%f == 0 && b.s.phase.load() < stopping {
		if err := u.ModifyUpcall(engine.Disable, engine.Same); err != nil {
			b.s.fault("flip: %v", err)
			return
		}
		b.turn <- struct{}{} // has room: there is no next upcall before the flipper enables it
	}
}

// consume is what becomes of events, however they came out of the EVD.
func (b *throughput) consume(evs []engine.Event) {
	ph := b.s.phase.load()
	b.win.note(len(evs), ph)
	if w := b.s.cfg.Warmup.Count; w > 0 && ph == warming && b.s.con.Seen() >= w {
		b.measure()
	}
	if err := b.dev.completed(evs); err != nil {
		b.s.con.flushing.Store(true) // a QP in error flushes what is posted
		b.s.fault("%v", err)
	}
	b.s.con.done()
}

func (b *throughput) expected() uint64 { return b.dev.expected() }
func (b *throughput) flush() error     { return b.dev.flush() }
func (b *throughput) close() error     { return b.dev.close() }

func (b *throughput) report(r *Report) {
	r.Measures = b.dev.measures()
	if n := len(b.posters); n > 0 {
		r.Measures += fmt.Sprintf("; beside it %d goroutine(s) post software events to the same EVD", n)
	}
	r.Results.Operations, r.Results.Elapsed = b.win.n, b.win.elapsed()
	b.dev.report(r)
	b.cq.report(r)
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
