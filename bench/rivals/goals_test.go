package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func measured(c id, median, p10 float64) result {
	return result{id: c, quantiles: quantiles{Median: median, P10: p10}, Samples: 9}
}

func TestJudge(t *testing.T) {
	ours, his := id{Shape: "U1", Impl: "evd-try", Event: 16}, id{Shape: "U1", Impl: "xsync-mpmc", Event: 16}
	cas := id{Shape: "LIMIT", Impl: "cas"}
	inline := id{Shape: "EVD1", Impl: "evd-inline"}
	for _, c := range []struct {
		name    string
		goal    goal
		results []result
		want    string
	}{
		{
			"faster", faster("g", ours, his, 2),
			[]result{measured(ours, 5, 4), measured(his, 11, 8)},
			"goal g ours=5.00 rival=xsync-mpmc:11.00 ratio=2.20 need=>=2.00 ok",
		},
		{
			"not fast enough", faster("g", ours, his, 2.5),
			[]result{measured(ours, 5, 4), measured(his, 11, 8)},
			"goal g ours=5.00 rival=xsync-mpmc:11.00 ratio=2.20 need=>=2.50 short",
		},
		{
			"within", within("g", ours, his, 1.2),
			[]result{measured(ours, 12, 4), measured(his, 10, 8)},
			"goal g ours=12.00 rival=xsync-mpmc:10.00 ratio=1.20 need=<=1.20 ok",
		},
		{
			"beyond", within("g", ours, his, 1.2),
			[]result{measured(ours, 13, 4), measured(his, 10, 8)},
			"goal g ours=13.00 rival=xsync-mpmc:10.00 ratio=1.30 need=<=1.20 short",
		},
		{
			"by p10",
			goal{name: "g", ours: ours, rival: his, need: 1.2, limit: true, p10: true},
			[]result{measured(ours, 99, 4), measured(his, 10, 8)},
			"goal g ours=4.00 rival=xsync-mpmc:8.00 ratio=0.50 need=<=1.20 ok",
		},
		{
			"a rival of two",
			goal{name: "g", ours: ours, rival: his, also: cas, need: 1, limit: true},
			[]result{measured(ours, 12, 9), measured(his, 10, 8), measured(cas, 3, 2)},
			"goal g ours=12.00 rival=xsync-mpmc+cas:13.00 ratio=0.92 need=<=1.00 ok",
		},
		{
			"a fixed limit",
			goal{name: "g", ours: ours, fixed: 2, need: 1, limit: true},
			[]result{measured(ours, 3, 3)},
			"goal g ours=3.00 rival=limit:2.00 ratio=1.50 need=<=1.00 short",
		},
		{
			"nothing to compare with", faster("g", ours, his, 2),
			[]result{measured(ours, 5, 4)},
			"goal g ours=evd-try rival=xsync-mpmc ratio=- need=>=2.00 absent (no U1/impl=xsync-mpmc/event=16)",
		},
		{
			"nothing of ours", faster("g", ours, his, 2), nil,
			"goal g ours=evd-try rival=xsync-mpmc ratio=- need=>=2.00 absent (no U1/impl=evd-try/event=16)",
		},
		{
			"no sample", faster("g", ours, his, 2),
			[]result{measured(ours, 5, 4), {id: his}},
			"goal g ours=evd-try rival=xsync-mpmc ratio=- need=>=2.00 absent (no U1/impl=xsync-mpmc/event=16)",
		},
		{
			"what disturbed is told", faster("g", ours, his, 2),
			[]result{{id: ours, quantiles: quantiles{Median: 5, P10: 4}, Samples: few, Noisy: true}, {id: his, quantiles: quantiles{Median: 10, P10: 8}, Samples: few, Far: true}},
			"goal g ours=5.00 rival=xsync-mpmc:10.00 ratio=2.00 need=>=2.00 ok (evd-try disturbed, xsync-mpmc far apart)",
		},
		{
			"how few samples is told", faster("g", ours, his, 2),
			[]result{{id: ours, quantiles: quantiles{Median: 5, P10: 4}, Samples: 2}, measured(his, 10, 8)},
			"goal g ours=5.00 rival=xsync-mpmc:10.00 ratio=2.00 need=>=2.00 ok (evd-try by 2 samples)",
		},
		{
			"the way of a line, as it was then",
			goal{name: "g", ours: ours, rival: id{Shape: "ANCHOR", Impl: "line"}, need: 2, limit: true},
			[]result{{id: ours, quantiles: quantiles{Median: 90}, Samples: few, Anchor: quantiles{Median: 50}}},
			"goal g ours=90.00 rival=line:50.00 ratio=1.80 need=<=2.00 ok",
		},
		{
			"a rival that is not to be had", lacking("g", ours, "lfq", 3, "no package"),
			[]result{measured(ours, 5, 4)},
			"goal g ours=evd-try rival=lfq ratio=- need=>=3.00 absent (no package)",
		},
		{
			"Queued beside Inline", faster("g", inline, inline.of("mutex-queue"), 2),
			[]result{measured(inline, 5, 4), measured(inline.of("mutex-queue"), 12, 9), measured(inline.of("evd-queued"), 70, 60)},
			"goal g ours=5.00 rival=mutex-queue:12.00 ratio=2.40 need=>=2.00 ok queued=70.00",
		},
		{
			"Commit beside CommitRelease", faster("g", ours.of("evd-release"), his, 2),
			[]result{measured(ours.of("evd-release"), 5, 4), measured(ours.of("evd-inplace"), 7, 6), measured(his, 12, 9)},
			"goal g ours=5.00 rival=" + his.Impl + ":12.00 ratio=2.40 need=>=2.00 ok fenced=7.00",
		},
		{
			"another distance", faster("g", ours, his, 2),
			[]result{
				{id: ours, quantiles: quantiles{Median: 5}, Samples: few, Anchor: quantiles{Median: 50}},
				{id: his, quantiles: quantiles{Median: 20}, Samples: few, Anchor: quantiles{Median: 250}, Far: true},
			},
			"goal g ours=5.00 rival=xsync-mpmc:20.00 ratio=4.00 need=>=2.00 void (xsync-mpmc far apart)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, byID(c.results).judge(c.goal).String())
		})
	}
}

