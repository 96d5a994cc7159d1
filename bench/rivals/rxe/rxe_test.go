//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/param"
)

// The ends of the interval are those of tables of the sign test.
func TestSpread(t *testing.T) {
	for n, k := range map[int]int{1: 0, 5: 0, 6: 1, 8: 1, 9: 2, 12: 3, 20: 6, 30: 10, 40: 14} {
		require.Equal(t, k, outside(n), "of %d", n)
	}
	v := make([]float64, 30)
	for i := range v {
		v[i] = float64((i*7)%30 + 1) // 1 to 30
	}
	require.Equal(t, spread{15.5, 10, 21, true}, spreadOf(v))
	require.Equal(t, spread{2, 1, 3, false}, spreadOf([]float64{3, 1, 2}))
	require.Equal(t, spread{3.5, 1, 6, true}, spreadOf([]float64{6, 5, 4, 3, 2, 1}))
}

// of is a party that has had these turns; 0 is one that failed.
func of(name string, turns ...float64) *party {
	p := &party{name: name, turns: map[int]float64{}}
	for n, v := range turns {
		if v == 0 {
			p.fails = append(p.fails, "it failed")
		} else {
			p.turns[n] = v
		}
	}
	return p
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name        string
		ours, rival *party
		goal        goal
		want        string
	}{
		{
			"a time within", of("evd", 11, 12, 11, 11, 11, 11), of("c", 10, 10, 10, 10, 10, 10),
			goal{limit: true, need: 1.15, stretch: 1.05},
			"goal rxe-g ours=11 rival=c:10 ratio=1.10 interval=1.10..1.20 pairs=6 need=<=1.15 ok (stretch 1.05 not)",
		},
		{
			"by the interval's end", of("evd", 11, 12, 11, 11, 11, 11), of("c", 10, 10, 10, 10, 10, 10),
			goal{limit: true, need: 1.15, bound: true},
			"goal rxe-g ours=11 rival=c:10 ratio=1.10 interval=1.10..1.20 pairs=6 need=<=1.15,bound short",
		},
		{
			"no interval is no proof of its end", of("evd", 10, 10), of("c", 10, 10),
			goal{limit: true, need: 1.15, bound: true},
			"goal rxe-g ours=10 rival=c:10 ratio=1.00 interval=1.00..1.00 pairs=2 need=<=1.15,bound short (too few pairs for an interval)",
		},
		{
			"a time so many times less", of("evd", 10, 10, 10, 10, 10, 10), of("c", 20, 20, 30, 30, 30, 30),
			goal{need: 2.5},
			"goal rxe-g ours=10 rival=c:30 ratio=3.00 interval=2.00..3.00 pairs=6 need=>=2.50 ok",
		},
		{
			"a rate", of("evd", 20, 20, 20, 20, 20, 20), of("c", 10, 10, 10, 10, 10, 10),
			goal{need: 1, higher: true},
			"goal rxe-g ours=20 rival=c:10 ratio=2.00 interval=2.00..2.00 pairs=6 need=>=1.00 ok",
		},
		{
			"no goal", of("evd", 20, 20, 20, 20, 20, 20), of("c", 10, 10, 10, 10, 10, 10),
			goal{higher: true},
			"goal rxe-g ours=20 rival=c:10 ratio=2.00 interval=2.00..2.00 pairs=6 need=- told",
		},
		{
			"a turn that failed has no pair", of("evd", 10, 10, 10, 10, 10, 10, 10), of("c", 20, 0, 30, 30, 30, 30, 30),
			goal{need: 2.5},
			"goal rxe-g ours=10 rival=c:30 ratio=3.00 interval=2.00..3.00 pairs=6 need=>=2.50 ok (c failed 1 times)",
		},
		{
			"nothing to compare", of("evd", 10), of("c", 0),
			goal{need: 2.5},
			"goal rxe-g ours=evd rival=c ratio=- need=>=2.50 absent (c failed 1 times, no pair)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ct := &contest{name: "x", rounds: 7, parties: []*party{c.ours, c.rival}}
			c.goal.name, c.goal.ours, c.goal.rival = "g", c.ours.name, c.rival.name
			require.Equal(t, c.want, ct.judge(c.goal).String())
		})
	}
	require.Equal(t, absent, (&contest{}).judge(goal{ours: "a", rival: "b"}).Verdict)
}

