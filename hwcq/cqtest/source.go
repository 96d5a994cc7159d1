package cqtest

import (
	"errors"
	"runtime"
	"time"

	"github.com/evdengine/evd/hwcq"
)

var sourceProperties = []property{
	{name: "source/wake", where: "hwcq.EventSource.Wake: sticky and coalescing; Wait: a Wake returns false", check: checkWake},
	{name: "source/wake blocked", where: "hwcq.EventSource.Wake: the current Wait returns", check: checkWakeBlocked},
	{name: "source/wake race", where: "hwcq.EventSource.Wake: the current or the next Wait", check: checkWakeRace},
	{name: "source/trywait", where: "hwcq.EventSource.TryWait", check: checkTryWait},
	{name: "source/wake and event", where: "hwcq.EventSource.Wait: event tells the two apart", check: checkWakeAndEvent},
	{name: "source/late event", where: "hwcq.EventSource.Wait: spurious events are normal", check: checkLateEvent},
	{name: "source/second waiter", where: "Driver.GuardsWait", check: checkSecondWaiter},
}

func checkWake(x *x) {
	x.open(8)
	for range 5 {
		x.src.Wake()
		x.src.Wake()
		x.src.Wake()
		for range 3 {
			if x.try() && !x.d.SpuriousEvents {
				x.fatalf("TryWait takes a Wake for an event")
			}
		}
		x.woken() // TryWait left it
		x.arm()
		ids := x.complete(1)
		x.event() // and not a second Wake: they coalesce
		x.expect(ids, 4)
		x.noEvent("a Wake is no event")
	}
}

func checkWakeBlocked(x *x) {
	x.open(8)
	for _, armed := range []bool{false, true} {
		if armed {
			x.arm() // and nothing completes
		}
		for range 3 {
			t := time.AfterFunc(5*time.Millisecond, x.src.Wake)
			x.woken()
			t.Stop()
		}
	}
	ids := x.complete(1)
	x.event() // the Wakes did not use up the arm
	x.expect(ids, 4)
}

// Every Wake is answered, whatever Wait is doing when it comes.
func checkWakeRace(x *x) {
	x.open(8)
	const rounds = 300
	answered, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		x.do("Wait", func() {
			for range rounds {
				if event, err := x.src.Wait(); event || err != nil {
					x.errorf("Wait: event %v, error %v, for a Wake", event, err)
				}
				answered <- struct{}{}
			}
		})
	}()
	for i := range rounds {
		for range i % 40 {
			runtime.Gosched()
		}
		x.src.Wake()
		t := time.NewTimer(x.d.Patience)
		select {
		case <-answered:
		case <-t.C:
			x.fatalf("Wake %d was lost", i)
		}
		t.Stop()
	}
	x.await("the waiter", over)
}

func checkTryWait(x *x) {
	x.open(8)
	for range 5 {
		if x.try() && !x.d.SpuriousEvents {
			x.fatalf("TryWait finds an event, nothing was armed")
		}
		x.arm()
		if x.try() && !x.d.SpuriousEvents {
			x.fatalf("TryWait finds an event, nothing completed")
		}
		ids := x.complete(1)
		x.until("TryWait finds the event", x.try)
		x.noEvent("TryWait did not consume it")
		x.expect(ids, 4)
	}
}

// Neither eats the other, in whichever order Wait returns them.
func checkWakeAndEvent(x *x) {
	x.open(8)
	for i := range 10 {
		x.arm()
		if i%2 == 0 {
			x.src.Wake()
		}
		ids := x.complete(1)
		if i%2 == 1 {
			x.src.Wake()
		}
		events, wakes := 0, 0
		for events == 0 || wakes == 0 {
			event, err := x.wait()
			x.noErr("Wait", err)
			if event {
				events++
			} else {
				wakes++
			}
			if wakes > 1 || events > 1 && !x.d.SpuriousEvents {
				x.fatalf("%d events and %d Wakes of one each", events, wakes)
			}
		}
		x.expect(ids, 4)
		if x.d.SpuriousEvents {
			x.events()
		}
	}
	x.noEvent("each arm had its event")
}

// An event whose completion was polled already does no harm.
func checkLateEvent(x *x) {
	x.open(8)
	for range 10 {
		x.arm()
		x.expect(x.complete(1), 4)
		x.event()
		x.empty()
	}
	x.arm()
	ids := x.complete(1)
	x.event()
	x.expect(ids, 4)
	if x.b.Spurious == nil {
		return
	}
	for range 10 {
		x.noErr("Bed.Spurious", x.b.Spurious())
		x.events()
		x.empty()
		x.arm()
		x.noErr("Bed.Spurious", x.b.Spurious())
		ids := x.complete(1)
		x.event()
		x.expect(ids, 4)
		x.events()
	}
}

func checkSecondWaiter(x *x) {
	x.open(8)
	if !x.d.GuardsWait {
		// By turns, with a hand-over between two goroutines.
		for range x.rounds(50) {
			x.src.Wake()
			x.woken()
		}
		return
	}
	enough, over := make(chan struct{}), make(chan struct{})
	ended := func() bool {
		select {
		case <-enough:
			return true
		default:
			return false
		}
	}
	go func() {
		defer close(over)
		x.do("Wait", func() {
			for !ended() {
				switch _, err := x.src.Wait(); {
				case errors.Is(err, hwcq.ErrBusy):
					time.Sleep(time.Millisecond) // the other one was there, and is woken
				case err != nil:
					x.errorf("Wait: %v", err)
					return
				}
			}
		})
	}()
	// Until the first is in Wait, a second one may be the first: it is woken, and gives
	// way. A Wake may as well reach the first, which goes on; so there is one after the
	// other until the second is out. Ever more seldom: where it takes long to get into Wait
	// they could keep both from ever meeting there.
	pause := x.d.Quiet
	x.until("a second Wait returns ErrBusy", func() bool {
		out := make(chan error, 1)
		go func() { _, err := x.src.Wait(); out <- err }()
		end := time.After(x.d.Patience)
		for {
			select {
			case err := <-out:
				if errors.Is(err, hwcq.ErrBusy) || errors.Is(err, hwcq.ErrWrongThread) {
					return true
				}
				time.Sleep(5 * time.Millisecond)
				return false
			case <-time.After(pause):
				pause = min(2*pause, max(x.d.Quiet, time.Second))
				x.src.Wake()
			case <-end:
				x.fatalf("a second Wait does not return")
			}
		}
	})
	close(enough)
	x.until("the first returns when woken", func() bool {
		x.src.Wake()
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
}