// A baseline that has got slow proves nothing.
func TestVoid(t *testing.T) {
	ours, his := id{Shape: "EVD1", Impl: "evd-inline"}, id{Shape: "EVD1", Impl: "mutex-queue"}
	mutex := measured(id{Shape: "LIMIT", Impl: "mutex"}, 5, 5)
	g := faster("g", ours, his, 2.3)
	slow := 5 * honest["EVD1"]["mutex-queue"] * 1.31
	v := byID([]result{mutex, measured(ours, 1, 1), measured(his, slow, slow)}).judge(g)
	require.Equal(t, void, v.Verdict)
	require.Equal(t, "mutex-queue is 1.31x what it was, in bare mutexes", v.Why)
	v = byID([]result{mutex, measured(ours, 1, 1), measured(his, slow/1.02, 1)}).judge(g)
	require.Equal(t, ok, v.Verdict)
	require.Equal(t, []string{"baseline EVD1/mutex-queue=20.00 ratio=4.00 bare mutexes, at most 5.33"},
		byID([]result{mutex, measured(ours, 1, 1), measured(his, 20, 1)}).baselines())
	// Without a bare mutex nothing is known of it.
	require.Equal(t, ok, byID([]result{measured(ours, 1, 1), measured(his, slow, 1)}).judge(g).Verdict)
}

// Every goal is of cells that exist, or of programs that may not be installed.
func TestGoalsHaveCells(t *testing.T) {
	if err := startCores(); err != nil {
		t.Skip(err)
	}
	have := map[id]bool{}
	for _, c := range slices.Concat(own(), []*cell{{id: id{Shape: "POLL", Impl: "evd-rxe"}}}) {
		require.False(t, have[c.id], "%v stands twice", c.id)
		have[c.id] = true
	}
	foreign := map[string]bool{"rte-mp": true, "moodycamel": true, "run": true, "run-all": true, "cpoll": true}
	names := map[string]bool{}
	for _, g := range goals() {
		require.False(t, names[g.name], "%s stands twice", g.name)
		names[g.name] = true
		require.True(t, have[g.ours], "%s: %v", g.name, g.ours)
		if g.lacks != "" {
			require.False(t, have[g.rival], "%s: %v is there", g.name, g.rival)
			continue
		}
		require.True(t, g.fixed != 0 || foreign[g.rival.Impl] || have[g.rival], "%s: %v", g.name, g.rival)
		require.True(t, g.also.Shape == "" || have[g.also], "%s: %v", g.name, g.also)
	}
	for shape, baselines := range honest {
		for impl := range baselines {
			c := id{Shape: shape, Impl: impl}
			if shape == "EVD32" || shape == "EVD2Pb" {
				c.Batch = batch
			}
			require.True(t, have[c], "%v", c)
		}
	}
}
