package mock

import (
	"runtime"
	"slices"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// Stream is a running open stream of completions, made by [CQ.Start].
//
// Concurrency: all methods from any goroutine.
//
// Ownership: closing the CQ stops its streams.
type Stream struct {
	*worker
	cq     *CQ
	load   Load
	gaps   *sampler
	bursts *sampler     // picks among load.Bursts; nil: in turn
	buf    []hwcq.WC    // owner: the goroutine
	sent   atom.Counter // Writer: the goroutine
	stalls atom.Counter // Writer: the goroutine
	seed   uint64       // of everything random in this stream
}

// Start makes a goroutine that produces completions as load says, until it is
// done, stopped, or the CQ is closed. A CQ may have several.
func (c *CQ) Start(load Load) (*Stream, error) {
	if err := load.Validate(); err != nil {
		return nil, err
	}
	load = load.withDefaults()
	s := &Stream{
		worker: newWorker(),
		cq:     c,
		load:   load,
		buf:    make([]hwcq.WC, min(slices.Max(load.Bursts), maxBatch)),
	}
	stream, err := c.adopt(s.worker)
	if err != nil {
		return nil, err
	}
	s.seed = mix(c.seed, load.Seed, stream)
	s.gaps = newSampler(load.Gap, s.seed, 2*stream)
	if load.RandomBursts {
		last := time.Duration(len(load.Bursts) - 1)
		s.bursts = newSampler(Uniform(0, last), s.seed, 2*stream+1)
	}
	atom.Go("stream", s.run)
	return s, nil
}

// Done is closed when the stream has produced its last completion.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Stop ends the stream and returns when its goroutine has ended. Idempotent.
// Not to be called from Fill.
func (s *Stream) Stop() {
	s.askStop()
	s.wait()
}

// Sent returns how many completions were produced so far, dropped ones
// included.
func (s *Stream) Sent() uint64 { return s.sent.Load() }

// Stalls returns how often the stream found the CQ full and waited for room.
func (s *Stream) Stalls() uint64 { return s.stalls.Load() }

func (s *Stream) run() {
	defer s.ended()
	defer s.cq.disown(s.worker) // a stream that is done needs no Stop
	l := &s.load
	var (
		paced   = l.Gap.Kind != DistNone
		planned time.Duration // of the burst, on the worker's clock
		late    time.Duration // of the burst
		seq     uint64
	)
	for i := 0; !s.stop.Load(); i++ {
		if l.Duration > 0 && planned >= l.Duration {
			return // without waiting for a start that is beyond the end
		}
		if paced {
			if late = s.until(planned) - planned; late < 0 {
				return // stopped before the time came
			}
		} else if i%busyTurns == busyTurns-1 {
			runtime.Gosched() // the poller may have no processor of its own
		}
		if l.Duration > 0 && s.now() >= l.Duration {
			return
		}
		n := uint64(s.burst(i))
		if l.Count > 0 {
			n = min(n, l.Count-seq)
		}
		if !s.send(seq, n, late) {
			return
		}
		if seq += n; l.Count > 0 && seq == l.Count {
			return
		}
		planned += s.gaps.next()
	}
}

func (s *Stream) burst(i int) int {
	if s.bursts != nil {
		i = int(s.bursts.next())
	}
	return s.load.Bursts[i%len(s.load.Bursts)]
}

// send produces completions seq .. seq+n-1, in batches of the buffer's size.
func (s *Stream) send(seq, n uint64, late time.Duration) bool {
	for n > 0 {
		k := min(n, uint64(len(s.buf)))
		solicited := false
		for i := range k {
			if s.fill(&s.buf[i], seq+i, late) {
				solicited = true
			}
		}
		if !s.putAll(s.cq, s.buf[:k], solicited, s.load.Overrun, &s.stalls) {
			return false
		}
		seq, n = seq+k, n-k
		s.sent.Store(seq)
	}
	return true
}

// fill writes completion seq and tells whether it is a solicited one.
func (s *Stream) fill(wc *hwcq.WC, seq uint64, late time.Duration) (solicited bool) {
	l := &s.load
	*wc = l.WC
	wc.WRID += seq
	if l.Fail.hit(s.seed, 6, seq+1) {
		*wc = hwcq.WC{WRID: wc.WRID, Status: l.FailStatus, QPNum: wc.QPNum}
	}
	if l.Fill != nil {
		l.Fill(seq, late, wc)
	}
	return l.SolicitedEvery != 0 && (seq+1)%l.SolicitedEvery == 0
}