// Everybody has a turn in each round, another one first each time, and one who fails is
// told of, tried again, and in the end left out.
func TestRounds(t *testing.T) {
	var order []string
	turn := func(name string, err error) *party {
		return &party{name: name, run: func(context.Context) (float64, error) {
			order = append(order, name)
			return 1, err
		}}
	}
	c := &contest{name: "x", rounds: 5, parties: []*party{turn("a", nil), turn("b", errors.New("its output"))}}
	var said strings.Builder
	for n := range c.rounds {
		require.NoError(t, c.run(t.Context(), n, &said))
	}
	require.Equal(t, "a b b a a b a a", strings.Join(order, " "))
	require.Len(t, c.figures(c.parties[0]), 5)
	require.Len(t, c.parties[1].fails, mostFailures)
	require.Equal(t, mostFailures, strings.Count(said.String(), "its output"))
	var r report
	require.Equal(t, mostFailures, r.add(c))
	r.print(&said)
	require.Contains(t, said.String(), "FAILED 3 times")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.run(ctx, 0, io.Discard), context.Canceled)
}

const listening = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100630A:3DD4 00000000:0000 0A 00000000:00000000
   1: 0100630A:4853 0100630A:C86E 06 00000000:00000000
`

func TestHasListener(t *testing.T) {
	require.True(t, hasListener(listening, 15828))
	require.False(t, hasListener(listening, 18515), "a connection that lingers")
	require.False(t, hasListener("", 15828))
}

func TestFind(t *testing.T) {
	v, err := find("208: Message PingPong: (100 x 64) Total 79658.99 us: latency 398.29 us, BW 0.16 MB/s", nil, `Message PingPong: .* latency ([0-9.]+) us`, 2)
	require.NoError(t, err)
	require.InDelta(t, 796.58, v, 1e-9)
	_, err = find("FAILED", nil, `x ([0-9.]+)`, 1)
	require.ErrorContains(t, err, "FAILED")
	_, err = find("x 0.0", nil, `x ([0-9.]+)`, 1)
	require.Error(t, err)
	_, err = decode(`{"results": {}}`, nil)
	require.ErrorContains(t, err, "no figures")
}

// What a program printed is in the error, whoever of the two fails.
func TestFailuresAreTold(t *testing.T) {
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	_, err := command(t.Context(), sh("echo out; echo err >&2; exit 3")...)
	require.ErrorContains(t, err, "out\nerr")
	_, err = pair(t.Context(), 1, sh("echo no device; exit 1"), sh("echo client"))
	require.ErrorContains(t, err, "no device")
	_, err = served(t.Context(), sh("echo no device; exit 1"), "ready", sh("echo client"), sh("true"))
	require.ErrorContains(t, err, "no device")
	out, err := served(t.Context(), sh("echo ready; exit 0"), "ready", sh("echo client"), sh("true"))
	require.NoError(t, err)
	require.Equal(t, "client\n", out)
	_, err = served(t.Context(), sh("echo ready; echo broken; exit 1"), "ready", sh("echo client"), sh("true"))
	require.ErrorContains(t, err, "broken")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = command(ctx, "sleep", "60")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestParse(t *testing.T) {
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, allParts, o.parts)
	for _, args := range [][]string{{"-rounds", "-1"}, {"-count", "0"}, {"-parts", "event,nothing"}, {"more"}} {
		_, err := parse(args, io.Discard)
		require.ErrorIs(t, err, param.ErrInvalid, "%v", args)
	}
}
