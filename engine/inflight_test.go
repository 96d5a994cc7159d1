package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/ring"
)

// A slot that a producer has reserved and not committed is neither an event
// nor nothing.
func TestInFlightIsNotEmpty(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	c, st := d.ring.ReserveUpTo(1)
	require.Equal(t, ring.OK, st)
	ev := make([]Event, 1)
	n, err := d.Dequeue(ev)
	require.Zero(t, n)
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending)
	*d.ring.Slot(c, 0) = Event{WRID: 5}
	d.ring.Commit(c)
	n, err = d.Dequeue(ev)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = d.Dequeue(ev)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
}

// endlessCQ always has completions; whoever polls it also empties the EVD's
// ring, like a consumer that keeps up.
type endlessCQ struct {
	*mock.CQ
	drain func()
	polls int
}

func (c *endlessCQ) Poll(dst []hwcq.WC) int {
	c.drain()
	if c.polls++; c.polls > 1000 {
		return 0
	}
	return len(dst)
}

func (c *endlessCQ) Pending() bool { return c.polls <= 1000 }

// Whoever frees space in the ring runs the pump for one ring's worth only.
func TestBorrowedRunEnds(t *testing.T) {
	cq := &endlessCQ{CQ: newTestCQ(t, mock.Config{}), drain: func() {}}
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq.CQ}, Dispatch: DispatchQueued, Mode: ModeEvent, Capacity: 64, Batch: 16})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.pumps()[0].load().run() == 0 && d.Stats().Arms == 1 })
	d.links()[0].poll.askStop() // nobody else runs the pump
	d.links()[0].poll.wait()
	buf := make([]Event, 64)
	cq.drain = func() { d.takeRing(buf) }
	d.links()[0].cq = cq
	p := d.pumps()[0]
	require.True(t, p.trigger(srcWatch))
	p.runSlot(nil)
	require.Equal(t, d.ring.Cap()/len(p.buf), cq.polls)
}
