package cqtest

import (
	"slices"
	"time"

	"github.com/evdengine/evd/hwcq"
)

// ids returns n WRIDs that were not used before in this check.
func (x *x) ids(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		x.last++
		out[i] = x.last
	}
	return out
}

// complete completes n requests and waits until one can be polled.
func (x *x) complete(n int) []uint64 {
	ids := x.ids(n)
	x.noErr("Bed.Complete", x.b.Complete(ids...))
	x.pending()
	return ids
}

// act does one of the actions with one WRID.
func (x *x) act(what string, f func(uint64) error) uint64 {
	id := x.ids(1)[0]
	x.noErr(what, f(id))
	x.pending()
	return id
}

func (x *x) pending() { x.until("Pending after a completion", x.cq.Pending) }

// poll polls once, where the owner is.
func (x *x) poll(dst []hwcq.WC) (n int) {
	x.do("Poll", func() { n = x.cq.Poll(dst) })
	if n < 0 || n > len(dst) {
		x.fatalf("Poll into %d returned %d", len(dst), n)
	}
	x.got.add(n)
	return n
}

// take polls until n completions came, at most batch at a time.
func (x *x) take(n, batch int) []hwcq.WC {
	var got []hwcq.WC
	dst := make([]hwcq.WC, batch)
	end := time.Now().Add(x.d.Patience)
	for len(got) < n {
		k := x.poll(dst[:min(batch, n-len(got))])
		got = append(got, dst[:k]...)
		if k == 0 && time.Now().After(end) {
			x.fatalf("%d of %d completions came: a completion was lost", len(got), n)
		}
	}
	return got
}

// expect polls the given completions, and finds nothing else.
func (x *x) expect(ids []uint64, batch int) {
	x.same(x.take(len(ids), batch), ids)
	x.empty()
}

// same compares completions, which must be good, with their WRIDs.
func (x *x) same(got []hwcq.WC, want []uint64) {
	ids := make([]uint64, len(got))
	for i, wc := range got {
		ids[i] = wc.WRID
		if wc.Status != hwcq.StatusSuccess {
			x.errorf("WRID %d: status %v (vendor error %d) of a good completion", wc.WRID, wc.Status, wc.VendorErr)
		}
	}
	if x.d.Unordered {
		slices.Sort(ids)
		want = slices.Sorted(slices.Values(want))
	}
	if !slices.Equal(ids, want) {
		x.fatalf("polled WRIDs %v, completed were %v: lost, duplicated or out of order", ids, want)
	}
}

// empty checks that nothing is left. Pending may be true once more: a Poll may have work
// to do that brings nothing.
func (x *x) empty() {
	dst := make([]hwcq.WC, 4)
	x.until("Pending false on an empty CQ", func() bool {
		if n := x.poll(dst); n != 0 {
			x.fatalf("%d completions more than were made", n)
		}
		return !x.cq.Pending()
	})
}

// arm arms for the next completion.
func (x *x) arm() (missed bool) { return x.armFor(false) }

func (x *x) armFor(solicitedOnly bool) (missed bool) {
	var err error
	x.within("Arm", func() { missed, err = x.cq.Arm(solicitedOnly) })
	x.noErr("Arm", err)
	return missed
}

// wait is one Wait. After the patience it is woken.
func (x *x) wait() (event bool, err error) {
	t := time.AfterFunc(x.d.Patience/2, x.src.Wake)
	x.do("Wait", func() { event, err = x.src.Wait() })
	if !t.Stop() && !event && err == nil {
		x.fatalf("no event: a consumer sleeps on a completion")
	}
	return event, err
}

// event waits for an event.
func (x *x) event() {
	event, err := x.wait()
	x.noErr("Wait", err)
	if !event {
		x.fatalf("Wait returned a Wake, which nobody called")
	}
}

// woken waits for a Wake. Events before it are taken if the driver has
// spurious ones.
func (x *x) woken() {
	for range 1000 {
		event, err := x.wait()
		x.noErr("Wait", err)
		if !event {
			return
		}
		if !x.d.SpuriousEvents {
			break
		}
	}
	x.fatalf("Wait returned an event, only a Wake was there")
}

// try is one TryWait.
func (x *x) try() bool {
	var event bool
	var err error
	x.do("TryWait", func() { event, err = x.src.TryWait() })
	x.noErr("TryWait", err)
	return event
}

// events counts the events that come within the quiet.
func (x *x) events() (n int) {
	time.Sleep(x.d.Quiet)
	for x.try() {
		if n++; n > 10_000 {
			x.fatalf("an event storm: TryWait always finds one")
		}
	}
	return n
}

// noEvent checks that no event comes.
func (x *x) noEvent(why string) {
	if n := x.events(); n > 0 && !x.d.SpuriousEvents {
		x.fatalf("%d events: %s", n, why)
	}
}
