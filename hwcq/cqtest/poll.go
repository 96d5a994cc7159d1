package cqtest

import (
	"github.com/evdengine/evd/hwcq"
)

var pollProperties = []property{
	{name: "capabilities", where: "hwcq.Capabilities", check: checkCapabilities},
	{name: "poll/empty", where: "hwcq.CQ.Poll", check: checkPollEmpty},
	{name: "poll/order", where: "hwcq.CQ.Poll: oldest first", check: checkPollOrder},
	{name: "poll/partial", where: "hwcq.CQ.Poll: up to len(dst)", check: checkPollPartial},
	{name: "poll/depth", where: "hwcq.Capabilities.Depth", check: checkDepth},
	{name: "poll/wrap", where: "hwcq.CQ.Poll: oldest first", check: checkWrap},
	{name: "pending", where: "hwcq.CQ.Pending", check: checkPending},
}

func checkCapabilities(x *x) {
	x.open(17)
	c := x.cq.Capabilities()
	if c.Driver == "" {
		x.errorf("Capabilities().Driver is empty")
	}
	if c.Overrun > hwcq.OverrunRecoverable {
		x.errorf("Capabilities().Overrun is %d, which is none of the kinds", c.Overrun)
	}
	x.expect(x.complete(3), 8)
	if again := x.cq.Capabilities(); again != c {
		x.errorf("Capabilities changed from %+v to %+v", c, again)
	}
	if x.cq.Events() == nil || x.cq.Events() != x.src {
		x.errorf("Events does not return the same source each time")
	}
}

func checkPollEmpty(x *x) {
	x.open(8)
	for range 3 {
		x.empty()
		for _, dst := range [][]hwcq.WC{nil, {}} {
			if n := x.poll(dst); n != 0 {
				x.errorf("Poll into nothing returned %d", n)
			}
		}
		ids := x.complete(2)
		for _, dst := range [][]hwcq.WC{nil, {}} {
			if n := x.poll(dst); n != 0 {
				x.errorf("Poll into nothing returned %d", n)
			}
		}
		x.expect(ids, 4)
	}
}

func checkPollOrder(x *x) {
	x.open(64)
	var all []uint64
	for _, n := range []int{1, 2, 5, 16, 40} {
		all = append(all, x.complete(n)...)
	}
	x.expect(all, 64)
}

// Only dst[:n] is written, and the rest stays for the next Poll.
func checkPollPartial(x *x) {
	x.open(32)
	for _, batch := range []int{1, 3, 7, 31} {
		ids := x.complete(31)
		mark := hwcq.WC{WRID: ^uint64(0), SrcQP: 0xABCD}
		dst := make([]hwcq.WC, batch+2)
		var got []hwcq.WC
		for len(got) < len(ids) {
			for i := range dst {
				dst[i] = mark
			}
			n := x.poll(dst[:batch])
			got = append(got, dst[:n]...)
			for i := n; i < len(dst); i++ {
				if dst[i] != mark {
					x.fatalf("Poll returned %d and wrote dst[%d]", n, i)
				}
			}
			if n == 0 {
				x.pending()
			}
		}
		x.same(got, ids)
		x.empty()
	}
}

func checkDepth(x *x) {
	for _, depth := range []int{1, 8} {
		x.open(depth)
		for range 3 {
			ids := x.ids(x.depth)
			for rest := ids; len(rest) > 0; {
				n := min(len(rest), 64)
				x.noErr("Bed.Complete", x.b.Complete(rest[:n]...))
				rest = rest[n:]
			}
			x.expect(ids, 16)
		}
	}
}

// Many times round a small ring.
func checkWrap(x *x) {
	x.open(4)
	for i := range x.rounds(200) {
		x.expect(x.complete(1+i%4), 1+i%3)
	}
}

func checkPending(x *x) {
	x.open(8)
	for range x.rounds(20) {
		x.empty() // Pending is false
		ids := x.complete(2)
		for range 3 {
			if !x.cq.Pending() {
				x.fatalf("Pending consumes: it was true and is false without a Poll")
			}
		}
		x.same(x.take(1, 1), ids[:1])
		x.pending()
		x.same(x.take(1, 1), ids[1:])
	}
}
