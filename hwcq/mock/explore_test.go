//go:build explore

package mock

import (
	"math"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/explore"
)

func openX(x *explore.X, cfg Config) *CQ {
	c, err := New(cfg)
	if err != nil {
		x.Failf("%v", err)
	}
	return c
}

// consume takes want completions, in the right order (arm, look, sleep) or
// the wrong one (look, arm, sleep). Each producer's must be in order.
func consume(x *explore.X, c *CQ, want int, right bool) {
	var next [4]uint64
	out := make([]hwcq.WC, 2)
	drain := func() int {
		return drain(c, out, func(wc *hwcq.WC) {
			p := wc.WRID >> 32
			if wc.WRID&math.MaxUint32 != next[p] {
				x.Failf("producer %d: %d, want %d", p, wc.WRID&math.MaxUint32, next[p])
			}
			next[p]++
		})
	}
	arm := func() {
		if _, err := c.Arm(false); err != nil {
			x.Failf("%v", err)
		}
	}
	for got := 0; got < want; {
		n := 0
		if right {
			arm()
			n = drain()
		} else {
			n = drain()
			arm()
		}
		if got += n; n > 0 || got == want {
			continue
		}
		if event, err := c.Events().Wait(); !event || err != nil {
			x.Failf("event %v, error %v", event, err)
		}
	}
}

// hardware completes n, one by one.
func hardware(x *explore.X, c *CQ, p, n uint64) {
	for i := range n {
		if stored, err := c.Complete(hwcq.WC{WRID: p<<32 | i}, false); !stored || err != nil {
			x.Failf("stored %v, error %v", stored, err)
		}
	}
}

func TestExploreArmThenLook(t *testing.T) {
	for _, tc := range []struct {
		name      string
		producers uint64
		each      uint64
		first     uint32
	}{
		{"one producer", 1, 2, 0},
		{"one producer, index wrap", 1, 2, math.MaxUint32},
		{"two producers", 2, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
				c := openX(x, Config{Depth: 2, FirstIndex: tc.first})
				for p := range tc.producers {
					x.Go("hardware", func() { hardware(x, c, p, tc.each) })
				}
				x.Go("poller", func() { consume(x, c, int(tc.producers*tc.each), true) })
				x.Check(func() {
					s := c.Stats()
					if s.EventsRaised > s.Arms || s.EventsTaken > s.EventsRaised {
						x.Failf("events without an arm: %+v", s)
					}
				})
			})
		})
	}
}

// The order that loses wake-ups must be found to lose them.
func TestExploreLookThenArm(t *testing.T) {
	explore.MustFail(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2})
		x.Go("hardware", func() { hardware(x, c, 0, 1) })
		x.Go("poller", func() { consume(x, c, 1, false) })
	})
}

// Whoever arms while an overrun puts the CQ in error hears of it: by the arm
// that fails, or by an event and the next one.
func TestExploreArmBesideOverrun(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2, FatalOverrun: true, Faults: Faults{Overrun: Once(1)}})
		x.Go("hardware", func() { _, _ = c.Complete(hwcq.WC{}, false) })
		x.Go("poller", func() {
			for {
				if _, err := c.Arm(false); err == hwcq.ErrOverrun {
					return
				}
				if event, err := c.Events().Wait(); !event || err != nil {
					x.Failf("event %v, error %v", event, err)
				}
			}
		})
	})
}

// So must hardware that looks at the arm word before it publishes.
func TestExploreLookBeforePublish(t *testing.T) {
	explore.MustFail(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2})
		x.Go("hardware", func() {
			first, _, _ := c.reserve(1)
			c.slots[first&c.mask] = hwcq.WC{}
			c.lookAtArm(false)
			publish(&c.hdr.prod, first, 1)
		})
		x.Go("poller", func() { consume(x, c, 1, true) })
	})
}

// And an index that is published before its slot was written.
func TestExplorePublishBeforeWrite(t *testing.T) {
	explore.MustFail(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2})
		x.Go("hardware", func() {
			first, _, _ := c.reserve(1)
			publish(&c.hdr.prod, first, 1)
			c.touchWrite(int(first&c.mask), 1)
			c.slots[first&c.mask] = hwcq.WC{}
			c.notify(false)
		})
		x.Go("poller", func() { consume(x, c, 1, true) })
	})
}

// A solicited-only arm beside one for the next completion: whatever the
// order, the event comes.
func TestExploreArmIsNotWeakened(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 3}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2})
		armed := x.Go("arm next", func() { _, _ = c.Arm(false) })
		x.Go("arm solicited", func() { _, _ = c.Arm(true) })
		x.Go("hardware", func() {
			armed.Join()
			hardware(x, c, 0, 1)
		})
		x.Check(func() {
			if n := c.Stats().EventsRaised; n != 1 {
				x.Failf("%d events", n)
			}
		})
	})
}

// An event and a Wake against a waiter: each arrives, once, as what it is.
func TestExploreWaiter(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2})
		_, _ = c.Arm(false)
		x.Go("hardware", func() { hardware(x, c, 0, 1) })
		x.Go("waker", func() { c.Events().Wake() })
		x.Go("waiter", func() {
			var events, wakes int
			for events+wakes < 2 {
				event, err := c.Events().Wait()
				if err != nil {
					x.Failf("%v", err)
				}
				if event {
					events++
				} else {
					wakes++
				}
			}
			if events != 1 {
				x.Failf("%d events, %d wakes", events, wakes)
			}
		})
	})
}

