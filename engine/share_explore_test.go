//go:build explore

package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// shareScen is a shared CQ with EVDs that have joined it, EVD i with queue pair i.
type shareScen struct {
	x  *explore.X
	e  *Engine
	cq *mock.CQ
	s  *SharedCQ
	d  []*EVD
	c  []*Credits

	stored []int // completions by queue pair
	got    []int // by upcalls, by EVD
	taken  []int // by Dequeue and Wait
	left   []int // by Leftovers
	inside []int
	down   []int // Disconnected came
	soft   int   // software events, see mixed
	beat   atom.Uint32
	bare   bool
	hook   func(i int)
}

// newBareScen is newShareScen without a poller: the hardware plays it. What that
// does is in other scenarios; these are about the EVDs.
func newBareScen(x *explore.X, cfgs ...EVDConfig) *shareScen {
	s := makeShareScen(x, true, mock.Config{}, cfgs...)
	s.bare = true
	return s
}

// newShareScen has the poller as a thread.
func newShareScen(x *explore.X, mcfg mock.Config, cfgs ...EVDConfig) *shareScen {
	return makeShareScen(x, false, mcfg, cfgs...)
}

// makeShareScen makes it with an EVD for each configuration. The poller and the
// worker are threads; the poller's first act is done, there being no second thread
// yet.
func makeShareScen(x *explore.X, bare bool, mcfg mock.Config, cfgs ...EVDConfig) *shareScen {
	n := len(cfgs)
	s := &shareScen{x: x, stored: make([]int, n), got: make([]int, n), taken: make([]int, n), left: make([]int, n), inside: make([]int, n), down: make([]int, n)}
	var serve func()
	e, err := newEngine(Config{Workers: 1}, func(role, name string, fn func()) {
		if role == "poller" {
			serve = fn
			return
		}
		x.Daemon(role, fn)
	})
	s.must(err)
	s.e = e
	mcfg.Depth = 4
	s.cq, err = mock.New(mcfg)
	s.must(err)
	s.s, err = e.NewSharedCQ(SharedCQConfig{CQ: s.cq, Mode: ModeEvent, Batch: 2})
	s.must(err)
	x.Label(unsafe.Pointer(&s.s.word), "demux")
	s.s.link.poll.start(srcWatch)
	s.s.link.poll.started = true
	if !bare {
		x.Daemon("poller", serve)
	}
	for i, cfg := range cfgs {
		if cfg.Streams == 0 {
			cfg.Streams = DTO
		}
		cfg.Capacity = 2
		cfg.Batch = 2
		cfg.Upcall = func(u *Upcall) { s.upcall(i, u) }
		cfg.Leftovers = func(evs []Event) {
			s.mine(i, evs)
			s.left[i] += len(evs)
		}
		d, err := e.NewEVD(cfg)
		s.must(err)
		x.Label(unsafe.Pointer(&d.word), fmt.Sprintf("word%d", i))
		s.d = append(s.d, d)
		s.c = append(s.c, nil)
	}
	return s
}

func (s *shareScen) must(err error) {
	if err != nil {
		s.x.Failf("%v", err)
	}
}

func (s *shareScen) join(i int) *shareScen {
	var err error
	s.c[i], err = s.d[i].Join(s.s, uint32(i), 2)
	s.must(err)
	return s
}

// mine checks that events are of EVD i's queue pair, and in order.
func (s *shareScen) mine(i int, evs []Event) {
	for k := range evs {
		if evs[k].Stream != DTO {
			s.down[i]++
			break
		}
		if s.down[i] > 0 {
			s.x.Failf("EVD %d: a completion after Disconnected", i)
		}
		if int(evs[k].QPNum) != i {
			s.x.Failf("EVD %d got a completion of queue pair %d", i, evs[k].QPNum)
		}
		if want := uint64(s.got[i] + s.taken[i] + s.left[i] + k + 1); evs[k].WRID != want {
			s.x.Failf("EVD %d got completion %d, not %d", i, evs[k].WRID, want)
		}
	}
}

