package mock

import (
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func TestEventsQueueAndWakesCoalesce(t *testing.T) {
	c := open(t, Config{})
	ev := c.Events()
	assert.Same(t, ev, c.Events())
	ev.Wake()
	for range 3 {
		_, _ = c.Arm(false)
		_, _ = c.Complete(hwcq.WC{}, false)
	}
	ev.Wake()
	ev.Wake()
	for i := range 3 {
		event, err := ev.Wait()
		require.NoError(t, err)
		assert.True(t, event, "event %d", i)
	}
	event, err := ev.Wait()
	require.NoError(t, err)
	assert.False(t, event, "the wakes, as one")
	event, err = ev.TryWait()
	require.NoError(t, err)
	assert.False(t, event)
	assert.EqualValues(t, 3, c.Stats().Wakes)
	// Nothing is left over: the next Wait returns for what comes now.
	go func() { _, _ = c.Arm(false); _, _ = c.Complete(hwcq.WC{}, false) }()
	event, err = ev.Wait()
	require.NoError(t, err)
	assert.True(t, event)
}

func TestTryWaitLeavesWake(t *testing.T) {
	c := open(t, Config{})
	c.Events().Wake()
	for range 2 {
		event, err := c.Events().TryWait()
		require.NoError(t, err)
		assert.False(t, event)
	}
	event, err := c.Events().Wait() // returns: the wake is still there
	require.NoError(t, err)
	assert.False(t, event)
}

func TestWakeOfABlockedWait(t *testing.T) {
	c := open(t, Config{})
	for range 100 {
		done := make(chan bool)
		go func() {
			event, err := c.Events().Wait()
			assert.NoError(t, err)
			done <- event
		}()
		c.Events().Wake()
		assert.False(t, <-done)
	}
}

func TestCloseWakesBlockedWait(t *testing.T) {
	for range 50 {
		c := open(t, Config{})
		done := make(chan error)
		go func() {
			_, err := c.Events().Wait()
			done <- err
		}()
		require.NoError(t, c.Close())
		assert.ErrorIs(t, <-done, os.ErrClosed)
	}
}

func TestClosed(t *testing.T) {
	c := open(t, Config{})
	_, _ = c.Arm(false)
	_, _ = c.Complete(hwcq.WC{}, false)
	c.Events().Wake()
	inline, err := c.NewQP(QPConfig{Inline: true})
	require.NoError(t, err)
	qp, err := c.NewQP(QPConfig{})
	require.NoError(t, err)
	s, err := c.Start(Load{Count: 1})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, c.Close())
	}
	assert.False(t, c.Pending())
	assert.Zero(t, c.Poll(make([]hwcq.WC, 4)))
	_, err = c.Arm(false)
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = c.Complete(hwcq.WC{}, false)
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = c.CompleteN(make([]hwcq.WC, 2), false)
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = c.Events().Wait()
	assert.ErrorIs(t, err, os.ErrClosed, "closed goes before an event")
	_, err = c.Events().TryWait()
	assert.ErrorIs(t, err, os.ErrClosed)
	for _, q := range []*QP{inline, qp} {
		assert.ErrorIs(t, q.Submit(WR{}), os.ErrClosed)
		_, err = q.SubmitN(make([]WR, 2))
		assert.ErrorIs(t, err, os.ErrClosed)
		require.NoError(t, q.Close())
	}
	s.Stop()
	_, err = c.NewQP(QPConfig{})
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = c.NewQP(QPConfig{Inline: true})
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = c.Start(Load{})
	assert.ErrorIs(t, err, os.ErrClosed)
	c.Events().Wake() // harmless
	assert.Equal(t, "mock", c.Capabilities().Driver)
}

// Several closers at once, with the hardware and a waiter at work.
func TestCloseConcurrently(t *testing.T) {
	for range 30 {
		c := open(t, Config{Depth: 64})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := c.Events().Wait(); err != nil {
					assert.ErrorIs(t, err, os.ErrClosed)
					return
				}
			}
		})
		for range 3 {
			wg.Go(func() {
				for {
					_, _ = c.Arm(false)
					if _, err := c.Complete(hwcq.WC{}, false); err != nil {
						assert.ErrorIs(t, err, os.ErrClosed)
						return
					}
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				assert.NoError(t, c.Close())
				// Whoever returns from Close finds it closed.
				_, err := c.Complete(hwcq.WC{}, false)
				assert.ErrorIs(t, err, os.ErrClosed)
			})
		}
		wg.Wait()
	}
}
