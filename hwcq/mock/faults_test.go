package mock

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func hits(r Rule, seed uint64, n uint64) []uint64 {
	var out []uint64
	for i := uint64(1); i <= n; i++ {
		if r.hit(seed, 1, i) {
			out = append(out, i)
		}
	}
	return out
}

func TestRule(t *testing.T) {
	assert.Empty(t, hits(Rule{}, 1, 100))
	assert.True(t, Rule{}.never())
	assert.Equal(t, []uint64{3}, hits(Once(3), 1, 100))
	assert.Equal(t, []uint64{3}, hits(Rule{First: 3}, 1, 100))
	assert.Equal(t, []uint64{3, 4, 5}, hits(Rule{First: 3, Count: 3}, 1, 100))
	assert.Len(t, hits(Rule{First: 3, Count: math.MaxUint64}, 1, 100), 98)
	assert.Len(t, hits(Always(), 1, 100), 100)
	some := hits(Rule{Prob: 0.25}, 1, 10_000)
	assert.InDelta(t, 2500, len(some), 200)
	assert.Equal(t, some, hits(Rule{Prob: 0.25}, 1, 10_000), "the seed decides")
	assert.NotEqual(t, some, hits(Rule{Prob: 0.25}, 2, 10_000))
	assert.True(t, Rule{First: 7, Prob: 1e-9}.hit(1, 1, 7))
}

// turn arms and completes, and returns how many events that made.
func turn(t *testing.T, c *CQ) (events int) {
	t.Helper()
	_, err := c.Arm(false)
	require.NoError(t, err)
	return complete(t, c)
}

func complete(t *testing.T, c *CQ) (events int) {
	t.Helper()
	_, err := c.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	for {
		event, err := c.Events().TryWait()
		require.NoError(t, err)
		if !event {
			return events
		}
		events++
	}
}

func TestEventFaults(t *testing.T) {
	type result struct {
		events []int // by turn: arm, complete; then complete again
		stats  Stats
	}
	for _, tc := range []struct {
		name   string
		faults Faults
		want   result
	}{
		{"none", Faults{}, result{[]int{1, 0, 1, 0, 1, 0}, Stats{}}},
		{"lose the second", Faults{LoseEvent: Once(2)}, result{[]int{1, 0, 0, 0, 1, 0}, Stats{EventsLost: 1}}},
		{"lose all", Faults{LoseEvent: Always()}, result{[]int{0, 0, 0, 0, 0, 0}, Stats{EventsLost: 3}}},
		{"duplicate the second", Faults{DuplicateEvent: Once(2)}, result{[]int{1, 0, 2, 0, 1, 0}, Stats{EventsDuplicated: 1}}},
		{"spurious, the first two", Faults{SpuriousEvent: Rule{First: 1, Count: 2}}, result{[]int{1, 1, 1, 1, 1, 0}, Stats{EventsSpurious: 2}}},
		{
			"lost ones are not duplicated",
			Faults{LoseEvent: Once(1), DuplicateEvent: Once(1)},
			result{[]int{0, 0, 2, 0, 1, 0}, Stats{EventsLost: 1, EventsDuplicated: 1}},
		},
		{
			"late ones are not duplicated",
			Faults{DelayEvent: Once(1), Delay: time.Hour, DuplicateEvent: Once(1)},
			result{[]int{0, 0, 1, 0, 1, 0}, Stats{EventsDelayed: 1}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := open(t, Config{Faults: tc.faults})
			var got []int
			for range 3 {
				got = append(got, turn(t, c), complete(t, c))
			}
			assert.Equal(t, tc.want.events, got)
			s := c.Stats()
			assert.EqualValues(t, 3, s.Arms)
			assert.Zero(t, s.ArmAgain, "a fault leaves the CQ disarmed")
			assert.Equal(t, tc.want.stats, Stats{
				EventsLost: s.EventsLost, EventsDuplicated: s.EventsDuplicated, EventsSpurious: s.EventsSpurious,
				EventsDelayed: s.EventsDelayed,
			})
		})
	}
}

func TestFaultsAreReplayed(t *testing.T) {
	run := func(seed uint64) (out []int) {
		c := open(t, Config{Seed: seed, Faults: Faults{
			LoseEvent: Rule{Prob: 0.3}, DuplicateEvent: Rule{Prob: 0.3}, SpuriousEvent: Rule{Prob: 0.3},
		}})
		for range 100 {
			out = append(out, turn(t, c), complete(t, c))
		}
		return out
	}
	assert.Equal(t, run(1), run(1))
	assert.NotEqual(t, run(1), run(2))
}

func TestArmError(t *testing.T) {
	mine := errors.New("mine")
	for _, want := range []error{ErrInjected, mine} {
		cfg := Config{Faults: Faults{ArmError: Rule{First: 2, Count: 2}}}
		if want == mine {
			cfg.Faults.ArmErr = mine
		}
		c := open(t, cfg)
		_, err := c.Arm(true)
		require.NoError(t, err)
		for range 2 {
			missed, err := c.Arm(false)
			assert.ErrorIs(t, err, want)
			assert.False(t, missed)
		}
		assert.Zero(t, complete(t, c), "the failed arms changed nothing")
		assert.Equal(t, 1, turn(t, c))
		s := c.Stats()
		assert.EqualValues(t, 2, s.Arms)
		assert.EqualValues(t, 1, s.ArmAgain)
		assert.EqualValues(t, 2, s.ArmErrors)
	}
}

func TestDelayedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Config{Faults: Faults{DelayEvent: Once(1), Delay: time.Second}})
		assert.Zero(t, turn(t, c))
		assert.Equal(t, 1, turn(t, c), "only the first is late")
		began := time.Now()
		event, err := c.Events().Wait()
		require.NoError(t, err)
		assert.True(t, event)
		assert.Equal(t, time.Second, time.Since(began))
		assert.EqualValues(t, 1, c.Stats().EventsDelayed)
	})
}

func TestCloseDropsDelayedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Config{Faults: Faults{DelayEvent: Always(), Delay: time.Hour}})
		for range 10 {
			assert.Zero(t, turn(t, c))
		}
		require.NoError(t, c.Close())
		assert.Empty(t, c.faults.late)
		time.Sleep(2 * time.Hour)
		assert.Zero(t, c.Stats().EventsRaised)
		// A fault that hits after Close starts no timer.
		c.faults.raiseLater(&c.ev)
		assert.Empty(t, c.faults.late)
	})
}
