//go:build explore

package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// complete stores completions 1..n on CQ c, for a thread that does more than
// that.
func (s *scen) complete(c, n int) {
	for range n {
		s.accepted++ // unique, and rising
		if ok, _ := s.cq[c].Complete(hwcq.WC{WRID: uint64(100+c)<<8 | uint64(s.accepted)}, false); !ok {
			s.x.Failf("CQ %d is full", c)
		}
	}
}

// A poller that watches must not turn for ever beside a Dequeue that is not
// finished: to the explorer, a loop without a yield is a livelock.
func TestExploreDequeueBesideWatcher(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeAdaptive}, mock.Config{})
		s.unorder = true // two consumers at once
		s.hardware(0, 1)
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		s.checkRest()
	})
}

// Nor over a CQ whose completions do not fit into the ring.
func TestExploreStalledWatcher(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: Disable, Mode: ModeAdaptive, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
		x.Go("hw", func() { s.complete(0, 3) })
		s.checkRest()
	})
}

// Disable, drain and enable inside the upcall of a full ring: the only worker
// is busy with it, so nobody else can start the pump.
func TestExploreISERPump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
		s.onUpcall = func(u *Upcall) {
			s.must(u.ModifyUpcall(Disable, Same))
			s.drainAndEnable(u.Dequeue, u.ModifyUpcall)
		}
		x.Go("hw", func() { s.complete(0, 3) })
		s.checkRest()
	})
}

// Two pumps that a full ring keeps waiting: whoever frees space starts both.
func TestExploreTwoPumps(t *testing.T) {
	// Four threads: with two preemptions it is two million executions.
	explore.Test(t, explore.Options{Preemptions: 1, Merge: true}, func(x *explore.X) {
		s := newScen(x, 2, EVDConfig{Policy: Disable, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
		for c, l := range s.d.links() {
			s.complete(c, 2-c)
			l.poll.start(srcWatch) // before there is a second thread
		}
		x.Go("hw", func() { s.complete(1, 1) })
		x.Go("dequeuer", func() {
			for range 2 {
				s.dequeue(s.d.Dequeue)
			}
		})
		x.Check(func() {
			for s.dequeue(s.d.Dequeue) > 0 {
			}
			if s.dequeued != s.accepted || s.d.pending() {
				x.Failf("accepted %d, dequeued %d", s.accepted, s.dequeued)
			}
		})
	})
}

// CloseContext that gave up: closed is closed.
func TestExploreCloseContextPump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1}, mock.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.hardware(0, 1)
		x.Go("closer", func() {
			_ = s.d.CloseContext(ctx)
			if err := s.d.Post(Event{WRID: 1}); !errors.Is(err, ErrClosed) {
				x.Failf("Post on a closed EVD: %v", err)
			}
		})
	})
}

// Close beside a Dequeue: one of the two gets each event.
func TestExploreCloseBesideDequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: Disable}, mock.Config{})
		s.poster(1, 2)
		x.Go("dequeuer", func() {
			s.dequeue(s.d.Dequeue)
			s.dequeue(s.d.Dequeue)
		})
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Check(func() {
			if s.got+s.dequeued+s.left != s.accepted {
				x.Failf("accepted %d, dequeued %d, left over %d", s.accepted, s.dequeued, s.left)
			}
		})
	})
}

// Close beside ModifyUpcall: closed is closed.
func TestExploreCloseBesideEnable(t *testing.T) {
	for _, p := range []Policy{Disable, SingleInstance} {
		t.Run(p.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance - p, Dispatch: DispatchInline}, mock.Config{})
				s.poster(1, 1)
				x.Go("closer", func() {
					s.must(s.d.Close())
					explore.Note()
					s.after = true
				})
				x.Go("admin", func() {
					explore.Note()
					after := s.after
					err := s.d.ModifyUpcall(p, Same)
					if after && !errors.Is(err, ErrClosed) {
						x.Failf("%v after Close: %v", p, err)
					}
				})
				x.Check(func() {
					if w := s.d.load(); w.lim() != 0 || w.run() != 0 {
						x.Failf("closed with word %x", w)
					}
					if s.got+s.left != s.accepted {
						x.Failf("accepted %d, got %d, left over %d", s.accepted, s.got, s.left)
					}
				})
			})
		})
	}
}

