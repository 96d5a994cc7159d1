package mock

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// TestArmSemantics plays scripts: n arms for the next completion, s for a
// solicited one; c, C and E complete (unsolicited, solicited, failed); p
// polls everything. The events raised by all of it are counted.
func TestArmSemantics(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		events       int
		again        uint64
	}{
		{"not armed: nothing", "cCE", 0, 0},
		{"next: any", "nc", 1, 0},
		{"next: solicited", "nC", 1, 0},
		{"next: failed", "nE", 1, 0},
		{"one-shot", "nccc", 1, 0},
		{"once per arm", "ncncnc", 3, 0},
		{"no look back", "cn", 0, 0},
		{"no look back, later completion", "cnc", 1, 0},
		{"polling does not disarm", "ncpc", 1, 0},
		{"polling before the completion does not disarm", "npc", 1, 0},
		{"double arm: one event", "nncc", 1, 1},
		{"triple arm: one event", "nnncc", 1, 2},
		{"solicited only: not for others", "sccc", 0, 0},
		{"solicited only: solicited", "scC", 1, 0},
		{"solicited only: failed counts as solicited", "scE", 1, 0},
		{"solicited only: one-shot", "sCCE", 1, 0},
		{"solicited only stays armed over others", "sccCcC", 1, 0},
		{"next is not weakened", "nsc", 1, 1},
		{"next is not weakened, and stays one-shot", "nscC", 1, 1},
		{"solicited is strengthened", "snc", 1, 1},
		{"solicited twice", "sscC", 1, 1},
		{"after the event the weaker one counts", "ncsc", 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := open(t, Config{})
			out := make([]hwcq.WC, 64)
			arms := uint64(0)
			for _, op := range tc.script {
				var err error
				switch op {
				case 'n', 's':
					pending := c.Pending()
					var missed bool
					missed, err = c.Arm(op == 's')
					assert.Equal(t, pending, missed)
					arms++
				case 'c':
					_, err = c.Complete(hwcq.WC{}, false)
				case 'C':
					_, err = c.Complete(hwcq.WC{}, true)
				case 'E':
					_, err = c.Complete(hwcq.WC{Status: hwcq.StatusWRFlushErr}, false)
				case 'p':
					c.Poll(out)
				}
				require.NoError(t, err)
			}
			n := 0
			for event := true; event; {
				var err error
				event, err = c.Events().TryWait()
				require.NoError(t, err)
				if event {
					n++
				}
			}
			assert.Equal(t, tc.events, n)
			s := c.Stats()
			assert.EqualValues(t, tc.events, s.EventsRaised)
			assert.EqualValues(t, tc.events, s.EventsTaken)
			assert.Equal(t, arms, s.Arms)
			assert.Equal(t, tc.again, s.ArmAgain)
		})
	}
}

// In a batch one solicited or failed completion is enough, and the batch is
// one event.
func TestArmAndBatch(t *testing.T) {
	c := open(t, Config{Depth: 16})
	arm := func(solicited bool) {
		_, err := c.Arm(solicited)
		require.NoError(t, err)
	}
	arm(false)
	_, _ = c.CompleteN(make([]hwcq.WC, 5), false)
	assert.EqualValues(t, 1, c.Stats().EventsRaised)
	arm(true)
	_, _ = c.CompleteN(make([]hwcq.WC, 5), false)
	assert.EqualValues(t, 1, c.Stats().EventsRaised)
	bad := make([]hwcq.WC, 3)
	bad[2].Status = hwcq.StatusRemOpErr
	_, _ = c.CompleteN(bad, false)
	assert.EqualValues(t, 2, c.Stats().EventsRaised)
	// A completion that is dropped raises nothing.
	arm(true)
	_, _ = c.CompleteN(make([]hwcq.WC, 3), false)
	n, _ := c.CompleteN(bad, false)
	require.Zero(t, n)
	assert.EqualValues(t, 2, c.Stats().EventsRaised)
	// Also when only the part that was dropped is a failed one.
	c.Poll(make([]hwcq.WC, 2))
	n, _ = c.CompleteN(bad, false)
	require.Equal(t, 2, n)
	assert.EqualValues(t, 2, c.Stats().EventsRaised)
}

