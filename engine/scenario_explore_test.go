//go:build explore

package engine

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// scen is one execution of a scenario: the real engine, EVD and mock CQ, whose
// goroutines are the explorer's threads, and what the edges saw. All its
// plain fields are safe: one thread runs at a time.
type scen struct {
	x  *explore.X
	e  *Engine
	d  *EVD
	cq []*mock.CQ

	accepted int // events that a producer was told are accepted, or that the hardware stored
	got      int // events seen by upcalls
	dequeued int
	left     int
	inside   int            // upcalls running now
	after    bool           // no upcall may begin any more
	last     map[uint64]int // producer -> last sequence number seen
	unorder  bool           // do not check order
	beat     atom.Uint32    // a scheduling point inside the upcall
	onUpcall func(u *Upcall)
	closing  bool // Close has begun
}

// newScen builds the engine with one worker and an EVD over ncq mock CQs.
func newScen(x *explore.X, ncq int, cfg EVDConfig, mcfg mock.Config) *scen {
	s := &scen{x: x, last: map[uint64]int{}}
	e, err := newEngine(Config{Workers: 1}, func(role, name string, fn func()) {
		if role != "poller" || ncq == 1 {
			x.Daemon(role, fn)
		}
	})
	s.must(err)
	s.e = e
	if cfg.Capacity == 0 {
		cfg.Capacity = 4
	}
	for range ncq {
		mcfg.Depth = 4
		cq, err := mock.New(mcfg)
		s.must(err)
		s.cq = append(s.cq, cq)
		cfg.CQs = append(cfg.CQs, cq)
	}
	cfg.Streams = DTO | Software
	if cfg.Batch == 0 {
		cfg.Batch = 2
	}
	cfg.Upcall = s.upcall
	cfg.Leftovers = func(evs []Event) {
		s.left += len(evs)
		s.order(evs)
	}
	d, err := e.NewEVD(cfg)
	s.must(err)
	s.d = d
	x.Label(unsafe.Pointer(&d.word), "word")
	if ncq > 1 {
		// Too large with the start in it, which the others explore: the CQs
		// are armed here, before there is a second thread.
		for _, l := range d.links() {
			l.poll.start(srcWatch)
			l.poll.started = true
			x.Daemon("poller", l.poll.serve)
		}
	}
	for i, l := range d.links() {
		x.Label(unsafe.Pointer(&l.state), fmt.Sprintf("link%d", i))
	}
	return s
}

func (s *scen) must(err error) {
	if err != nil {
		s.x.Failf("%v", err)
	}
}

func (s *scen) order(evs []Event) {
	for i := range evs {
		p, n := evs[i].WRID>>8, int(evs[i].WRID&0xff)
		if !s.unorder && n <= s.last[p] {
			s.x.Failf("producer %d: event %d after %d", p, n, s.last[p])
		}
		s.last[p] = n
	}
}

func (s *scen) upcall(u *Upcall) {
	if s.inside++; s.inside > 1 {
		s.x.Failf("%d upcalls at once", s.inside)
	}
	if s.after {
		s.x.Failf("an upcall began that must not")
	}
	if len(u.Events()) == 0 {
		s.x.Failf("an upcall without events")
	}
	s.order(u.Events())
	s.got += len(u.Events())
	s.beat.Load()
	if s.onUpcall != nil {
		s.onUpcall(u)
	}
	s.inside--
}

// poster posts events 1..n of producer p, giving up on ErrFull and ErrClosed.
func (s *scen) poster(p uint64, n int) {
	s.x.Go(fmt.Sprintf("poster%d", p), func() {
		for i := 1; i <= n; i++ {
			if s.d.Post(Event{WRID: p<<8 | uint64(i)}) == nil {
				s.accepted++
			}
		}
	})
}

// settled keeps a thread back until the pollers have armed their CQs and gone
// to rest: for scenarios that are too large with the start in them. (The start
// is explored by the smaller ones.)
func (s *scen) settled() {
	explore.Block(func() bool {
		for i, l := range s.d.links() {
			if s.cq[i].Stats().Arms == 0 || l.owner.load().run() != 0 {
				return false
			}
		}
		return true
	})
}