// A direct hand-off does not overtake what a run has left in the ring because
// a Dequeue was taking.
func TestExploreDirectBesideDequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
		s.unorder = true // two consumers at once, but among upcalls there is an order
		last := uint64(0)
		s.onUpcall = func(u *Upcall) {
			for _, ev := range u.Events() {
				if ev.WRID < last {
					x.Failf("%x in an upcall after %x", ev.WRID, last)
				}
				last = ev.WRID
			}
		}
		s.poster(1, 2)
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		s.checkRest()
	})
}

// What was accepted is never called "empty", whoever is slow.
func TestExploreDequeueInFlight(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: Disable}, mock.Config{})
		s.poster(1, 1)
		x.Go("consumer", func() {
			s.must(s.d.Post(Event{WRID: 2<<8 | 1}))
			s.accepted++
			var buf [2]Event
			n, err := s.d.Dequeue(buf[:])
			if n == 0 && !errors.Is(err, ErrBusy) {
				x.Failf("nothing and %v after a Post that returned", err)
			}
			s.dequeued += n
			for s.dequeue(s.d.Dequeue) > 0 {
			}
		})
	})
}

// Enabling fails to arm, is told so, and tries again.
func TestExploreEnableArmError(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: Disable, Mode: mode},
					mock.Config{Faults: mock.Faults{ArmError: mock.Once(1)}})
				x.Go("consumer", func() {
					if err := s.d.ModifyUpcall(SingleInstance, Same); mode == ModeEvent && !errors.Is(err, mock.ErrInjected) {
						x.Failf("enable: %v", err)
					}
					s.complete(0, 1)
					s.drainAndEnable(s.d.Dequeue, s.d.ModifyUpcall)
					s.complete(0, 1)
				})
				s.checkRest()
			})
		})
	}
}

// An upcall that panics is contained: nobody loses an event or a slot, and
// when upcalls are enabled again everything comes.
func TestExplorePanic(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
		thrown := false
		s.onUpcall = func(*Upcall) {
			if !thrown {
				thrown = true
				s.inside--
				panic("upcall")
			}
		}
		for p := range uint64(2) {
			x.Go("poster", func() {
				s.accepted++
				s.must(s.d.Post(Event{WRID: p<<8 | 1}))
			})
		}
		x.Go("admin", func() {
			explore.Block(func() bool { return thrown && s.d.load().lim() == 0 })
			s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
		})
		s.checkRest()
		x.Check(func() {
			if s.d.Stats().Panics != 1 || s.d.LastPanic() == nil {
				x.Failf("the panic was not noted")
			}
		})
	})
}

// And when Close waits for it.
func TestExploreClosePanic(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
		s.onUpcall = func(*Upcall) {
			s.inside--
			panic("upcall")
		}
		x.Go("poster", func() {
			if s.d.Post(Event{WRID: 1}) != nil {
				s.left++ // refused
			}
		})
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Check(func() {
			if s.got+s.left != 1 {
				x.Failf("got %d, left over or refused %d", s.got, s.left)
			}
		})
	})
}

// second is another EVD of the same engine, with an upcall that counts.
func (s *scen) second(cfg EVDConfig) (d *EVD, got *int) {
	got = new(int)
	cfg.Policy, cfg.Capacity, cfg.Batch = SingleInstance, 4, 2
	cfg.Upcall = func(u *Upcall) {
		*got += len(u.Events())
		s.beat.Load()
	}
	cfg.Leftovers = func(evs []Event) { *got += len(evs) }
	d, err := s.e.NewEVD(cfg)
	s.must(err)
	return d, got
}

