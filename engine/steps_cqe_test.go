package engine

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// cqeDepth completions are on the CQ when a sample begins: they and their CQ fit the
// nearest cache.
const cqeDepth = 256

// BenchmarkCQESteps: from the Poll of a CQ to the whole run of a poller that polls, with
// so many completions a batch. An engine without goroutines: the poller's part is called
// from here.
func BenchmarkCQESteps(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run("batch="+strconv.Itoa(batch), func(b *testing.B) { cqeSteps(b, batch) })
	}
}

func cqeSteps(b *testing.B, batch int) {
	e, err := newEngine(Config{Workers: 1}, func(string, string, func()) {})
	require.NoError(b, err)
	hw := newTestCQ(b, mock.Config{Depth: cqeDepth})
	sum := uint64(0)
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{hw}, Mode: ModeSpin, Dispatch: DispatchInline,
		Batch: batch, Budget: max(batch, 64), Policy: SingleInstance,
		Upcall: func(u *Upcall) { sum += sumOf(u.Events()) },
	})
	require.NoError(b, err)
	l := d.links()[0]
	p, cq := l.poll, l.cq // an hwcq.CQ
	p.start(srcWatch)     // arms, and comes to its end
	r := p.r
	evs, wcs := r.batch(batch), d.wcs[:batch]

	poll := func() int { return cq.Poll(wcs) }
	decode := func() int {
		n := cq.Poll(wcs)
		for i := range wcs[:n] {
			d.eventFromWC(&evs[i], &wcs[i], l.index)
		}
		return n
	}
	take := func() int { return d.take(evs) }
	own := func() int { // as runSlot, [R3] and [R4]
		s := d.load()
		if !d.word.CompareAndSwap(uint64(s), uint64(s|bTAKE)) {
			b.Fatal("somebody else takes")
		}
		n := d.take(evs)
		d.release(false)
		return n
	}
	deliver := func() int {
		n := own()
		d.deliver(r, evs[:n])
		return n
	}
	t, at := tally{}, d.load()
	exclusive := func() int { // [J2]: a poller that lingers holds slot and TAKE all the while
		if d.load() != at {
			b.Fatal("somebody asks something")
		}
		n := d.takeOwn(&t, l, evs)
		t.upcall(n)
		d.upcall(r, evs[:n])
		return n
	}
	all := func(step func() int) func(n int) {
		return func(n int) {
			for n > 0 {
				n -= step()
			}
		}
	}
	full := make([]hwcq.WC, cqeDepth)
	for i := range full {
		full[i].WRID = 1
	}
	store := func(n int) func() {
		return func() {
			if k, err := hw.CompleteN(full[:n], false); k != n || err != nil {
				b.Fatal(k, err)
			}
		}
	}
	fill, some := store(cqeDepth), store(batch)
	turns := climb(b, []rung{
		{name: "empty", run: func(n int) {
			for range n {
				_ = cq.Poll(wcs)
			}
		}},
		{name: "poll", ready: fill, run: all(poll)},
		{name: "decode", ready: fill, run: all(decode)},
		{name: "take", ready: fill, run: all(take)},
		{name: "release", ready: fill, run: all(own)},
		{name: "deliver", ready: fill, run: all(deliver)},
		{name: "run", ready: fill, run: func(int) { p.start(srcWatch) }},
		{name: "exclusive", ready: fill, run: all(exclusive)},
		{name: "store+poll", run: all(func() int { some(); return poll() })},
		{name: "store+run", run: all(func() int { some(); p.start(srcWatch); return batch })},
	}, cqeDepth)
	require.Equal(b, 4*turns*cqeDepth, sum)
}
