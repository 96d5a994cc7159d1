//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// mixed is an EVD that has joined, and whose ring is used as well: events of both
// kinds are counted apart, each in order.
func mixed(x *explore.X, cfg EVDConfig) *shareScen {
	cfg.Streams = DTO | Software
	s := newBareScen(x, cfg).join(0)
	s.d[0].fn = func(u *Upcall) { s.count(u.Events()) }
	return s
}

func (s *shareScen) count(evs []Event) {
	for i := range evs {
		n := &s.got[0]
		if evs[i].Stream == Software {
			n = &s.soft
		}
		if *n++; evs[i].WRID != uint64(*n) {
			s.x.Failf("stream %v: event %d, not %d", evs[i].Stream, evs[i].WRID, *n)
		}
	}
}

// A completion comes into the port while the ring, which has an event, becomes
// smaller: who would take goes away over Resize. The credit is given back, once.
func TestExploreShareShrink(t *testing.T) {
	run(t, func(x *explore.X) {
		s := mixed(x, queued)
		s.must(s.d[0].Post(Event{WRID: 1}))
		s.resizer(1, func() {})
	})
}

// And while it becomes larger, and the event goes into the new ring.
func TestExploreShareGrow(t *testing.T) {
	run(t, func(x *explore.X) {
		s := mixed(x, queued)
		s.resizer(4, func() { s.must(s.d[0].Post(Event{WRID: 1})) })
	})
}

// resizer makes EVD 0 as large as n, beside a completion, and then does what follows.
func (s *shareScen) resizer(n int, then func()) {
	s.must(s.c[0].Acquire(1))
	s.hardware(0)
	s.x.Go("resizer", func() {
		s.must(s.d[0].Resize(n))
		then()
	})
	s.checkRest()
	s.x.Check(func() {
		if s.soft != 1 || s.c[0].Free() != 2 || s.d[0].Capacity() != n {
			s.x.Failf("%d of 1 events, %d of 2 credits are free, capacity %d", s.soft, s.c[0].Free(), s.d[0].Capacity())
		}
	})
}

// An EVD has joined two shared CQs, of which one cannot be armed when it has given
// its completion: the other's comes, and the one is armed in the end.
func TestExploreShareArmOneOfTwo(t *testing.T) {
	run(t, func(x *explore.X) {
		s := makeShareScen(x, true, mock.Config{Faults: mock.Faults{ArmError: mock.Rule{First: 2, Count: 1}}}, EVDConfig{}).join(0)
		other, err := mock.New(mock.Config{Depth: 4})
		s.must(err)
		sh, err := s.e.NewSharedCQ(SharedCQConfig{CQ: other, Mode: ModeEvent})
		s.must(err)
		sh.link.poll.start(srcWatch)
		_, err = s.d[0].Join(sh, 1, 2)
		s.must(err)
		s.bare = false
		s.complete(0)
		x.Go("poller", func() {
			p := s.s.link.poll
			s.s.link.fired(false)
			p.start(srcIntr)
			for p.ctl.Load()&cRetry != 0 {
				p.ctl.And(^cRetry)
				p.start(srcWatch)
			}
		})
		x.Go("hw", func() {
			_, err := other.Complete(hwcq.WC{QPNum: 1}, false)
			s.must(err)
			sh.link.fired(false)
			sh.link.poll.start(srcIntr) // as its poller does
		})
		x.Check(func() {
			var buf [2]Event
			if n := s.d[0].takeUpTo(buf[:]); n != 2 || buf[0].CQ == buf[1].CQ {
				x.Failf("%d came: %v", n, buf)
			}
			for i, m := range []*SharedCQ{s.s, sh} {
				if w := m.load(); w&bARM == 0 || w.run() != 0 || m.link.state.Load()&lHW == 0 {
					x.Failf("shared CQ %d: word %x, link %b", i, w, m.link.state.Load())
				}
			}
		})
	})
}

// An EVD has a CQ of its own, which ends, so that its arm fails for good, and has
// joined a shared one, whose port is armed all the same.
func TestExploreShareArmPartly(t *testing.T) {
	run(t, func(x *explore.X) {
		own, err := mock.New(mock.Config{Depth: 4})
		if err != nil {
			x.Failf("%v", err)
		}
		s := newBareScen(x, EVDConfig{Policy: SingleInstance, CQs: []hwcq.CQ{own}, Mode: ModeEvent}).join(0)
		x.Go("hw", func() {
			s.complete(0)
			own.Remove()
			s.complete(0)
		})
		x.Check(func() {
			if s.got[0] != 2 {
				x.Failf("%d of 2 came, word %x", s.got[0], s.d[0].load())
			}
		})
	})
}