// A run hands over while one is queued already: an EVD is in the run queue
// once at most.
func TestExploreHandOverTwice(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1, Budget: 1}, mock.Config{})
		d2, got2 := s.second(EVDConfig{Dispatch: DispatchQueued})
		s.poster(1, 2)
		x.Go("poster2", func() {
			for n := range uint64(2) {
				s.must(s.d.Post(Event{WRID: 2<<8 | (n + 1)}))
				s.accepted++
				if n == 0 {
					s.must(d2.Post(Event{})) // queues behind the first
				}
			}
		})
		s.checkRest()
		x.Check(func() {
			if *got2 != 1 {
				x.Failf("the other got %d", *got2)
			}
		})
	})
}

// Three EVDs queue for one worker.
func TestExploreRunQueue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, mock.Config{})
		d2, got2 := s.second(EVDConfig{Dispatch: DispatchQueued})
		d3, got3 := s.second(EVDConfig{Dispatch: DispatchQueued})
		s.poster(1, 1)
		x.Go("poster2", func() {
			s.must(d2.Post(Event{}))
			s.must(d3.Post(Event{}))
			s.must(d2.Post(Event{}))
		})
		s.checkRest()
		x.Check(func() {
			if *got2 != 2 || *got3 != 1 {
				x.Failf("the others got %d and %d", *got2, *got3)
			}
		})
	})
}

// Two Closes sleep until the upcalls of two EVDs have returned.
func TestExploreTwoClosers(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, mock.Config{})
		d2, _ := s.second(EVDConfig{Dispatch: DispatchInline})
		d2.word.Store(uint64(d2.load() + runOne)) // an upcall of it runs
		x.Go("upcall2", func() {
			for w := d2.load(); !d2.cas(w, w-runOne); w = d2.load() {
			}
		})
		s.poster(1, 1)
		for _, d := range []*EVD{s.d, d2} {
			x.Go("closer", func() { // what of it sleeps: all of it would be too large
				d.markClosed()
				d.ring.Close()
				s.must(s.e.waitQuiet(context.Background(), &d.machine, noUse))
			})
		}
		x.Check(func() {
			s.must(s.d.Close())
			if s.got+s.left != s.accepted {
				x.Failf("accepted %d, seen %d", s.accepted, s.got+s.left)
			}
		})
	})
}

// Engine.Close, beside a poster and twice: it ends the workers, and returns.
func TestExploreEngineClose(t *testing.T) {
	for closers, name := range map[int]string{1: "poster", 2: "twice"} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, mock.Config{})
				if closers == 1 {
					s.poster(1, 1)
				} else { // a run is queued
					s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
					s.accepted++
				}
				for range closers {
					x.Go("closer", func() {
						s.must(s.e.Close())
						s.after = true
					})
				}
				x.Check(func() {
					if s.got+s.left != s.accepted {
						x.Failf("accepted %d, got %d, left over %d", s.accepted, s.got, s.left)
					}
				})
			})
		})
	}
}

// A CQ that is closed under its EVD: the poller ends by itself, and Close does
// not wait for what will never come.
func TestExploreCQClosed(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: mode}, mock.Config{})
				x.Go("closer", func() { s.must(s.cq[0].Close()) })
				x.Check(func() {
					done := s.d.links()[0].poll.done
					if !done.TryWait() {
						x.Failf("the poller of a closed CQ goes on")
					}
					done.Signal()
					s.must(s.d.Close())
				})
			})
		})
	}
}

// More in the ring than a batch, beside a CQ that has nothing: "empty" is said
// only after a look at both.
func TestExploreRingBesideIdleCQ(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Batch: 1}, mock.Config{})
		x.Go("poster", func() {
			s.settled()
			for i := range uint64(3) {
				s.must(s.d.Post(Event{WRID: i + 1}))
				s.accepted++
			}
		})
		s.checkRest()
	})
}

// A capacity that is not a power of two: the ring owes credit, and must not
// look as if it held an event.
func TestExploreOddCapacity(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		t.Run(disp.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: disp, Capacity: 3}, mock.Config{})
				s.poster(1, 2)
				x.Go("consumer", func() {
					s.must(s.d.ModifyUpcall(Disable, Same))
					s.drainAndEnable(s.d.Dequeue, s.d.ModifyUpcall)
				})
				s.checkRest()
			})
		})
	}
}

