//go:build explore

package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// waiter waits rounds times for threshold events, and checks what it is
// promised. stop lists the errors that end it without a failure.
func (s *scen) waiter(rounds, threshold, size int, stop ...error) {
	s.x.Go("waiter", func() {
		for range rounds {
			buf := make([]Event, size)
			n, more, err := s.d.Wait(context.Background(), threshold, buf)
			s.order(buf[:n])
			s.dequeued += n
			if err == nil {
				if n < 1 || n+more < threshold {
					s.x.Failf("waited for %d, got %d and %d more", threshold, n, more)
				}
				continue
			}
			if n != 0 {
				s.x.Failf("%d events and the error %v", n, err)
			}
			for _, e := range stop {
				if errors.Is(err, e) {
					return
				}
			}
			s.x.Failf("Wait: %v", err)
		}
	})
}

// checkWaiter is what must be true when nothing moves any more.
func (s *scen) checkWaiter(pending int) {
	s.x.Check(func() {
		w := s.d.load()
		if w&(bWAIT|bOWN|bTAKE|bQUIET) != 0 || w.run() != 0 {
			s.x.Failf("not at rest: word %x", w)
		}
		if s.d.tok.TryWait() {
			s.x.Failf("a token is left")
		}
		if s.got+s.dequeued+s.left+pending != s.accepted {
			s.x.Failf("accepted %d, upcalls got %d, dequeued %d, left over %d, pending should be %d", s.accepted, s.got, s.dequeued, s.left, pending)
		}
	})
}

// A threshold that two posters cross together wakes once, and nobody counts
// past the other.
func TestR19ThresholdCrossed(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		s.poster(2, 1)
		s.waiter(1, 2, 2)
		s.checkWaiter(0)
	})
}

func TestExploreWaitEach(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 2)
		s.waiter(2, 1, 1)
		s.checkWaiter(0)
	})
}

// A waiter hears of completions, whatever its poller does.
func TestExploreWaitCQ(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Mode: mode}, mock.Config{})
				n := 2
				if mode == ModeAdaptive {
					n = 1
				}
				s.hardware(0, n)
				s.waiter(n, 1, 1)
				s.checkWaiter(0)
			})
		})
	}
}

// Completions are copied to be counted, and come before those that are not.
func TestExploreWaitThresholdCQ(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent}, mock.Config{})
		s.hardware(0, 3)
		x.Go("consumer", func() {
			var buf [1]Event
			n, more, err := s.d.Wait(context.Background(), 2, buf[:])
			s.must(err)
			if n+more < 2 {
				x.Failf("waited for 2, got %d and %d more", n, more)
			}
			s.dequeued += n
			s.order(buf[:n])
			explore.Block(func() bool { return s.accepted == 3 })
			for s.dequeued < 3 {
				s.dequeue(s.d.Dequeue)
			}
		})
		s.checkWaiter(0)
	})
}

// Completions that come through a pump are counted in the ring.
func TestExploreWaitPump(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 2}, mock.Config{})
		s.hardware(0, 2)
		s.waiter(1, 2, 2)
		s.checkWaiter(0)
	})
}

// A CQ that cannot be armed is asked again, for a waiter too.
func TestExploreWaitArmError(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent}, mock.Config{Faults: mock.Faults{ArmError: mock.Once(1)}})
		s.hardware(0, 1)
		s.waiter(1, 1, 1)
		s.checkWaiter(0)
	})
}

// Wake is not lost, neither before the sleep nor beside an event, nor is the
// event.
func TestExploreWake(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		x.Go("waker", func() { s.must(s.d.Wake()) })
		woken := 0
		x.Go("waiter", func() {
			for woken == 0 || s.dequeued == 0 {
				var buf [1]Event
				n, _, err := s.d.Wait(context.Background(), 1, buf[:])
				s.dequeued += n
				if errors.Is(err, ErrWoken) {
					woken++
				} else {
					s.must(err)
				}
			}
		})
		s.checkWaiter(0)
	})
}

