package bench

import "sync/atomic"

// phase is where a run stands. It only goes up.
type phase uint32

const (
	warming phase = iota
	measuring
	stopping // no new requests; what is in flight comes home
)

// phaseWord is written by timers, an interrupt, and whoever sees that enough
// was measured; everybody who makes or takes events reads it.
type phaseWord struct{ w atomic.Uint32 }

func (p *phaseWord) load() phase { return phase(p.w.Load()) }

// publish makes what the caller has written known to those who load the phase
// afterwards. A device in hardware passes on no such knowledge by itself, as
// far as the memory model of Go is concerned.
func (p *phaseWord) publish() { p.w.Add(0) }

// advance moves to phase to, unless the run is there or further already. It
// tells whether it did.
func (p *phaseWord) advance(to phase) bool {
	for {
		now := p.w.Load()
		if now >= uint32(to) {
			return false
		}
		if p.w.CompareAndSwap(now, uint32(to)) {
			return true
		}
	}
}

// pace decides round by round what is warm-up, what is measured, and when to
// stop. Owner: the goroutine that records, one round at a time.
type pace struct {
	clk  *Clock
	rec  *recorder  // of the measured rounds
	stop *phaseWord // of the run: an interrupt stops it

	warmRounds uint64 // rounds of warm-up
	warmTicks  Ticks  // or time of warm-up
	rounds     uint64 // measured rounds; 0: no limit
	ticks      Ticks  // measured time; 0: no limit

	warm      bool
	start     Ticks // of the warm-up, then of the measurement
	warmed, n uint64
	end       Ticks // of the last measured round
}

func newPace(cfg Config, clk *Clock, ph *phaseWord) *pace {
	p := &pace{clk: clk, stop: ph, rounds: cfg.Count, ticks: clk.Ticks(cfg.Duration)}
	if !cfg.Warmup.Off {
		p.warmRounds, p.warmTicks = cfg.Warmup.Count, clk.Ticks(cfg.Warmup.Time)
	}
	if cfg.withPeer() {
		p.rounds -= p.warmRounds // they are part of the count
	}
	p.warm = p.warmRounds > 0 || p.warmTicks > 0
	return p
}

// pace makes the pace and the recorder of a run that is recorded round by round.
func (s *session) pace() *pace {
	p := newPace(s.cfg, s.clk, &s.phase)
	p.rec = s.recorder()
	return p
}

// begin notes the start of the first round; once.
func (p *pace) begin(now Ticks) {
	p.start = now
	if !p.warm {
		p.measure(now)
	}
}

// measure ends the warm-up.
func (p *pace) measure(now Ticks) {
	p.warm, p.start, p.end = false, now, now
	p.stop.advance(measuring)
	if p.rec != nil {
		p.rec.begin(now)
	}
}

// round notes the end of a round at time now. record: it was a measured one.
// more: there is to be another.
func (p *pace) round(now Ticks) (record, more bool) {
	if p.warm {
		p.warmed++
		if (p.warmRounds == 0 || p.warmed >= p.warmRounds) && now-p.start >= p.warmTicks {
			p.measure(now)
		}
		return false, p.stop.load() < stopping
	}
	p.n++
	p.end = now
	if p.rounds != 0 && p.n >= p.rounds || p.ticks != 0 && now-p.start >= p.ticks {
		return true, false
	}
	return true, p.stop.load() < stopping
}

// elapsed is the measured time in nanoseconds.
func (p *pace) elapsed() int64 {
	if p.n == 0 {
		return 0
	}
	return p.clk.Nanos(p.end - p.start)
}