// Close while a run leaves because it could not arm.
func TestExploreCloseArmError(t *testing.T) {
	for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: disp},
					mock.Config{Faults: mock.Faults{ArmError: mock.Always()}})
				x.Go("closer", func() { s.must(s.d.Close()) })
			})
		})
	}
}

// pumped is an EVD without upcalls whose pump waits for room in a ring of
// capacity, with cqes completions; its poller is there, and nothing has begun.
func pumped(x *explore.X, capacity, batch, posts, cqes int) *scen {
	return pumpedIn(x, ModeEvent, capacity, batch, posts, cqes)
}

func pumpedIn(x *explore.X, mode Mode, capacity, batch, posts, cqes int) *scen {
	s := newScen(x, 0, EVDConfig{}, mock.Config{})
	cq, err := mock.New(mock.Config{Depth: 4})
	s.must(err)
	s.cq = append(s.cq, cq)
	s.d, err = s.e.NewEVD(EVDConfig{
		Streams: DTO | Software, CQs: []hwcq.CQ{cq}, Mode: mode, Dispatch: DispatchQueued,
		Capacity: capacity, Batch: batch, Upcall: s.upcall,
		Leftovers: func(evs []Event) { s.left += len(evs); s.order(evs) },
	})
	s.must(err)
	for n := range posts {
		s.must(s.d.Post(Event{WRID: 1<<8 | uint64(n+1)}))
		s.accepted++
	}
	s.complete(0, cqes)
	p := s.d.links()[0].poll
	p.started = true
	p.start(srcWatch)
	x.Daemon("poller", func() {
		p.serve()
		p.done.Signal()
	})
	return s
}

// A pump that places a part of what it holds.
func TestExplorePumpParts(t *testing.T) {
	run(t, func(x *explore.X) {
		s := pumped(x, 2, 2, 1, 3)
		x.Go("consumer", func() { s.drainAndEnable(s.d.Dequeue, s.d.ModifyUpcall) })
		s.checkRest()
	})
}

// A Dequeue that starts the pump is not kept by it while another one makes
// room: it leaves the rest to the poller, if that is not about to end.
func borrowedPump(t *testing.T, removed bool) {
	run(t, func(x *explore.X) {
		s := pumped(x, 1, 1, 0, 4)
		s.unorder = true // two consumers at once
		if removed {
			s.cq[0].Remove()
		}
		for range 2 {
			x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		}
		x.Check(func() {
			for s.dequeue(s.d.Dequeue) > 0 {
			}
			if s.dequeued != s.accepted {
				x.Failf("accepted %d, dequeued %d", s.accepted, s.dequeued)
			}
		})
	})
}

func TestExploreBorrowedPump(t *testing.T)       { borrowedPump(t, false) }
func TestExploreBorrowedRunRemoved(t *testing.T) { borrowedPump(t, true) }

// Close while a Dequeue starts the pump that waits for room.
func TestExploreCloseBesideStartedPump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := pumped(x, 1, 1, 0, 3)
		s.unorder = true // Dequeue and Leftovers
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Check(func() {
			var wcs [4]hwcq.WC
			if on := s.cq[0].Poll(wcs[:]); s.dequeued+s.left+on != s.accepted {
				x.Failf("accepted %d, dequeued %d, left over %d, on the CQ %d", s.accepted, s.dequeued, s.left, on)
			}
			if !s.d.links()[0].poll.done.TryWait() {
				x.Failf("the poller outlives Close")
			}
		})
	})
}

// A worker's run fails to arm while the poller sleeps.
func TestExploreArmErrorOfWorker(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: mode},
					mock.Config{Faults: mock.Faults{ArmError: mock.Once(2)}})
				x.Go("both", func() {
					s.settled()
					s.must(s.d.Post(Event{WRID: 1<<8 | 1}))
					s.accepted++
					s.complete(0, 1)
				})
				s.checkRest()
			})
		})
	}
}
