package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const us = time.Microsecond

// still is a patience of a machine where a wake-up costs limit.
func still(limit time.Duration) patience {
	p := patience{limit: limit, wake: limit}
	p.set(limit)
	return p
}

// arrive is one event that comes gap after the one before. It answers what that cost:
// the time polled in vain, or to no avail but its wake-up.
func (p *patience) arrive(gap time.Duration) (cost time.Duration) {
	if gap <= p.now {
		p.caught()
		return gap
	}
	cost = p.now + p.wake
	p.slept(gap - p.now + p.wake)
	return cost
}

// What gaps do to a patience whose limit is 80 us.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		name string
		from time.Duration
		gaps []time.Duration
		want []time.Duration // after each
	}{
		{"short gaps are caught", 80 * us, []time.Duration{us, 10 * us, 80 * us}, []time.Duration{80 * us, 80 * us, 80 * us}},
		{
			"idle: it comes to rest after four", 80 * us,
			[]time.Duration{time.Second, time.Second, time.Second, time.Second, time.Second},
			[]time.Duration{80 * us, 40 * us, 20 * us, 0, 0},
		},
		{
			"one long gap is forgiven", 80 * us,
			[]time.Duration{time.Second, us, time.Second, us, time.Second, us},
			[]time.Duration{80 * us, 80 * us, 80 * us, 80 * us, 80 * us, 80 * us},
		},
		{"load comes back", 0, []time.Duration{10 * us, 10 * us, 10 * us}, []time.Duration{20 * us, 20 * us, 20 * us}},
		{
			"it grows to what is needed, and to the limit", 0,
			[]time.Duration{70 * us, 70 * us, 70 * us, 70 * us, 70 * us},
			[]time.Duration{20 * us, 40 * us, 80 * us, 80 * us, 80 * us},
		},
		{"between the limit and twice that nothing changes", 80 * us, []time.Duration{100 * us, 160 * us, 120 * us}, []time.Duration{80 * us, 80 * us, 80 * us}},
		{"nor when it sleeps at once", 0, []time.Duration{100 * us, 160 * us, time.Second}, []time.Duration{0, 0, 0}},
		{"a gap between does not make long ones fewer", 80 * us, []time.Duration{time.Second, 100 * us, time.Second}, []time.Duration{80 * us, 80 * us, 40 * us}},
		{"a short one that it slept for does", 40 * us, []time.Duration{time.Second, 50 * us, time.Second, time.Second}, []time.Duration{40 * us, 80 * us, 80 * us, 40 * us}},
	} {
		p := still(80 * us)
		p.set(c.from)
		for i, gap := range c.gaps {
			p.arrive(gap)
			require.Equal(t, c.want[i], p.now, "%s: after %v", c.name, c.gaps[:i+1])
			require.Equal(t, p.now > 0, p.turns > 0)
		}
	}
}

// Its changes are told, and at either end there are none.
func TestPatienceTells(t *testing.T) {
	p := still(80 * us)
	for _, want := range []int{0, -1, -1, -1, 0, 0} {
		require.Equal(t, want, p.slept(time.Second))
	}
	for _, want := range []int{1, 1, 1} {
		require.Equal(t, want, p.slept(80*us)) // nothing but the wake-up
	}
	require.Equal(t, 80*us, p.now)
	require.Zero(t, p.slept(0), "at the limit: it was awake for as long as that")
	tiny := still(1)
	require.Zero(t, tiny.slept(time.Second))
	require.Equal(t, -1, tiny.slept(time.Second))
	require.Zero(t, tiny.now)
	require.Equal(t, 1, tiny.slept(0))
	require.EqualValues(t, 1, tiny.now)
}

// What it costs is never much more than twice what a clairvoyant pays, who polls when the gap is
// shorter than a wake-up and otherwise sleeps, whatever the gaps; and where they
// are all long hardly more than what he pays.
func TestPatienceCost(t *testing.T) {
	for _, c := range []struct {
		name  string
		gap   func(i int) time.Duration
		twice float64 // at most so many times
	}{
		{"dense", func(int) time.Duration { return 5 * us }, 1},
		{"idle", func(int) time.Duration { return 10 * time.Millisecond }, 1.05},
		{"just too late", func(int) time.Duration { return 81 * us }, 2.02},
		{"bursts of 8", func(i int) time.Duration {
			if i%8 == 0 {
				return time.Millisecond
			}
			return 5 * us
		}, 1.8},
		{"every other", func(i int) time.Duration {
			if i%2 == 0 {
				return time.Millisecond
			}
			return 5 * us
		}, 2.02},
		{"phases of 100", func(i int) time.Duration {
			if i/100%2 == 0 {
				return time.Millisecond
			}
			return 20 * us
		}, 1.2},
	} {
		p := still(80 * us)
		var cost, best time.Duration
		for i := range 1000 {
			gap := c.gap(i)
			cost += p.arrive(gap)
			best += min(gap, p.wake)
		}
		require.LessOrEqual(t, float64(cost)/float64(best), c.twice, c.name)
	}
}

// What each way for a Wait to end teaches, whether it has slept or not.
func TestSpinnerLearns(t *testing.T) {
	for v := range numVerdicts {
		for _, slept := range []bool{false, true} {
			sp := &spinner{mode: WaitAdaptive, patience: still(80 * us)}
			sp.patience.set(40 * us)
			sp.patience.long = patienceRow - 1
			want := 40 * us
			switch {
			case v == timedOut || v == ctxOver:
				want = 20 * us
			case v == reached && slept: // a sleep of no time
				want = 80 * us
			}
			sp.learn(v)
			require.Equal(t, 40*us, sp.patience.now, "it has not spun")
			sp.spun, sp.slept, sp.since = true, slept, now()
			sp.learn(v)
			require.Equal(t, want, sp.patience.now, "verdict %d, slept %t", v, slept)
			require.Equal(t, v == reached, sp.patience.long == 0)
			sp.learn(v)
			require.Equal(t, want, sp.patience.now, "once")
		}
	}
	(*spinner)(nil).learn(reached)
}
