package engine

import (
	"fmt"
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

// An exclusive EVD delivers connection events among the completions, what goes ahead,
// and posts as any other does, and counts the same.
func TestExclusiveAsAnyOther(t *testing.T) {
	script := func(exclusive bool) (got []string, st Stats) {
		e := newTestEngine(t, Config{Workers: 1})
		cq := newTestCQ(t, mock.Config{})
		evs := make(chan string, 64)
		d, err := e.NewEVD(EVDConfig{
			Name: "d", Streams: DTO | Connection | Software, CQs: []hwcq.CQ{cq}, Exclusive: exclusive, Mode: ModeSpin,
			Policy: SingleInstance, Batch: 2, Priority: true,
			Upcall: func(u *Upcall) {
				for _, ev := range u.Events() {
					evs <- fmt.Sprintf("%v %v %d %v", ev.Stream, ev.Number, ev.WRID, ev.Status)
				}
			},
		})
		require.NoError(t, err)
		c, err := d.Reserve(CreditsConfig{QPNum: 5, N: 8})
		require.NoError(t, err)
		ep, err := e.NewEndpoint(EndpointConfig{QPNum: 5, Recv: d, Request: d, Connect: d, Cookie: 99})
		require.NoError(t, err)
		next := func(n int) {
			for range n {
				got = append(got, <-evs)
			}
		}
		complete := func(id uint64, s hwcq.Status) {
			require.NoError(t, c.Acquire(1))
			_, err := cq.Complete(hwcq.WC{WRID: id, QPNum: 5, Status: s}, false)
			require.NoError(t, err)
		}
		complete(1, hwcq.StatusSuccess)
		next(2)
		require.True(t, ep.Connected())
		complete(2, hwcq.StatusSuccess)
		complete(3, hwcq.StatusSuccess)
		complete(4, hwcq.StatusSuccess)
		next(3)
		require.NoError(t, d.Post(Event{WRID: 5}))
		next(1)
		require.NoError(t, d.PostCM(Event{Stream: Connection, Number: Unreachable, WRID: 6}))
		next(1)
		complete(7, hwcq.StatusRetryExcErr)
		next(2)
		complete(8, hwcq.StatusWRFlushErr)
		next(1)
		require.False(t, ep.Connected())
		waitFor(t, func() bool { return c.Free() == 8 })
		require.NoError(t, d.Close())
		return got, d.Stats()
	}
	got, st := script(true)
	want, wst := script(false)
	require.Equal(t, want, got)
	require.Len(t, got, 10)
	for _, s := range []*Stats{&st, &wst} { // of how they came to be delivered nothing
		*s = Stats{Posted: s.Posted, Raised: s.Raised, Polled: s.Polled, Delivered: s.Delivered, Dequeued: s.Dequeued, Leftover: s.Leftover}
	}
	require.Equal(t, wst, st)
}
