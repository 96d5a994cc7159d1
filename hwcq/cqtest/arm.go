package cqtest

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
)

func solicits(b *Bed) bool { return b.CQ.Capabilities().Solicited }
func twice(b *Bed) bool    { return b.CQ.Capabilities().ArmIdempotent }

var armProperties = []property{
	{name: "arm/event", where: "hwcq.CQ.Arm: one event at the next completion", check: checkArmEvent},
	{name: "arm/none without", where: "hwcq.CQ.Arm: events are asked for", check: checkNotArmed},
	{name: "arm/one-shot", where: "hwcq.CQ.Arm: one-shot", check: checkOneShot},
	{name: "arm/completion before", where: "hwcq.CQ.Arm: missed, and Pending after it", check: checkBeforeArm},
	{name: "arm/look back", where: "hwcq.CQ.Arm: does not look back; if it does, the arm is used up", check: checkLookBack},
	{name: "arm/poll does not disarm", where: "hwcq.CQ.Arm: one event at the next completion", check: checkPollKeepsArm},
	{name: "arm/twice", where: "hwcq.Capabilities.ArmIdempotent", check: checkArmTwice, needs: twice},
	{name: "arm/missed", where: "hwcq.Capabilities.ReportsMissed", check: checkMissed},
	{name: "arm/solicited", where: "hwcq.Capabilities.Solicited", check: checkSolicited, needs: solicits},
	{name: "arm/next is not weakened", where: "hwcq.CQ.Arm: an armed next is not weakened by a later solicited only", check: checkNotWeakened, needs: twice},
	{name: "arm/solicited not honoured", where: "hwcq.Capabilities.Solicited", check: checkNotSolicited, needs: func(b *Bed) bool { return !solicits(b) }},
	{name: "arm/no lost wake", where: "hwcq.CQ.Arm: arm, look again, then wait", check: checkNoLostWake},
}

func checkArmEvent(x *x) {
	x.open(8)
	for range x.rounds(20) {
		x.arm()
		ids := x.complete(1)
		x.event()
		x.expect(ids, 4)
	}
	// The same with a consumer that sleeps already.
	for range x.rounds(20) {
		x.arm()
		woke := make(chan struct{})
		go func() {
			defer close(woke)
			x.do("Wait", func() {
				if event, err := x.src.Wait(); !event || err != nil {
					x.errorf("Wait: event %v, error %v", event, err)
				}
				if !x.cq.Pending() && !x.d.SpuriousEvents {
					x.errorf("an event before its completion: the CQ is empty")
				}
			})
		}()
		ids := x.ids(1)
		x.noErr("Bed.Complete", x.b.Complete(ids...))
		x.await("Wait, with an event for it,", woke)
		x.expect(ids, 4)
	}
}

func checkNotArmed(x *x) {
	x.open(8)
	x.expect(x.complete(3), 4)
	x.noEvent("the CQ was never armed")
}

func checkOneShot(x *x) {
	x.open(8)
	for range 3 {
		x.arm()
		ids := x.complete(1)
		x.event()
		ids = append(ids, x.complete(3)...)
		x.noEvent("the arm was used up by the first completion")
		x.expect(ids, 8)
		x.noEvent("polling raises nothing")
	}
	// Several completions after the arm are one event too.
	x.arm()
	ids := x.complete(5)
	x.event()
	x.noEvent("one arm, and a second event")
	x.expect(ids, 8)
}

// The window of the lost wake, held open: the completion comes after the last
// poll and before the arm.
func checkBeforeArm(x *x) {
	x.open(8)
	for range x.rounds(50) {
		x.empty()
		ids := x.complete(1)
		x.arm()
		if !x.cq.Pending() {
			x.fatalf("after Arm Pending does not see a completion from before it")
		}
		x.expect(ids, 4)
		// The arm may be unused: the next completion uses it up.
		ids = x.complete(1)
		x.event()
		x.expect(ids, 4)
	}
	x.noEvent("each arm was used up by an event that was taken")
}

func checkLookBack(x *x) {
	x.open(8)
	for range 3 {
		ids := x.complete(2)
		x.arm()
		n := x.events()
		ids = append(ids, x.complete(1)...)
		if n == 0 {
			x.event()
			n++
		}
		n += x.events()
		if n > 1 && !x.d.SpuriousEvents {
			x.fatalf("%d events for one arm", n)
		}
		x.expect(ids, 8)
	}
}

