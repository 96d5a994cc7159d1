package engine

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// tellingCQ is a CQ whose device, the test, tells of asynchronous events.
type tellingCQ struct {
	*mock.CQ
	mu sync.Mutex
	fn func(hwcq.AsyncEvent)
}

func newTellingCQ(t *testing.T, cfg mock.Config) *tellingCQ {
	return &tellingCQ{CQ: newTestCQ(t, cfg)}
}

func (c *tellingCQ) NotifyAsync(fn func(hwcq.AsyncEvent)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fn = fn
}

// listener is who listens now, nil if nobody does.
func (c *tellingCQ) listener() func(hwcq.AsyncEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fn
}

func (c *tellingCQ) tell(ev hwcq.AsyncEvent) { c.listener()(ev) }

func noAsync(t *testing.T, e *Engine) {
	t.Helper()
	n, err := e.Async().Dequeue(make([]Event, 1))
	require.NoError(t, err)
	require.Zero(t, n)
}

// What a device tells of its CQ comes as async errors of the EVD, with its number and
// the CQ's, at once: no watchdog is at work.
func TestDeviceTells(t *testing.T) {
	for _, how := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(fmt.Sprint(how), func(t *testing.T) {
			e := newTestEngine(t, Config{Watchdog: NoWatchdog})
			first, cq := newTestCQ(t, mock.Config{}), newTellingCQ(t, mock.Config{})
			d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{first, cq}, Mode: ModeEvent, Dispatch: how})
			require.NoError(t, err)
			for _, x := range []struct {
				ev     hwcq.AsyncEvent
				number EventNumber
			}{
				{hwcq.AsyncEvent{Kind: hwcq.AsyncOther}, ProviderError},
				{hwcq.AsyncEvent{Kind: 77}, ProviderError},
				{hwcq.AsyncEvent{Kind: hwcq.AsyncOverrun}, CQOverrun},
				{hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: 42}, EndpointBroken},
				{hwcq.AsyncEvent{Kind: hwcq.AsyncPortDown, Port: 1}, PortDown},
				{hwcq.AsyncEvent{Kind: hwcq.AsyncPortUp, Port: 1}, PortUp},
			} {
				cq.tell(x.ev)
				cq.tell(x.ev)
				got := nextAsync(t, e)
				require.Equal(t, x.number, got.Number)
				require.Equal(t, d.ID(), got.Source())
				require.EqualValues(t, 1, got.CQ)
				require.Equal(t, 2, got.Count())
				require.Equal(t, x.ev.QPNum, got.QPNum)
			}
			for range 3 { // an end is told of once
				cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncRemoved})
			}
			got := nextAsync(t, e)
			require.Equal(t, DeviceRemoved, got.Number)
			require.Equal(t, 1, got.Count())
			noAsync(t, e)
			fn := cq.listener()
			require.NoError(t, d.Close())
			require.Nil(t, cq.listener(), "whoever closed does not listen")
			fn(hwcq.AsyncEvent{Kind: hwcq.AsyncQP}) // a call that had begun
			fn(hwcq.AsyncEvent{Kind: hwcq.AsyncRemoved})
		})
	}
}

// A queue pair's error breaks its connection once, whoever tells of it first: the
// device, a completion, or the user.
func TestDeviceTellsOfQP(t *testing.T) {
	e := newTestEngine(t, Config{})
	cq := newTellingCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Streams: DTO})
	require.NoError(t, err)
	conn, err := e.NewEVD(EVDConfig{Streams: Connection})
	require.NoError(t, err)
	for round := range uint32(200) {
		qp := round + 1
		ep, err := e.NewEndpoint(EndpointConfig{QPNum: qp, Recv: d, Connect: conn})
		require.NoError(t, err)
		require.True(t, ep.Established())
		var wg sync.WaitGroup
		wg.Go(func() { cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: qp}) })
		wg.Go(func() { ep.Broken() })
		wg.Go(func() { _, _ = cq.Complete(hwcq.WC{QPNum: qp, Status: hwcq.StatusRetryExcErr}, false) })
		buf := make([]Event, 4)
		waitFor(t, func() bool {
			n, err := d.Dequeue(buf)
			return err == nil && n == 1
		})
		wg.Wait()
		got := map[EventNumber]int{}
		waitFor(t, func() bool {
			n, err := conn.Dequeue(buf)
			for _, ev := range buf[:n] {
				require.Equal(t, qp, ev.QPNum)
				got[ev.Number]++
			}
			return err == nil && n == 0
		})
		require.Equal(t, map[EventNumber]int{Established: 1, Broken: 1}, got)
		require.False(t, ep.Broken())
		require.False(t, ep.Disconnected())
		require.Equal(t, EndpointBroken, nextAsync(t, e).Number)
		require.NoError(t, ep.Close())
	}
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: 9999}) // nobody's endpoint
	require.EqualValues(t, 9999, nextAsync(t, e).QPNum)

	// Where nobody else tells of it, the device's word is enough.
	ep, err := e.NewEndpoint(EndpointConfig{QPNum: 9999, Recv: d, Connect: conn})
	require.NoError(t, err)
	require.True(t, ep.Established())
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: 9999})
	require.False(t, ep.Connected())
	require.False(t, ep.Broken(), "it is already")
	require.NoError(t, ep.Close())
}

// Of a shared CQ all who have joined are told, and of a queue pair who has its number.
func TestDeviceTellsSharedCQ(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTellingCQ(t, mock.Config{})
	s, err := e.NewSharedCQ(SharedCQConfig{CQ: cq})
	require.NoError(t, err)
	evds := make([]*EVD, 2)
	for i := range evds {
		evds[i], err = e.NewEVD(EVDConfig{Streams: DTO})
		require.NoError(t, err)
		_, err = evds[i].Join(s, uint32(i+1), 8)
		require.NoError(t, err)
	}
	sources := func(number EventNumber, n int) (from map[uint32]bool) {
		from = map[uint32]bool{}
		for range n {
			ev := nextAsync(t, e)
			require.Equal(t, number, ev.Number)
			from[ev.Source()] = true
		}
		noAsync(t, e)
		return from
	}
	all := map[uint32]bool{0: true, evds[0].ID(): true, evds[1].ID(): true}
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncOverrun})
	require.Equal(t, all, sources(CQOverrun, 3))
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncPortDown})
	require.Equal(t, all, sources(PortDown, 3))
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: 2})
	require.Equal(t, map[uint32]bool{evds[1].ID(): true}, sources(EndpointBroken, 1))
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: 3})
	noAsync(t, e)
	cq.tell(hwcq.AsyncEvent{Kind: hwcq.AsyncRemoved})
	require.Equal(t, all, sources(DeviceRemoved, 3))
	for _, d := range evds {
		require.NoError(t, d.Close())
	}
	require.NoError(t, s.Close())
	require.Nil(t, cq.listener())
}

// What the CQ dropped before it was given to the EVD is told of too.
func TestDeviceToldBefore(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTellingCQ(t, mock.Config{Depth: 4})
	_, err := cq.CompleteN(make([]hwcq.WC, 6), false)
	require.NoError(t, err)
	require.Positive(t, cq.Overruns())
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
	require.NoError(t, err)
	require.Equal(t, CQOverrun, nextAsync(t, e).Number)
}