// Unwaitable reaches a waiter at every point of its way to sleep.
func TestR25Unwaitable(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		x.Go("admin", func() { s.must(s.d.SetUnwaitable()) })
		s.waiter(2, 1, 1, ErrUnwaitable)
		x.Check(func() {
			if s.dequeued+s.d.backlog() != 1 {
				x.Failf("dequeued %d, pending %d", s.dequeued, s.d.backlog())
			}
		})
	})
}

// So does Close, which hands over what the waiter has not taken.
func TestExploreWaitClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		s.waiter(2, 2, 2, ErrClosed)
		x.Go("closer", func() { s.must(s.d.Close()) })
		x.Check(func() {
			if s.accepted != s.dequeued+s.left {
				x.Failf("accepted %d, dequeued %d, left over %d", s.accepted, s.dequeued, s.left)
			}
		})
	})
}

// A context that ends beside an event: the event is handed over, or stays.
func TestR21TimeoutBesideEvent(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		ctx := &endedCtx{Context: context.Background()}
		x.Go("clock", func() {
			explore.Note()
			ctx.over = true
			s.d.wakeWaiter() // what a real context's channel does in sleepWait
		})
		x.Go("waiter", func() {
			var buf [1]Event
			n, _, err := s.d.Wait(ctx, 1, buf[:])
			if (n == 1) != (err == nil) {
				x.Failf("%d events, error %v", n, err)
			}
			if s.dequeued += n; n == 0 {
				n, _, err = s.d.Wait(context.Background(), 1, buf[:])
				s.must(err)
				s.dequeued += n
			}
		})
		s.checkWaiter(0)
	})
}

type endedCtx struct {
	context.Context
	over bool
}

func (c *endedCtx) Err() error {
	explore.Note()
	if c.over {
		return context.DeadlineExceeded
	}
	return nil
}

// Only one waits, and beside him nobody takes or enables.
func TestExploreWaiterAlone(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 1)
		s.waiter(1, 1, 1, ErrEnabled, ErrWoken)
		x.Go("other", func() {
			switch err := s.d.ModifyUpcall(SingleInstance, Same); {
			case err == nil:
				s.must(s.d.ModifyUpcall(Disable, Same))
			case !errors.Is(err, ErrWaiter) && !errors.Is(err, ErrEventsPending):
				x.Failf("enable: %v", err)
			}
			s.must(s.d.Wake()) // the event may have gone to the upcall
		})
		x.Check(func() {
			if s.got+s.dequeued+s.d.backlog() != s.accepted {
				x.Failf("accepted %d, got %d, dequeued %d", s.accepted, s.got, s.dequeued)
			}
		})
	})
}

// A waiter who comes and goes between the look and the last step of enabling,
// and leaves an event that came after the look: the word must not be again what
// it was.
func TestExploreWaiterLeavesMark(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		s.poster(1, 2)
		x.Go("waiter", func() {
			var buf [1]Event
			n, _, err := s.d.Wait(context.Background(), 1, buf[:])
			s.dequeued += n
			s.order(buf[:n])
			if err != nil && !errors.Is(err, ErrEnabled) && !errors.Is(err, ErrWoken) {
				x.Failf("%v", err)
			}
		})
		x.Go("admin", func() {
			_ = s.d.ModifyUpcall(SingleInstance, Same)
			s.must(s.d.Wake()) // the events may have gone to the upcall
		})
		s.checkRest()
	})
}