func (s *shareScen) upcall(i int, u *Upcall) {
	if s.inside[i]++; s.inside[i] > 1 {
		s.x.Failf("%d upcalls of EVD %d at once", s.inside[i], i)
	}
	before := s.down[i]
	s.mine(i, u.Events())
	s.got[i] += len(u.Events()) - (s.down[i] - before)
	s.beat.Load()
	if s.hook != nil {
		s.hook(i)
	}
	s.inside[i]--
}

// complete stores the next completion of each of these queue pairs in turn.
func (s *shareScen) complete(qps ...int) {
	for _, qp := range qps {
		s.stored[qp]++
		if ok, err := s.cq.Complete(hwcq.WC{WRID: uint64(s.stored[qp]), QPNum: uint32(qp)}, false); !ok || err != nil {
			s.x.Failf("not stored: %v", err)
		}
	}
	if s.bare {
		s.s.link.poll.start(srcWatch)
	}
}

func (s *shareScen) hardware(qps ...int) { s.x.Go("hw", func() { s.complete(qps...) }) }

func (s *shareScen) dequeue(i int) error {
	var buf [2]Event
	n, err := s.d[i].Dequeue(buf[:])
	s.mine(i, buf[:n])
	s.taken[i] += n
	return err
}

// checkRest: nothing is behind an enabled upcall, every completion is accounted
// for, and the next one would be noticed.
func (s *shareScen) checkRest() {
	s.x.Check(func() {
		lost := int(s.s.Stats().Unrouted)
		for i, d := range s.d {
			w, held := d.load(), 0
			for _, l := range d.direct() {
				held += l.port.held()
				st := l.state.Load()
				if l.port.held() > 0 && l.port.armed.Load() {
					s.x.Failf("EVD %d: a completion, and the port still armed", i)
				}
				if w&bARM != 0 && (st&lARMED == 0 || !l.port.armed.Load()) {
					s.x.Failf("EVD %d: ARM, and the port is not armed: word %x, link %b", i, w, st)
				}
			}
			if w.lim() > 0 && (held > 0 || w&bARM == 0 || w&bMISS != 0) {
				s.x.Failf("EVD %d: %d completions wait, word %x", i, held, w)
			}
			if w.run() != 0 || w&(bTAKE|bQUED|bQUIET) != 0 {
				s.x.Failf("EVD %d is not at rest: word %x", i, w)
			}
			missing := s.stored[i] - s.got[i] - s.taken[i] - s.left[i] - held
			if missing < 0 || missing > lost {
				s.x.Failf("EVD %d: %d stored, %d delivered, %d dequeued, %d left over, %d held, %d of nobody", i, s.stored[i], s.got[i], s.taken[i], s.left[i], held, lost)
			}
			lost -= missing
		}
		if w := s.s.load(); w.run() != 0 || w&bMISS != 0 || w.lim() > 0 && (w&bARM == 0 || s.s.onTheWay()) {
			s.x.Failf("the shared CQ is not at rest: word %x", w)
		}
		if lost != 0 {
			s.x.Failf("%d completions of nobody too many", lost)
		}
		if n := s.cq.Stats().ArmAgain; n != 0 {
			s.x.Failf("the CQ was armed %d times while armed", n)
		}
	})
}

var queued = EVDConfig{Policy: SingleInstance}

func TestExploreShare(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newShareScen(x, mock.Config{}, queued, queued).join(0).join(1)
		s.hardware(0, 1)
		s.checkRest()
	})
}

func TestExploreShareInline(t *testing.T) {
	run(t, func(x *explore.X) {
		inline := EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}
		s := newShareScen(x, mock.Config{}, inline).join(0)
		s.hardware(0, 0)
		s.checkRest()
	})
}

