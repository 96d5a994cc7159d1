package main

import (
	"testing"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/ring"
)

// allocations counts those of our hot paths. There must be none. (Those of waking a
// waiter are counted by a test of package engine: it takes two goroutines.)
func allocations() ([]verdict, error) {
	d, err := newEVD(engine.DispatchInline, 1)
	if err != nil {
		return nil, err
	}
	cq, err := mock.New(mock.Config{Depth: slots})
	if err != nil {
		return nil, err
	}
	var (
		r    = must(ring.New[event64](slots))
		l    = must(ring.NewLane[event64](slots))
		v    event64
		vs   = make([]event64, batch)
		evs  = make([]engine.Event, batch)
		wcs  = make([]hwcq.WC, batch)
		next = uint64(1)
		out  []verdict
	)
	for _, path := range []struct {
		name string
		do   func()
	}{
		{"push-pop", func() { r.Push(&v); r.Pop(&v) }},
		{"try", func() { r.TryPush(&v); r.TryPop(&v) }},
		{"batch", func() { r.PushN(vs); r.PopN(vs) }},
		{"lane", func() { l.TryPush(&v); l.TryPop(&v); l.PushN(vs); l.PopN(vs) }},
		{"post", func() { d.post(next, next+1); next++ }},
		{"burst", func() { numbered(evs, next); _, _ = d.evds[0].PostN(evs); next += batch }},
		{"poll-empty", func() { cq.Poll(wcs) }},
	} {
		n := testing.AllocsPerRun(500, path.do)
		g := verdict{Name: "G10-allocs-" + path.name, Ours: "evd", Rival: "none", OursNS: n, Ratio: n, Limit: true, Verdict: ok}
		if n > 0 {
			g.Verdict, g.Why = short, "allocations, not ns"
		}
		out = append(out, g)
	}
	_, err = d.total()
	return out, err
}