// TestWindow forces a completion between the last empty poll and the arm, and
// between publication and the look at the arm word.
func TestWindow(t *testing.T) {
	out := make([]hwcq.WC, 4)

	t.Run("poll then arm loses", func(t *testing.T) {
		var c *CQ
		c = open(t, Config{Hooks: Hooks{BeforeArm: func() { _, _ = c.Complete(hwcq.WC{}, false) }}})
		require.Zero(t, c.Poll(out))
		_, err := c.Arm(false)
		require.NoError(t, err)
		event, err := c.Events().TryWait()
		require.NoError(t, err)
		assert.False(t, event, "a consumer that sleeps now sleeps on a completion")
		assert.True(t, c.Pending())
	})

	t.Run("arm then poll does not", func(t *testing.T) {
		var c *CQ
		c = open(t, Config{Hooks: Hooks{BeforeArm: func() { _, _ = c.Complete(hwcq.WC{}, false) }}})
		missed, err := c.Arm(false)
		require.NoError(t, err)
		assert.True(t, missed)
		assert.Equal(t, 1, c.Poll(out))
	})

	t.Run("completion after the arm raises, and missed tells", func(t *testing.T) {
		var c *CQ
		c = open(t, Config{Hooks: Hooks{AfterArm: func() { _, _ = c.Complete(hwcq.WC{}, false) }}})
		missed, err := c.Arm(false)
		require.NoError(t, err)
		assert.True(t, missed)
		event, err := c.Events().TryWait()
		require.NoError(t, err)
		assert.True(t, event)
	})

	t.Run("armed between publication and the look", func(t *testing.T) {
		// The consumer sees the completion and gets an event for it too: a
		// spurious one if it polled first.
		var c *CQ
		c = open(t, Config{Hooks: Hooks{Published: func() {
			missed, err := c.Arm(false)
			assert.NoError(t, err)
			assert.True(t, missed, "the producer index is out already")
			assert.Equal(t, 1, c.Poll(out))
		}}})
		_, _ = c.Complete(hwcq.WC{}, false)
		event, err := c.Events().TryWait()
		require.NoError(t, err)
		assert.True(t, event)
		assert.False(t, c.Pending())
	})
}

func TestFatalOverrun(t *testing.T) {
	c := open(t, Config{Depth: 2, FatalOverrun: true})
	assert.Equal(t, hwcq.OverrunFatal, c.Capabilities().Overrun)
	_, err := c.Arm(true)
	require.NoError(t, err)
	n, err := c.CompleteN(wcs(0, 2), false)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	assert.Zero(t, c.Stats().EventsRaised)
	n, err = c.CompleteN(wcs(2, 3), false)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.EqualValues(t, 1, c.Stats().EventsRaised, "the waiter has to hear of it")
	_, err = c.Arm(false)
	assert.ErrorIs(t, err, hwcq.ErrOverrun)
	out := make([]hwcq.WC, 8)
	assert.Equal(t, 2, c.Poll(out))
	assert.Equal(t, wcs(0, 2), out[:2])
	stored, err := c.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	assert.False(t, stored, "it stays in error")
	assert.Zero(t, c.Poll(out))
	assert.EqualValues(t, 4, c.Overruns())
	assert.EqualValues(t, 1, c.Stats().Arms)

	require.NoError(t, c.Close())
	_, err = c.Complete(hwcq.WC{}, false)
	assert.ErrorIs(t, err, hwcq.ErrClosed)
}

// One solicited request makes its whole batch solicited, wherever it stands.
func TestArmAndBatchOfQP(t *testing.T) {
	for i := range 3 {
		c := open(t, Config{})
		q := newQP(t, c, QPConfig{})
		_, err := c.Arm(true)
		require.NoError(t, err)
		wrs := make([]WR, 3)
		wrs[i].Solicited = true
		n, err := q.SubmitN(wrs)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		event, err := c.Events().Wait()
		require.NoError(t, err)
		assert.True(t, event)
	}
}