// One is disabled and nobody takes from it; the other gets everything.
func TestExploreShareDisabled(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newShareScen(x, mock.Config{}, EVDConfig{}, queued).join(0).join(1)
		s.hardware(0, 1)
		s.checkRest()
		x.Check(func() {
			if s.got[1] != 1 {
				x.Failf("the neighbour got %d", s.got[1])
			}
		})
	})
}

// Enabled beside completions: refused, or everything is delivered.
func TestExploreShareEnable(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, EVDConfig{}).join(0)
		s.hardware(0)
		x.Go("admin", func() {
			for s.d[0].ModifyUpcall(SingleInstance, Same) != nil {
				_ = s.dequeue(0)
			}
		})
		s.checkRest()
	})
}

// An EVD joins whose ARM is 1 already, beside a run of his.
func TestExploreShareJoin(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, queued)
		x.Go("join", func() { s.join(0) })
		x.Go("runner", func() {
			if s.d[0].trigger(srcIntr) { // as of another CQ of his: ARM falls, and the run arms
				s.d[0].runSlot(&runner{})
			}
			explore.Block(func() bool { return len(s.s.routes) > 0 })
			s.complete(0)
		})
		s.checkRest()
	})
}

func TestExploreShareLeave(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, queued).join(0)
		s.hardware(0)
		x.Go("leave", func() { s.must(s.c[0].Close()) })
		s.checkRest()
	})
}

func TestExploreShareClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, queued).join(0)
		s.hardware(0)
		x.Go("close", func() {
			s.must(s.d[0].Close())
		})
		s.checkRest()
		x.Check(func() {
			if n := s.d[0].direct()[0].port.held(); n != 0 {
				x.Failf("%d completions in the port of a closed EVD", n)
			}
		})
	})
}

// The device goes while somebody waits: he gets what there is, if it is his, then
// the end.
func TestExploreShareRemoved(t *testing.T) {
	for _, qp := range []int{0, 1} {
		t.Run(fmt.Sprint(qp), func(t *testing.T) { shareRemoved(t, qp) })
	}
}

func shareRemoved(t *testing.T, qp int) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, EVDConfig{}, EVDConfig{}).join(0).join(1)
		s.bare = false
		s.complete(qp)
		s.cq.Remove()
		x.Go("hw", func() { // what the poller does
			s.s.cqFailed(s.s.link, hwcq.ErrRemoved, alarmProvider)
			s.s.link.poll.start(srcWatch)
		})
		ended := false
		x.Go("waiter", func() {
			for {
				var buf [1]Event
				n, _, err := s.d[0].Wait(context.Background(), 1, buf[:])
				s.mine(0, buf[:n])
				s.taken[0] += n
				if err != nil {
					if !errors.Is(err, hwcq.ErrRemoved) {
						x.Failf("%v", err)
					}
					ended = true
					return
				}
			}
		})
		x.Check(func() {
			if !ended || s.taken[0] != 1-qp {
				x.Failf("%d of %d completions taken, ended %v", s.taken[0], 1-qp, ended)
			}
		})
	})
}

// The device goes while an EVD runs: what is still on its way is heard of.
func TestExploreShareEnds(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, queued).join(0)
		s.complete(0) // the port's arm is spent, a run is queued
		s.bare = false
		s.complete(0)
		s.cq.Remove()
		x.Go("poller", func() {
			s.s.cqFailed(s.s.link, hwcq.ErrRemoved, alarmProvider)
			s.s.link.poll.start(srcWatch)
		})
		x.Check(func() {
			if s.got[0] != 2 {
				x.Failf("%d of 2 delivered", s.got[0])
			}
		})
	})
}

