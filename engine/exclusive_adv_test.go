package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// A completion that a lingering poller takes gives its credit back, as any other.
func TestExclusiveCredits(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Uint64
	d, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, func(u *Upcall) { got.Add(uint64(len(u.Events()))) })
	c, err := d.Reserve(CreditsConfig{QPNum: 7, N: 2})
	require.NoError(t, err)
	one(t, cq, 0) // of nobody's number
	waitFor(t, func() bool { return lingers(d) })
	for i := range uint64(10) {
		require.NoError(t, c.Acquire(1))
		_, err := cq.Complete(hwcq.WC{WRID: i, QPNum: 7}, false)
		require.NoError(t, err)
		waitFor(t, func() bool { return got.Load() == i+2 })
		require.Equal(t, 2, c.Free(), "after completion %d", i)
	}
	require.True(t, lingers(d))
}

// Upcalls that take long one after the other, in one stay, are no upcall that does not
// return, though Stats has not heard of them.
func TestExclusiveSlowIsNotStuck(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, Watchdog: time.Hour, StuckAfter: time.Hour})
	in, out, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	_, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin, Batch: 1}, func(*Upcall) {
		select {
		case in <- struct{}{}:
			<-out
		case <-over:
		}
	})
	defer close(over)
	one(t, cq, 1)
	<-in
	defer close(out)
	for i := uint64(2); i < 12; i++ {
		one(t, cq, i) // before the last has returned: the poller is never idle
		e.tick()
		out <- struct{}{}
		<-in
	}
	require.Zero(t, e.Async().Query().Pending, "each returned between two looks")
	for range 4 {
		e.tick()
	}
	require.Equal(t, StuckUpcall, nextAsync(t, e).Number)
}

// armedCQ is a CQ in which something completes whenever it has been armed.
type armedCQ struct {
	*mock.CQ
	onArm func()
}

func (c *armedCQ) Arm(solicited bool) (bool, error) {
	missed, err := c.CQ.Arm(solicited)
	c.onArm()
	return missed, err
}

// A poller that was on its way to sleep and lingers instead says that it polls, and so
// do its arms: there are no more of them.
func TestExclusivePolling(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, SpinBudget: time.Nanosecond, Watchdog: NoWatchdog})
	cq := &armedCQ{CQ: newTestCQ(t, mock.Config{})}
	first := true
	cq.onArm = func() {
		if first {
			first = false
			_, _ = cq.Complete(hwcq.WC{WRID: 1}, false)
		}
	}
	got := make(chan CQStats, 1)
	d, err := e.NewEVD(EVDConfig{Exclusive: true, CQs: []hwcq.CQ{cq}, Policy: SingleInstance, Upcall: func(u *Upcall) {
		if u.Events()[0].WRID == 1 {
			_, _ = cq.Complete(hwcq.WC{WRID: 2}, false)
			return
		}
		st, _ := u.EVD().CQStats(0)
		got <- st
	}})
	require.NoError(t, err)
	defer d.Close()
	require.True(t, (<-got).Polling)
	waitFor(t, func() bool { return d.Stats().Sleeps > 0 })
	st := d.Stats()
	require.EqualValues(t, 1, st.Averted)
	require.EqualValues(t, 2, st.Delivered)
}

// Its first poll after an arm is a look as any other, and counts what it finds.
func TestExclusiveMissed(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	d, cq := newExclusive(t, e, EVDConfig{Mode: ModeEvent}, nil)
	l := d.links()[0]
	l.fresh = true
	one(t, cq, 1)
	var counted tally
	require.Equal(t, 1, d.takeOwn(&counted, l, make([]Event, 4)))
	require.Zero(t, d.takeOwn(&counted, l, make([]Event, 4)))
	require.EqualValues(t, 1, d.Stats().Missed)
	require.False(t, l.fresh)
}
