package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Where the time of a post and of a completion goes: ladders, of which each rung does
// what the one before does, and one thing more (docs/PERFORMANCE.md has the figures). A
// turn of a benchmark is a sample of each rung, one after the other, and the results are
// the tenth percentiles of ns an event.

// rung is a way to deal with n events. What ready does is not measured.
type rung struct {
	name  string
	run   func(n int)
	ready func()
}

// climb measures the rungs, n events a sample, and returns how often.
func climb(b *testing.B, rungs []rung, n int) (turns uint64) {
	samples := make([][]float64, len(rungs))
	for b.Loop() {
		for i, r := range rungs {
			if r.ready != nil {
				r.ready()
			}
			start := time.Now()
			r.run(n)
			samples[i] = append(samples[i], float64(time.Since(start).Nanoseconds())/float64(n))
		}
		turns++
	}
	b.ReportMetric(0, "ns/op")
	for i, r := range rungs {
		slices.Sort(samples[i])
		b.ReportMetric(samples[i][len(samples[i])/10], fmt.Sprintf("%02d-%s-ns", i+1, r.name))
	}
	return turns
}

// The rungs below Post are pieces of it (direct.go), by its own functions where they
// are more than a line. None is inlined, as Post is not.

//go:noinline
func rungUpcall(d *EVD) { d.fn(&d.own.one) }

//go:noinline
func rungArgument(d *EVD, _ Event) { d.fn(&d.own.one) }

//go:noinline
func rungFill(d *EVD, ev Event) {
	o := d.own
	d.fill(&o.slot[0], &ev)
	o.one.live = true
	d.fn(&o.one)
	o.one.live = false
}

//go:noinline
func rungLooks(d *EVD, ev Event) {
	s := d.load()
	if !d.quick || !d.free(s) || !d.ring.Idle() {
		return
	}
	o := d.ownRunner()
	d.fill(&o.slot[0], &ev)
	o.one.live = true
	d.fn(&o.one)
	o.one.live = false
}

//go:noinline
func rungTake(d *EVD, ev Event) {
	s := d.load()
	if !d.quick || !d.free(s) || !d.ring.Idle() || !d.word.CompareAndSwap(uint64(s), uint64(s)) {
		return
	}
	o := d.ownRunner()
	d.fill(&o.slot[0], &ev)
	o.one.live = true
	d.fn(&o.one)
	o.one.live = false
}

//go:noinline
func rungLeave(d *EVD, ev Event) {
	s := d.load()
	if !d.quick || !d.free(s) || !d.ring.Idle() || !d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) {
		return
	}
	o := d.ownRunner()
	d.fill(&o.slot[0], &ev)
	o.one.live = true
	d.fn(&o.one)
	o.one.live = false
	if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) {
		panic("nobody else has the word")
	}
}

//go:noinline
func rungContain(d *EVD, ev Event) {
	s := d.load()
	if !d.quick || !d.free(s) || !d.ring.Idle() || !d.word.CompareAndSwap(uint64(s), uint64(s+runOne)) {
		return
	}
	o := d.ownRunner()
	d.fill(&o.slot[0], &ev)
	o.one.live = true
	running := o
	defer func() {
		if running != nil && running.one.evd.cutShort(&running.one, recover()) {
			running.one.evd.leave(&running.runner)
		}
	}()
	d.fn(&o.one)
	o.one.live, running = false, nil
	if !d.word.CompareAndSwap(uint64(s+runOne), uint64(s)) {
		panic("nobody else has the word")
	}
}

// BenchmarkPostSteps: from an upcall that is called with an event that lies there, to
// EVD.Post of an idle EVD with DispatchInline; and what the event adds that is posted.
func BenchmarkPostSteps(b *testing.B) {
	sum := uint64(0)
	d, err := newTestEngine(b, Config{}).NewEVD(EVDConfig{
		Dispatch: DispatchInline, Policy: SingleInstance,
		Upcall: func(u *Upcall) { sum += sumOf(u.Events()) },
	})
	require.NoError(b, err)
	require.NoError(b, d.Post(Event{WRID: 1})) // it has its handle then
	kept := &Event{WRID: 1}
	rungs := []rung{
		{name: "upcall", run: func(n int) {
			for range n {
				rungUpcall(d)
			}
		}},
		{name: "argument", run: func(n int) {
			for range n {
				rungArgument(d, Event{WRID: 1})
			}
		}},
		{name: "fill", run: func(n int) {
			for range n {
				rungFill(d, Event{WRID: 1})
			}
		}},
		{name: "looks", run: func(n int) {
			for range n {
				rungLooks(d, Event{WRID: 1})
			}
		}},
		{name: "take", run: func(n int) {
			for range n {
				rungTake(d, Event{WRID: 1})
			}
		}},
		{name: "leave", run: func(n int) {
			for range n {
				rungLeave(d, Event{WRID: 1})
			}
		}},
		{name: "contain", run: func(n int) {
			for range n {
				rungContain(d, Event{WRID: 1})
			}
		}},
		{name: "Post", run: func(n int) {
			for range n {
				_ = d.Post(Event{WRID: 1})
			}
		}},
		{name: "Post-4-more-fields", run: func(n int) {
			for i := range uint32(n) {
				_ = d.Post(Event{WRID: 1, ByteLen: i, Imm: 3, QPNum: i, SrcQP: 7})
			}
		}},
		{name: "Post-just-written", run: func(n int) { // and then copied, in wider pieces
			for i := range uint32(n) {
				kept.ByteLen = i
				_ = d.Post(*kept)
			}
		}},
	}
	turns := climb(b, rungs, postSample)
	require.Equal(b, 1+turns*uint64(len(rungs))*postSample, sum)
}