// Disconnected comes behind what was on the shared CQ when it was called, and
// comes: also when that was another's.
func TestExploreShareMerged(t *testing.T) {
	for _, qp := range []int{0, 1} {
		t.Run(fmt.Sprint(qp), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newBareScen(x, EVDConfig{Policy: SingleInstance, Streams: DTO | Connection}, EVDConfig{})
				s.join(0).join(1)
				ep, err := s.e.NewEndpoint(EndpointConfig{QPNum: 0, Recv: s.d[0], Connect: s.d[0]})
				s.must(err)
				ep.told = true // only Disconnected is looked at
				s.bare = false
				s.complete(qp)
				x.Go("poller", func() { s.s.link.poll.start(srcWatch) })
				x.Go("connection", func() { ep.Disconnected() })
				s.checkRest()
				x.Check(func() {
					if s.down[0] != 1 || s.got[0] != 1-qp {
						x.Failf("%d disconnections, %d completions", s.down[0], s.got[0])
					}
				})
			})
		})
	}
}

// Arms fail: it is tried again, and the EVDs notice nothing.
func TestExploreShareArmError(t *testing.T) {
	run(t, func(x *explore.X) {
		f, err := mock.ParseFaults("armerror=2")
		if err != nil {
			x.Failf("%v", err)
		}
		s := newShareScen(x, mock.Config{Faults: f}, EVDConfig{}).join(0)
		s.hardware(0)
		s.checkRest()
	})
}

// A port alone: what is put in comes out, over a growth, and one event for an arm.
func TestExploreSharePort(t *testing.T) {
	run(t, func(x *explore.X) {
		s := &SharedCQ{depth: 4, machine: machine{e: &Engine{}}}
		p := newPort(&EVD{machine: machine{e: s.e}}, s, 1)
		p.room = 4 // it is not asked for more than it has, but has to grow all the same
		events, got := 0, uint64(0)
		x.Go("demux", func() {
			for i := range uint64(3) {
				p.write(&hwcq.WC{WRID: i + 1})
				if p.commit() {
					explore.Note()
					events++
				}
			}
		})
		arms, asleep := 0, false
		x.Go("evd", func() {
			for got < 3 {
				var buf [2]hwcq.WC
				n := p.Poll(buf[:])
				for i := range n {
					if got++; buf[i].WRID != got {
						x.Failf("got %d, not %d", buf[i].WRID, got)
					}
				}
				if n > 0 {
					continue
				}
				_, _ = p.Arm(false)
				arms++
				if p.Pending() {
					continue
				}
				asleep = true
				explore.Note()
				seen := events
				explore.Block(func() bool { return events > seen })
				asleep = false
			}
		})
		x.Check(func() {
			if got != 3 || asleep || events > arms {
				x.Failf("got %d, asleep %v, %d events of %d arms", got, asleep, events, arms)
			}
		})
	})
}

// Who has a credit has a place: the port never has more than there are credits.
func TestExploreShareCredits(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newBareScen(x, queued)
		c, err := s.d[0].Join(s.s, 0, 1)
		s.must(err)
		x.Go("submitter", func() {
			for n := 0; n < 2; {
				if c.Acquire(1) == nil {
					s.complete(0)
					n++
					continue
				}
				explore.Block(func() bool { return c.Free() > 0 })
			}
		})
		x.Check(func() {
			if s.got[0] != 2 || c.Free() != 1 || s.d[0].alarms.Load() != nil {
				x.Failf("%d delivered, %d credits free, alarms %v", s.got[0], c.Free(), s.d[0].alarms.Load() != nil)
			}
		})
		s.checkRest()
	})
}

// Two acquire beside a release: never more are out than there are.
func TestExploreShareAcquire(t *testing.T) {
	run(t, func(x *explore.X) {
		c := &Credits{d: &EVD{}, limit: 1}
		c.state.Store(1)
		out := 0
		for i := range 2 {
			x.Go(fmt.Sprintf("submitter%d", i), func() {
				if c.Acquire(1) != nil {
					return
				}
				if out++; out > 1 {
					x.Failf("%d credits are out", out)
				}
				out--
				if err := c.Release(1); err != nil {
					x.Failf("%v", err)
				}
			})
		}
		x.Check(func() {
			if c.Free() != 1 {
				x.Failf("%d free", c.Free())
			}
		})
	})
}