// primed has the pollers do their first act, the look and the arm, before there
// is a second thread: as settled, and smaller still.
func primed(d *EVD) {
	for _, l := range d.links() {
		if !l.poll.started {
			l.poll.started = true
			l.poll.start(srcWatch)
		}
	}
}

// hardware stores completions 1..n of producer 100+c on CQ c.
func (s *scen) hardware(c, n int) {
	s.x.Go(fmt.Sprintf("hw%d", c), func() {
		for i := 1; i <= n; i++ {
			if ok, _ := s.cq[c].Complete(hwcq.WC{WRID: uint64(100+c)<<8 | uint64(i)}, false); ok {
				s.accepted++
			}
		}
	})
}

// dequeue hands out what it can, once, and counts it.
func (s *scen) dequeue(fn func([]Event) (int, error)) int {
	var buf [2]Event
	n, err := fn(buf[:])
	if err == nil || n > 0 {
		s.order(buf[:n])
		s.dequeued += n
	}
	return n
}

// checkRest is the promise: at rest nothing is left behind an enabled upcall,
// every accepted event came out exactly once, and every CQ will speak up.
func (s *scen) checkRest() {
	s.x.Check(func() {
		w := s.d.load()
		if s.got+s.dequeued+s.left != s.accepted && w.lim() > 0 {
			s.x.Failf("accepted %d, upcalls got %d, dequeued %d, left over %d: lost; word %x", s.accepted, s.got, s.dequeued, s.left, w)
		}
		if w.run() != 0 || w&(bTAKE|bQUED|bQUIET) != 0 {
			s.x.Failf("not at rest: word %x", w)
		}
		if w.lim() == 0 {
			return
		}
		if w&bMISS != 0 || w&bARM == 0 {
			s.x.Failf("at rest with MISS or without ARM: word %x", w)
		}
		if s.d.pending() {
			s.x.Failf("events pending at rest: word %x", w)
		}
		for i, l := range s.d.links() {
			st := l.state.Load()
			if st&lARMED == 0 || st&(lHW|lWATCH) == 0 {
				s.x.Failf("link %d sleeps unarmed: %b", i, st)
			}
			if n := s.cq[i].Stats().ArmAgain; n != 0 {
				s.x.Failf("CQ %d was armed %d times while armed", i, n)
			}
		}
	})
}

// run explores a scenario, each state once: see explore.Options.Merge for what its
// plain variables must be, and for explore.Note, which those that are not need.
func run(t *testing.T, body func(x *explore.X)) {
	t.Helper()
	explore.Test(t, explore.Options{Merge: true}, body)
}

func TestExplorePostQueued(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, mock.Config{})
		s.poster(1, 2)
		s.poster(2, 1)
		s.checkRest()
	})
}

func TestExplorePostDirect(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
		s.poster(1, 2)
		s.poster(2, 2)
		s.checkRest()
	})
}

func TestExploreEvent(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{})
		s.hardware(0, 3)
		s.checkRest()
	})
}

func TestExploreEventAndPost(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{})
		s.hardware(0, 1)
		s.poster(1, 1)
		s.checkRest()
	})
}

func TestExploreEventAndDirect(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: DispatchInline}, mock.Config{})
		s.hardware(0, 2)
		s.poster(1, 1)
		s.checkRest()
	})
}

func TestExploreAdaptive(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeAdaptive}, mock.Config{})
		s.hardware(0, 2)
		s.checkRest()
	})
}

func TestExploreAdaptiveAndPost(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeAdaptive}, mock.Config{})
		s.hardware(0, 1)
		s.poster(1, 1)
		s.checkRest()
	})
}

func TestExploreSpin(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, mock.Config{})
		s.hardware(0, 1)
		s.poster(1, 1)
		s.checkRest()
	})
}
