package cqtest

import (
	"errors"
	"runtime"
	"time"

	"github.com/evdengine/evd/hwcq"
)

func isBound(b *Bed) bool { return bound(b.CQ) != nil }

var boundProperties = []property{
	{name: "bound/elsewhere", where: "hwcq.ThreadBound: Wait and TryWait belong to the owner, Poll and Arm do not", check: checkElsewhere, needs: isBound},
	{name: "bound/bind", where: "hwcq.ThreadBound.Bind", check: checkBind, needs: isBound},
	{name: "bound/unbind", where: "hwcq.ThreadBound.Unbind: what has completed stays for Poll", check: checkUnbind, needs: isBound},
}

// onThread runs f on a thread of its own.
func (x *x) onThread(what string, f func()) {
	x.within(what, func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	})
}

func checkElsewhere(x *x) {
	x.open(8)
	for name, f := range map[string]func() (bool, error){"Wait": x.src.Wait, "TryWait": x.src.TryWait} {
		var err error
		x.onThread(name+" on another thread", func() { _, err = f() })
		if !errors.Is(err, hwcq.ErrWrongThread) {
			x.errorf("%s on another thread: %v, not ErrWrongThread", name, err)
		}
	}
	// Poll and Arm elsewhere, while the owner is in Wait: it makes visible what
	// completes, and returns for the event.
	dst := make([]hwcq.WC, 4)
	for range x.rounds(50) {
		woke := make(chan struct{})
		go func() {
			defer close(woke)
			x.do("Wait", func() {
				if event, err := x.src.Wait(); !event || err != nil {
					x.errorf("the owner's Wait: event %v, error %v", event, err)
				}
			})
		}()
		x.onThread("Arm on another thread", func() {
			if _, err := x.cq.Arm(false); err != nil {
				x.errorf("Arm on another thread: %v", err)
			}
		})
		ids := x.ids(2)
		x.noErr("Bed.Complete", x.b.Complete(ids...))
		x.await("the owner's Wait, with an event for it,", woke)
		var got []hwcq.WC
		end := time.Now().Add(x.d.Patience)
		for len(got) < len(ids) && time.Now().Before(end) {
			x.onThread("Poll on another thread", func() { got = append(got, dst[:x.cq.Poll(dst)]...) })
			if len(got) < len(ids) {
				x.try() // the owner makes visible what came after its event
			}
		}
		x.same(got, ids)
	}
}

func checkBind(x *x) {
	x.open(8)
	t := bound(x.cq)
	var err error
	x.do("a second Bind", func() { err = t.Bind() })
	if !errors.Is(err, hwcq.ErrBusy) {
		x.errorf("a second Bind on the owner: %v, not ErrBusy", err)
	}
	x.onThread("Bind on another thread", func() { err = t.Bind() })
	if !errors.Is(err, hwcq.ErrBusy) && !errors.Is(err, hwcq.ErrWrongThread) {
		x.errorf("Bind on another thread while bound: %v, neither ErrBusy nor ErrWrongThread", err)
	}
	x.onThread("Unbind on another thread", func() { err = t.Unbind() })
	if !errors.Is(err, hwcq.ErrWrongThread) {
		x.errorf("Unbind on another thread: %v, not ErrWrongThread", err)
	}
	x.expect(x.complete(2), 4) // nothing of that did harm
}

func checkUnbind(x *x) {
	for range 10 {
		x.open(8)
		ids := x.complete(3)
		x.same(x.take(1, 1), ids[:1])
		x.unbind()
		// What was not done yet may have been cancelled.
		got := x.take(2, 4)
		for i, wc := range got {
			if wc.WRID != ids[i+1] || wc.Status != hwcq.StatusSuccess && wc.Status != hwcq.StatusWRFlushErr {
				x.errorf("after Unbind: WRID %d status %v, WRID %d was next", wc.WRID, wc.Status, ids[i+1])
			}
		}
		x.empty()
		x.shutdown()
	}
}