// A waiter who begins while an upcall has yet to return, and a Teardown that
// waits for that upcall and not for the waiter.
func TestExploreWaitBesideTeardown(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance}, mock.Config{})
		x.Go("poster", func() {
			for i := uint64(1); i <= 2; i++ {
				if s.d.Post(Event{WRID: 1<<8 | i}) == nil {
					s.accepted++
				}
			}
		})
		down := false
		x.Go("admin", func() {
			s.must(s.d.Teardown(context.Background()))
			s.after = true
			down = true
			s.must(s.d.Wake())
		})
		x.Go("waiter", func() {
			explore.Block(func() bool { return s.d.load().lim() == 0 })
			for {
				var buf [2]Event
				n, _, err := s.d.Wait(context.Background(), 2, buf[:])
				s.dequeued += n
				if errors.Is(err, ErrWoken) {
					break
				}
				s.must(err)
			}
			for s.got+s.dequeued < s.accepted {
				s.dequeue(s.d.Dequeue)
			}
		})
		x.Check(func() {
			if !down {
				x.Failf("Teardown did not return")
			}
		})
	})
}

// What a waiter leaves on the EVD is delivered when upcalls are enabled.
func TestExploreWaitThenEnable(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeEvent}, mock.Config{})
		s.hardware(0, 2)
		x.Go("consumer", func() {
			var buf [1]Event
			n, _, err := s.d.Wait(context.Background(), 1, buf[:])
			s.must(err)
			s.dequeued += n
			s.order(buf[:n])
			for {
				err := s.d.ModifyUpcall(SingleInstance, Same)
				if err == nil {
					break
				}
				if !errors.Is(err, ErrEventsPending) {
					x.Failf("%v", err)
				}
				s.dequeue(s.d.Dequeue)
			}
		})
		s.checkRest()
	})
}

// An async error or connection event wakes a waiter as any other does.
func TestExploreWaitNotice(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{}, mock.Config{})
		a := s.e.Async()
		x.Go("a", func() { s.must(s.d.ReportAsync(ProviderError)) })
		x.Go("b", func() { s.must(s.d.ReportAsync(ProviderError)) })
		x.Go("waiter", func() {
			for n := 0; n < 2; {
				var buf [1]Event
				_, _, err := a.Wait(context.Background(), 1, buf[:])
				s.must(err)
				if buf[0].Number != ProviderError || buf[0].Source() != s.d.ID() {
					x.Failf("%+v", buf[0])
				}
				n += buf[0].Count()
			}
		})
		x.Check(func() {
			if a.backlog() != 0 || a.side.Load().n.Load() != 0 {
				x.Failf("something is left")
			}
		})
	})
}

// A CQ that dies wakes the waiter who has nothing else to wait for. What it had
// stored comes first, also when it is on its way through a pump.
func TestExploreWaitRemoved(t *testing.T) {
	for _, c := range []struct {
		dispatch          Dispatch
		rounds, threshold int
		left              int
	}{
		{DispatchInline, 2, 1, 0},
		{DispatchQueued, 1, 1, 0},
		{DispatchQueued, 1, 2, 1},
	} {
		t.Run(fmt.Sprintf("%v/%d", c.dispatch, c.threshold), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 1, EVDConfig{Mode: ModeEvent, Dispatch: c.dispatch}, mock.Config{})
				s.d.streams = DTO
				primed(s.d)
				x.Go("unplug", func() {
					if _, err := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | 1}, false); err == nil {
						s.accepted++
					}
					s.cq[0].Remove()
				})
				var stop []error
				if c.rounds*c.threshold > 1 { // more than comes
					stop = append(stop, hwcq.ErrRemoved)
				}
				s.waiter(c.rounds, c.threshold, 1, stop...)
				s.checkWaiter(c.left)
			})
		})
	}
}

// A CQ that an overrun has put in error: whoever hears of it because he cannot
// arm tells the waiter.
func TestExploreWaitOverrun(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Mode: ModeAdaptive}, mock.Config{FatalOverrun: true, Faults: mock.Faults{Overrun: mock.Once(1)}})
		s.d.streams = DTO
		s.hardware(0, 1)
		s.waiter(1, 1, 1, hwcq.ErrOverrun)
		s.checkWaiter(0)
	})
}
