package cqtest

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/evdengine/evd/hwcq"
)

var closeProperties = []property{
	{name: "close", where: "hwcq.CQ.Close: idempotent; hwcq.ErrClosed", check: checkClosed},
	{name: "close/unpolled", where: "hwcq.CQ.Close", check: checkCloseUnpolled},
	{name: "close/beside wait", where: "hwcq.CQ.Close: Events().Wait returns ErrClosed", check: checkCloseBesideWait},
	{name: "close/several at once", where: "hwcq.CQ.Close: any goroutine at any time, idempotent", check: checkClosesAtOnce},
	{name: "close/under load", where: "hwcq.CQ: Pending, Arm, Capabilities and Close from any goroutine", check: checkCloseUnderLoad},
	{name: "close/leaks", where: "hwcq.CQ.Close: releases the CQ", check: checkLeaks},
}

// closed checks every method of a closed CQ.
func (x *x) closed() {
	if n := x.poll(make([]hwcq.WC, 8)); n != 0 {
		x.errorf("Poll of a closed CQ returned %d", n)
	}
	if x.cq.Pending() {
		x.errorf("Pending of a closed CQ is true")
	}
	for _, s := range []bool{false, true} {
		if missed, err := x.cq.Arm(s); missed || !errors.Is(err, hwcq.ErrClosed) {
			x.errorf("Arm(%v) of a closed CQ: missed %v, error %v, not ErrClosed", s, missed, err)
		}
	}
	for _, wake := range []bool{false, true} {
		if wake {
			x.within("Wake of a closed CQ", x.src.Wake)
		}
		for range 2 {
			for name, f := range map[string]func() (bool, error){"Wait": x.src.Wait, "TryWait": x.src.TryWait} {
				var event bool
				var err error
				x.do(name+" of a closed CQ", func() { event, err = f() })
				if event || !errors.Is(err, hwcq.ErrClosed) {
					x.errorf("%s of a closed CQ: event %v, error %v, not ErrClosed", name, event, err)
				}
			}
		}
	}
	if x.cq.Events() != x.src {
		x.errorf("Events of a closed CQ returns another source")
	}
	_ = x.cq.Capabilities()
	if t := bound(x.cq); t != nil {
		var err error
		x.do("Bind of a closed CQ", func() { err = t.Bind() })
		if err == nil {
			x.errorf("Bind of a closed CQ succeeds")
		}
	}
}

func checkClosed(x *x) {
	x.open(8)
	x.arm()
	x.expect(x.complete(2), 4) // with an event unread
	x.src.Wake()
	caps := x.cq.Capabilities()
	x.unbind()
	x.shutdown()
	x.closed()
	for range 3 {
		x.within("a second Close", func() {
			if err := x.cq.Close(); err != nil {
				x.errorf("a second Close: %v", err)
			}
		})
	}
	x.closed()
	if again := x.cq.Capabilities(); again != caps {
		x.errorf("Close changed Capabilities from %+v to %+v", caps, again)
	}
	if x.b.Quiesce == nil {
		x.within("Bed.Complete after Close", func() { _ = x.b.Complete(1) })
		x.closed()
	}
}

func checkCloseUnpolled(x *x) {
	x.open(8)
	x.complete(5)
	x.unbind()
	x.shutdown()
	x.closed()
}

// waiter runs Wait until it fails, and hands over the error.
func (x *x) waiter() (err chan error) {
	err = make(chan error, 1)
	loop := func() {
		for {
			if _, e := x.src.Wait(); e != nil {
				err <- e
				return
			}
		}
	}
	if x.own != nil {
		go x.own.do(loop)
	} else {
		go loop()
	}
	return err
}

// ended checks how the waiter ended.
func (x *x) ended(err chan error) {
	t := time.NewTimer(x.d.Patience)
	defer t.Stop()
	select {
	case e := <-err:
		if !errors.Is(e, hwcq.ErrClosed) {
			x.errorf("Wait beside Close: %v, not ErrClosed", e)
		}
	case <-t.C:
		x.fatalf("Wait does not return after Close")
	}
}

func checkCloseBesideWait(x *x) {
	for i := range x.rounds(30) {
		x.open(8)
		if i%3 == 1 {
			x.arm()
		}
		if i%3 == 2 {
			x.arm()
			x.complete(1)
		}
		err := x.waiter()
		switch i / 3 % 3 { // each of these with each of those above
		case 0:
			time.Sleep(time.Millisecond) // it sleeps
		case 1:
			runtime.Gosched()
		}
		x.shutdown()
		x.ended(err)
		x.closed()
	}
}

func checkClosesAtOnce(x *x) {
	for range x.rounds(20) {
		x.open(8)
		x.complete(2)
		x.unbind()
		if x.b.Quiesce != nil {
			x.noErr("Bed.Quiesce", x.b.Quiesce())
		}
		x.shut = true
		x.within("one of several Closes", func() {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := x.cq.Close(); err != nil {
						x.errorf("Close beside Close: %v", err)
					}
				})
			}
			wg.Wait()
		})
		x.closed()
	}
}

// A producer, a poller, a waiter, arms, looks and wakes, and then Close.
func checkCloseUnderLoad(x *x) {
	for range x.rounds(20) {
		x.open(16)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		loop := func(body func()) {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						body()
						runtime.Gosched()
					}
				}
			})
		}
		cq, b, id := x.cq, x.b, uint64(0)
		polled, made := &tally{}, &tally{}
		loop(func() {
			if made.load()-polled.load() < 8 {
				id++
				if b.Complete(id) == nil {
					made.add(1)
				}
			}
		})
		dst := make([]hwcq.WC, 8)
		loop(func() {
			n := cq.Poll(dst)
			for _, wc := range dst[:n] {
				if wc.WRID == 0 {
					x.errorf("Poll beside Close returned a completion that nobody made: %+v", wc)
				}
			}
			polled.add(n)
		})
		loop(func() { cq.Pending(); cq.Capabilities() })
		loop(func() {
			if _, err := cq.Arm(false); err != nil && !errors.Is(err, hwcq.ErrClosed) {
				x.errorf("Arm beside Close: %v", err)
			}
		})
		loop(x.src.Wake)
		err := x.waiter()
		time.Sleep(time.Millisecond)
		x.shutdown()
		x.ended(err)
		close(stop)
		over := make(chan struct{})
		go func() { defer close(over); wg.Wait() }()
		x.await("a method of the CQ, beside Close,", over)
		x.closed()
	}
}