// Close against a waiter, with an event that may come before it or be lost
// with the CQ.
func TestExploreCloseAndWaiter(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 2})
		_, _ = c.Arm(false)
		x.Go("hardware", func() { _, _ = c.Complete(hwcq.WC{}, false) })
		x.Go("closer", func() { _ = c.Close() })
		x.Go("waiter", func() {
			for n := 0; ; n++ {
				event, err := c.Events().Wait()
				if err != nil {
					return
				}
				if !event || n > 0 {
					x.Failf("event %v after %d", event, n)
				}
			}
		})
	})
}

// Close against the hardware: when it has returned nothing is stored any more
// and nobody is inside.
func TestExploreClose(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 4})
		done := false
		var stored uint64
		for range 2 {
			x.Go("hardware", func() {
				if ok, err := c.Complete(hwcq.WC{}, false); ok {
					stored++
				} else if err == nil {
					x.Failf("dropped")
				}
			})
		}
		x.Go("closer", func() {
			_ = c.Close()
			done = true
			tail, prod := uint32(c.hw.tail.Load()), c.hdr.prod.Load()
			if tail != prod {
				x.Failf("closed with %d reserved and %d published", tail, prod)
			}
			if c.Pending() || c.Poll(make([]hwcq.WC, 4)) != 0 {
				x.Failf("something to poll")
			}
		})
		x.Check(func() {
			if n := c.Stats().Completions; !done || n != stored {
				x.Failf("stored %d, counted %d", stored, n)
			}
		})
	})
}

// A full ring: producers that wait for room and a poller, in one slot. One
// producer stores several, so that what the other has seen of the consumer's
// index can be more than a ring old.
func TestExploreFull(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 1, FirstIndex: math.MaxUint32})
		each := [2]uint64{1, 3}
		for p, n := range each {
			x.Go("hardware", func() {
				for i := uint64(0); i < n; {
					wc := hwcq.WC{WRID: uint64(p)<<32 | i}
					stored, err := c.putOne(&wc, false, false)
					if err != nil {
						x.Failf("%v", err)
					}
					if stored {
						i++
					} else {
						explore.Spin()
					}
				}
			})
		}
		x.Go("poller", func() {
			var next [2]uint64
			out := make([]hwcq.WC, 1)
			for next != each {
				if c.Poll(out) == 0 {
					explore.Spin()
					continue
				}
				p := out[0].WRID >> 32
				if out[0].WRID&math.MaxUint32 != next[p] {
					x.Failf("producer %d: %d, want %d", p, out[0].WRID&math.MaxUint32, next[p])
				}
				next[p]++
			}
		})
	})
}

// Pending beside a poller never says no while something is in the ring.
func TestExplorePending(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 3}, func(x *explore.X) {
		c := openX(x, Config{Depth: 4})
		hardware(x, c, 0, 1)
		x.Go("hardware and poller", func() {
			hardware(x, c, 0, 1)
			c.Poll(make([]hwcq.WC, 1))
		})
		x.Go("observer", func() {
			if !c.Pending() {
				x.Failf("not pending")
			}
		})
	})
}

// A loopback QP whose device parks whenever it can: no doorbell is lost.
func TestExploreDoorbell(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 4})
		q, err := c.NewQP(QPConfig{Depth: 2, Batch: 1})
		if err != nil {
			x.Failf("%v", err)
		}
		x.Go("submitter", func() {
			for i := range uint64(2) {
				if err := q.Submit(WR{WRID: i}); err != nil {
					x.Failf("%v", err)
				}
			}
		})
		x.Check(func() {
			out := make([]hwcq.WC, 4)
			if n := c.Poll(out); n != 2 || out[0].WRID != 0 || out[1].WRID != 1 {
				x.Failf("%d completions: %v", n, out[:n])
			}
		})
	})
}

// Closing a CQ stops its device, whatever that is doing.
func TestExploreCloseStopsDevice(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 1})
		q, err := c.NewQP(QPConfig{})
		if err != nil {
			x.Failf("%v", err)
		}
		x.Go("submitter", func() {
			for range 2 { // the second finds the CQ full
				_ = q.Submit(WR{})
			}
		})
		x.Go("closer", func() { _ = c.Close() })
	})
}

// Who has the completion has the room for the next request.
func TestExploreRoomAfterCompletion(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 4})
		q, err := c.NewQP(QPConfig{Depth: 1})
		if err != nil {
			x.Failf("%v", err)
		}
		x.Go("submitter", func() {
			out := make([]hwcq.WC, 1)
			for range 2 {
				if err := q.Submit(WR{}); err != nil {
					x.Failf("%v", err)
				}
				for c.Poll(out) == 0 {
					explore.Spin()
				}
			}
		})
	})
}

// A QP made while the CQ is being closed is refused or closed with it.
func TestExploreNewQPAndClose(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 4})
		var q *QP
		x.Go("opener", func() { q, _ = c.NewQP(QPConfig{}) })
		x.Go("closer", func() { _ = c.Close() })
		x.Check(func() {
			if q != nil && !q.over.Load() {
				x.Failf("a device outlives its CQ")
			}
		})
	})
}

// Requests from two submitters, one of whom closes the QP: completed or
// dropped, but never after the Close has returned.
func TestExploreSubmitAndClose(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 2}, func(x *explore.X) {
		c := openX(x, Config{Depth: 4})
		q, err := c.NewQP(QPConfig{Depth: 2})
		if err != nil {
			x.Failf("%v", err)
		}
		x.Go("submitter", func() { _ = q.Submit(WR{}) })
		x.Go("closer", func() {
			_ = q.Submit(WR{})
			_ = q.Close()
			n := c.Stats().Completions
			if q.Submit(WR{}) == nil {
				x.Failf("a closed QP took a request")
			}
			x.Check(func() {
				if m := c.Stats().Completions; m != n {
					x.Failf("%d completions when closed, %d later", n, m)
				}
			})
		})
	})
}
