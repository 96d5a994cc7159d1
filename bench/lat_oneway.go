package bench

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// mockOneWay: a goroutine posts software events to an EVD that has a CQ too,
// one after the other. The CQ stays idle, but its poller is there.
type mockOneWay struct {
	s    *session
	dev  mockDevice
	book *Producer // owner: the poster
	pace *pace     // owner: the upcall

	ev     engine.Event // owner: the poster
	posted Ticks        // when the event in flight was posted. Writer: poster. Reader: upcall
	more   bool         // Writer: upcall. Reader: poster, after come
	back   turnstile

	cq      *countedCQ
	split   *split // owner: the poster; nil: not asked for
	entered Ticks  // of the upcall. Writer: upcall. Reader: poster, after come
	record  bool   // it was a measured round. As entered
}

func (l *mockOneWay) open(s *session) (engine.EVDConfig, error) {
	l.s, l.pace = s, s.pace()
	if err := l.dev.open(s, s.units[0]); err != nil {
		return engine.EVDConfig{}, err
	}
	l.back = turnstile{wake: make(chan struct{}, 1), gone: s.gone, clk: s.clk, spin: s.clk.Ticks(posterSpin(s.cfg))}
	if s.cfg.Stages {
		how := s.cfg.Dispatch
		if how == "auto" {
			how = "queued" // that is what it means for posts
		}
		l.split = newSplit(s.clk, nil, how)
	}
	l.book = s.book("software poster", true)
	s.produce(1)
	ec := s.cfg.evd()
	ec.Streams = engine.Software | engine.DTO
	l.cq = &countedCQ{CQ: l.dev.c}
	ec.CQs = []hwcq.CQ{l.cq}
	ec.Upcall = l.upcall
	s.units[0].sink = l.came
	return ec, nil
}

// posterSpin is how long the poster polls for the upcall's answer before it
// sleeps: as the poller of the CQ does.
func posterSpin(c Config) time.Duration {
	switch {
	case c.Mode == "event":
		return 0
	case c.Mode == "spin":
		return time.Hour
	case c.Spin != 0:
		return c.Spin
	}
	return engine.WakeCost()
}

func (l *mockOneWay) start() error {
	l.pace.begin(l.s.clk.Now())
	l.s.goProduce("poster", l.post)
	return nil
}

func (l *mockOneWay) post(t *tag) {
	defer l.s.producerEnded()
	u := l.s.units[0]
	for n := uint64(1); ; n++ {
		t.see(l.s.phase.load())
		l.ev.WRID = l.book.Next()
		l.posted = l.s.clk.Now()
		if err := u.post(&l.ev); err != nil {
			l.book.Offered(1, 0)
			l.s.fault("Post: %v", err)
			return
		}
		l.book.Offered(1, 1)
		returned := l.posted
		if l.split != nil {
			returned = l.s.clk.Now()
		}
		if !l.back.await(n) {
			return
		}
		if l.split != nil && l.record {
			l.split.posting(l.posted, returned, l.entered)
		}
		if !l.more {
			return
		}
	}
}

func (l *mockOneWay) upcall(u *engine.Upcall) { l.came(byUpcall, u.Events()) }

// came is told of the event, however it came out.
func (l *mockOneWay) came(how origin, evs []engine.Event) {
	now := l.s.clk.Now()
	l.s.con.take(how, evs)
	record, more := l.pace.round(now)
	if record {
		l.pace.rec.record(now, l.s.clk.Nanos(now-l.posted))
	}
	l.more, l.entered, l.record = more, now, record
	l.s.con.done()
	l.back.pass(l.s.con.delivered + l.s.con.dequeued)
}

func (l *mockOneWay) expected() uint64 { return l.s.accepted() }
func (l *mockOneWay) flush() error     { return nil }
func (l *mockOneWay) close() error     { return l.dev.close() }

func (l *mockOneWay) report(r *Report) {
	r.Measures = "one way: from just before a goroutine posts a software event to the entry of the upcall with it; one in flight, beside an idle CQ"
	reportLatency(r, l.pace)
	l.split.report(r)
	r.Measures += l.s.scn.measures(l.s.cfg)
	l.dev.report(r)
	l.cq.report(r)
}

// turnstile lets one goroutine wait until another has counted to n.
type turnstile struct {
	at     atomic.Uint64 // Writer: pass. Reader: await
	parked atomic.Bool   // the waiter sleeps, or is about to
	wake   chan struct{}
	gone   <-chan struct{}
	clk    *Clock
	spin   Ticks // how long to poll before sleeping
}

// pass lets the waiter go on that waits for n.
func (t *turnstile) pass(n uint64) {
	t.at.Store(n) // first the count, then the look: await does it the other way round
	if t.parked.Load() && t.parked.Swap(false) {
		t.wake <- struct{}{} // has room: one token for each parking
	}
}

// await waits for pass(n). False: nobody will come any more.
func (t *turnstile) await(n uint64) bool {
	if t.at.Load() >= n {
		return true
	}
	for start := t.clk.Now(); t.spin > 0; {
		for range 32 {
			if t.at.Load() >= n {
				return true
			}
		}
		runtime.Gosched()
		if t.clk.Now()-start > t.spin {
			break
		}
		select {
		case <-t.gone:
			return false
		default:
		}
	}
	for {
		t.parked.Store(true)
		if t.at.Load() >= n && t.parked.Swap(false) {
			return true
		}
		select {
		case <-t.wake: // perhaps by the pass for n-1, that was between its store and its look
			if t.at.Load() >= n {
				return true
			}
		case <-t.gone:
			return false
		}
	}
}