func checkPollKeepsArm(x *x) {
	x.open(8)
	x.arm()
	x.empty()
	ids := x.complete(1)
	x.event()
	x.expect(ids, 4)
	for range 3 { // disarmed by nothing but the event
		x.arm()
		ids := x.complete(1)
		x.event() // for the first
		x.arm()
		x.expect(ids, 4)
		if x.events() > 0 { // looked back
			x.arm()
		}
		ids = x.complete(1)
		x.event()
		x.expect(ids, 4)
	}
}

func checkArmTwice(x *x) {
	x.open(8)
	for range 5 {
		x.arm()
		x.arm()
		x.arm()
		ids := x.complete(1)
		x.event()
		ids = append(ids, x.complete(2)...)
		x.noEvent("arming an armed CQ is one arm")
		x.expect(ids, 8)
	}
}

// If declared missed is exact. Else it is a hint, which may be missing but not
// be wrong.
func checkMissed(x *x) {
	x.open(8)
	exact := x.cq.Capabilities().ReportsMissed
	for range x.rounds(20) {
		x.empty()
		if x.arm() {
			x.fatalf("Arm reports a missed completion, the CQ is empty (ReportsMissed %v)", exact)
		}
		ids := x.complete(1)
		x.event()
		// Two, of which one is polled: the other is visible for certain.
		ids = append(ids, x.complete(2)...)
		x.same(x.take(1, 1), ids[:1])
		x.same(x.take(1, 1), ids[1:2])
		x.pending()
		if missed := x.arm(); exact && !missed {
			x.fatalf("Arm with a visible completion reports none missed, and ReportsMissed is true")
		}
		x.expect(ids[2:], 4)
		x.expect(x.complete(1), 4)
		x.event() // the second arm's
	}
}

func checkSolicited(x *x) {
	x.open(16)
	for range 3 {
		x.armFor(true)
		ids := x.complete(3)
		x.noEvent("armed for solicited completions only, and none came")
		ids = append(ids, x.act("Bed.Solicited", x.b.Solicited))
		x.event()
		ids = append(ids, x.act("Bed.Solicited", x.b.Solicited))
		x.noEvent("one-shot")
		x.expect(ids, 8)
	}
	x.arm() // next: a solicited one counts too
	ids := []uint64{x.act("Bed.Solicited", x.b.Solicited)}
	x.event()
	x.expect(ids, 4)
	if twice(x.b) {
		x.armFor(true) // strengthened by a later next
		x.arm()
		ids = x.complete(1)
		x.event()
		x.expect(ids, 4)
	}
}

func checkNotWeakened(x *x) {
	x.open(8)
	for range 5 {
		x.arm()
		x.armFor(true)
		ids := x.complete(1)
		x.event()
		x.expect(ids, 4)
	}
}

// What is not honoured is refused or is "next": nobody may sleep for ever.
func checkNotSolicited(x *x) {
	x.open(8)
	_, err := x.cq.Arm(true)
	if err != nil {
		if !errors.Is(err, hwcq.ErrNotSupported) {
			x.errorf("Arm(true): %v, neither nil nor ErrNotSupported", err)
		}
		return
	}
	ids := x.complete(1)
	x.event()
	x.expect(ids, 4)
}

// A completion is polled or announced, wherever it strikes: before the arm, at
// any time beside arm and look, after the look.
func checkNoLostWake(x *x) {
	const before, beside, after, clean = 0, 1, 2, 3 // clean: after, not armed before and no event left
	x.open(8)
	strike, struck := make(chan int, 1), make(chan error, 1)
	id := uint64(1 << 32)
	go func() {
		for delay := range strike {
			for range delay {
				_ = x.cq.Pending()
			}
			id++
			struck <- x.b.Complete(id)
		}
	}()
	defer close(strike)
	dst := make([]hwcq.WC, 4)
	for i := range x.rounds(500) {
		x.empty()
		at := i % 4
		hit := false
		if at == clean {
			for range 1000 {
				if !x.try() {
					break
				}
			}
		}
		if at == before {
			strike <- 0
			x.pending()
			hit = true
		}
		if at == beside {
			strike <- i % 50 * 100
			hit = true
		}
		var n int
		for n == 0 {
			x.arm()
			if n = x.poll(dst); n > 0 {
				break
			}
			if at >= after && !hit {
				strike <- i % 3 * 5000 // the consumer sleeps already, or not yet
				hit = true
			}
			event, err := x.wait() // ends the check if nothing comes
			x.noErr("Wait", err)
			if event {
				n = x.poll(dst) // 0: an event of an earlier round
			}
		}
		x.noErr("Bed.Complete", <-struck)
		if n != 1 {
			x.fatalf("%d completions of one", n)
		}
	}
}
