//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"path/filepath"
	"runtime"
)

// allParts are the contests, by their names in -parts.
var allParts = []string{"event", "spin", "bw", "dapl", "poll"}

// Rounds of the parts: of spin so many as the goal asks for.
const (
	eventRounds = 12
	spinRounds  = 30
	otherRounds = 10
	pollRounds  = 10
)

// inFlight is how many messages both sides of a throughput turn keep on their way.
const inFlight = 64

// contests are those that o asks for, and what of them cannot be had here.
func contests(o options) (all []*contest, skipped []string, err error) {
	if err := there(o.evdbench, "make build"); err != nil {
		return nil, nil, err
	}
	p := &o.programs
	verbs := filepath.Join(o.dir, "evdbench-verbs")
	noVerbs := there(verbs, "evdbench with libibverbs is left out")
	if noVerbs != nil {
		skipped = append(skipped, noVerbs.Error())
	}
	add := func(c *contest, rounds int) {
		if c.rounds = rounds; o.rounds > 0 {
			c.rounds = o.rounds
		}
		all = append(all, c)
	}
	// pingPong is evdbench beside ibv_rc_pingpong, with and without libibverbs.
	pingPong := func(mode string, rounds int, g goal, flags ...string) {
		c := &contest{name: mode, unit: "us per round trip", parties: []*party{
			{name: "evd", run: p.lat(o.evdbench, "rxe", mode)},
			{name: "ibv_rc_pingpong", run: p.pingPong(flags...)},
		}}
		g.name, g.ours, g.rival, g.limit = mode, "evd", "ibv_rc_pingpong", true
		c.goals = []goal{g}
		if noVerbs == nil {
			c.parties = append(c.parties, &party{name: "evd-verbs", run: p.lat(verbs, "verbs", mode)})
			c.goals = append(c.goals,
				goal{name: mode + "-verbs", ours: "evd-verbs", rival: "ibv_rc_pingpong", limit: true},
				goal{name: mode + "-pure-go", ours: "evd", rival: "evd-verbs", limit: true})
		}
		if mode == "spin" {
			c.parties[0].note = "yields the CPU every 32 empty polls, and to other threads every 1024"
		}
		add(c, rounds)
	}
	for _, part := range o.parts {
		switch part {
		case "event":
			pingPong("event", eventRounds, goal{need: 1.08, stretch: 1.05}, "-e")
		case "spin":
			pingPong("spin", spinRounds, goal{need: 1.25, stretch: 1.10, bound: true})
		case "bw":
			for _, bytes := range []int{64, 4096} {
				add(p.bandwidth(verbs, noVerbs == nil, bytes), otherRounds)
			}
		case "dapl":
			if err := useDAT(); err != nil {
				return nil, nil, err
			}
			add(p.dapl(), otherRounds)
		case "poll":
			c, err := p.emptyPoll(filepath.Join(o.dir, "rxe-rivals", "poll"))
			if err != nil {
				skipped = append(skipped, err.Error())
				continue
			}
			add(c, pollRounds)
		}
	}
	return all, skipped, nil
}

// bandwidth is many messages in flight. There is no goal but not to be slower.
func (p *programs) bandwidth(verbs string, withVerbs bool, bytes int) *contest {
	count := 2 * p.count
	name := fmt.Sprintf("bw-%d", bytes)
	c := &contest{
		name: name, unit: "messages/s",
		parties: []*party{
			{name: "evd", note: "both queue pairs in one process", run: p.bw(p.evdbench, "rxe", bytes, inFlight, count)},
			{name: "ib_send_bw", note: "two processes, each send signalled", run: p.sendBW(bytes, inFlight, 1, count)},
			{name: "ib_send_bw-moderated", note: "two processes, one send in 64 signalled", run: p.sendBW(bytes, inFlight, inFlight, count)},
		},
		goals: []goal{
			{name: name, ours: "evd", rival: "ib_send_bw", need: 1, higher: true},
			{name: name + "-moderated", ours: "evd", rival: "ib_send_bw-moderated", higher: true},
		},
	}
	if withVerbs {
		c.parties = append(c.parties, &party{name: "evd-verbs", note: "both queue pairs in one process", run: p.bw(verbs, "verbs", bytes, inFlight, count)})
		c.goals = append(c.goals, goal{name: name + "-verbs", ours: "evd-verbs", rival: "ib_send_bw", higher: true})
	}
	return c
}

// dapl is event mode beside uDAPL, whose EVDs these are after.
func (p *programs) dapl() *contest {
	c := &contest{
		name: "dapl", unit: "us per round trip",
		parties: []*party{
			{name: "evd", run: p.lat(p.evdbench, "rxe", "event")},
			{name: "dtest", note: "twice what it prints, which is half a round trip; 100 a turn", run: p.dtest},
			{name: "dapltest", note: "a transaction: a send and its answer", run: p.dapltest},
		},
		goals: []goal{
			{name: "dtest", ours: "evd", rival: "dtest", need: 2.5},
			{name: "dapltest", ours: "evd", rival: "dapltest"},
		},
	}
	if runtime.NumCPU() > 1 { // or who spins keeps the device from its work
		c.parties = append(c.parties, &party{name: "evd-spin", run: p.lat(p.evdbench, "rxe", "spin")})
		c.goals = append(c.goals, goal{name: "dtest-spin", ours: "evd-spin", rival: "dtest"})
	}
	return c
}

// emptyPoll is a poll of a CQ that has nothing.
func (p *programs) emptyPoll(binary string) (*contest, error) {
	if err := there(binary, "polls of an empty CQ are left out"); err != nil {
		return nil, err
	}
	const n = 1_000_000
	return &contest{
		name: "poll-empty", unit: "ns per poll",
		parties: []*party{
			{name: "evd", run: p.polls(n)},
			{name: "ibv_poll_cq", run: p.cPolls(binary, n)},
		},
		goals: []goal{{name: "poll-empty", ours: "evd", rival: "ibv_poll_cq", need: 5}},
	}, nil
}
