package cqtest

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
)

var faultProperties = []property{
	{name: "failed completion", where: "hwcq.WC.Status", check: checkFail, needs: func(b *Bed) bool { return b.Fail != nil }},
	{name: "failed completion/solicited", where: "hwcq.CQ.Arm: the next solicited or failed one", check: checkFailSolicited, needs: func(b *Bed) bool { return b.Fail != nil && solicits(b) }},
	{name: "overrun", where: "hwcq.OverrunKind", check: checkOverrun, needs: func(b *Bed) bool { return b.Overrun != nil }},
	{name: "overrun/waiter", where: "hwcq.OverrunKind", check: checkOverrunWaiter, needs: func(b *Bed) bool { return b.Overrun != nil }},
	{name: "removal", where: "hwcq.ErrRemoved", check: checkRemove, needs: func(b *Bed) bool { return b.Remove != nil }},
	{name: "removal/waiter", where: "hwcq.ErrRemoved", check: checkRemoveWaiter, needs: func(b *Bed) bool { return b.Remove != nil }},
}

// failedOne polls one completion, which must be the failed one.
func (x *x) failedOne(id uint64) {
	wc := x.take(1, 1)[0]
	if wc.WRID != id || wc.Status == hwcq.StatusSuccess {
		x.fatalf("polled WRID %d with status %v, WRID %d was to fail", wc.WRID, wc.Status, id)
	}
}

func checkFail(x *x) {
	x.open(8)
	x.arm()
	id := x.act("Bed.Fail", x.b.Fail)
	x.event()
	x.failedOne(id)
	x.empty()
}

func checkFailSolicited(x *x) {
	x.open(8)
	x.armFor(true)
	id := x.act("Bed.Fail", x.b.Fail)
	x.event()
	x.failedOne(id)
	x.empty()
}

// overruns is what the CQ says that it dropped.
func (x *x) overruns() uint64 {
	if c, ok := x.cq.(hwcq.OverrunCounter); ok {
		return c.Overruns()
	}
	if k := x.cq.Capabilities().Overrun; k != hwcq.OverrunRecoverable {
		x.fatalf("a %v overrun loses completions, and without hwcq.OverrunCounter silently", k)
	}
	return 0
}

// overrun makes more completions than there is room for, and polls what came
// of them: what was polled and what was counted are all there were.
func (x *x) overrun() (lost int) {
	ids := x.ids(x.depth + 5)
	before := x.overruns()
	x.noErr("Bed.Overrun", x.b.Overrun(ids...))
	var got []hwcq.WC
	dst := make([]hwcq.WC, 16)
	if k := x.cq.Capabilities().Overrun; k != hwcq.OverrunRecoverable {
		// Polling before all have come makes room for the others.
		x.until("Overruns counts what a full CQ dropped", func() bool { return x.overruns() > before })
	}
	x.until("every completion is polled or counted as dropped", func() bool {
		got = append(got, dst[:x.poll(dst)]...)
		return len(got)+int(x.overruns()-before) >= len(ids)
	})
	for range 3 {
		got = append(got, dst[:x.poll(dst)]...)
	}
	lost = int(x.overruns() - before)
	if len(got)+lost != len(ids) {
		x.fatalf("%d completions: %d polled, %d counted as dropped", len(ids), len(got), lost)
	}
	i := 0
	seen := map[uint64]bool{}
	for _, wc := range got {
		for ; !x.d.Unordered && i < len(ids) && ids[i] != wc.WRID; i++ {
		}
		if i == len(ids) || seen[wc.WRID] || wc.WRID < ids[0] || wc.WRID > ids[len(ids)-1] {
			x.fatalf("WRID %d is out of order, twice, or of nobody", wc.WRID)
		}
		seen[wc.WRID] = true
	}
	return lost
}

func checkOverrun(x *x) {
	x.open(8)
	kind := x.cq.Capabilities().Overrun
	lost := x.overrun()
	switch kind {
	case hwcq.OverrunRecoverable:
		if lost != 0 {
			x.fatalf("%d completions dropped by a recoverable overrun", lost)
		}
	case hwcq.OverrunFatal:
		if _, err := x.cq.Arm(false); !errors.Is(err, hwcq.ErrOverrun) {
			x.fatalf("Arm after a fatal overrun: %v, not ErrOverrun", err)
		}
		x.empty()
		return
	}
	// It goes on.
	for range 3 {
		x.events()
		x.arm()
		ids := x.complete(2)
		x.event()
		x.expect(ids, 4)
	}
	x.overrun()
}

// Whoever sleeps when it happens hears of it.
func checkOverrunWaiter(x *x) {
	x.open(8)
	x.arm()
	woke := make(chan struct{})
	go func() {
		defer close(woke)
		x.do("Wait", func() {
			event, err := x.src.Wait()
			if err != nil && !errors.Is(err, hwcq.ErrOverrun) || err == nil && !event {
				x.errorf("Wait beside an overrun: event %v, error %v", event, err)
			}
		})
	}()
	ids := x.ids(x.depth + 5)
	x.noErr("Bed.Overrun", x.b.Overrun(ids...))
	x.await("Wait, beside an overrun,", woke)
	dst := make([]hwcq.WC, 16)
	got := 0
	x.until("every completion is polled or counted as dropped", func() bool {
		got += x.poll(dst)
		return got+int(x.overruns()) >= len(ids)
	})
}

func checkRemove(x *x) {
	x.open(8)
	ids := x.complete(2)
	x.same(x.take(1, 1), ids[:1])
	x.pending()
	x.noErr("Bed.Remove", x.b.Remove())
	x.until("Arm returns ErrRemoved", func() bool {
		_, err := x.cq.Arm(false)
		return errors.Is(err, hwcq.ErrRemoved)
	})
	x.removedWait()
	x.expect(ids[1:], 4)
	x.removedWait()
	x.noErr("a second Bed.Remove", x.b.Remove())
}

// removedWait waits until Wait has no more events and says why.
func (x *x) removedWait() {
	for range 1000 {
		event, err := x.wait()
		if errors.Is(err, hwcq.ErrRemoved) {
			return
		}
		x.noErr("Wait", err)
		if !event {
			x.fatalf("Wait returned a Wake, which nobody called")
		}
	}
	x.fatalf("Wait never returns ErrRemoved")
}

func checkRemoveWaiter(x *x) {
	x.open(8)
	x.arm()
	woke := make(chan struct{})
	go func() {
		defer close(woke)
		x.do("Wait", func() {
			for {
				event, err := x.src.Wait()
				if errors.Is(err, hwcq.ErrRemoved) {
					return
				}
				if err != nil || !event {
					x.errorf("Wait beside a removal: event %v, error %v", event, err)
					return
				}
			}
		})
	}()
	x.noErr("Bed.Remove", x.b.Remove())
	x.await("Wait, beside a removal,", woke)
}
