package engine

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// heldShared is a shared CQ whose machine is held up by an upcall, of an EVD that has
// joined with queue pair 9, until open is called.
func heldShared(t *testing.T, e *Engine, cq *mock.CQ) (s *SharedCQ, holder *Credits, open func()) {
	t.Helper()
	s = newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	gate, in := make(chan struct{}), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(*Upcall) {
		close(in)
		<-gate
	}})
	require.NoError(t, err)
	holder = testJoin(t, d, s, 9, 1)
	completeQP(t, cq, 9, 1)
	<-in
	return s, holder, func() { close(gate) }
}

// solicitedShared is a shared CQ that sleeps, and is woken by what is solicited only.
func solicitedShared(t *testing.T, e *Engine, cq *mock.CQ) *SharedCQ {
	t.Helper()
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent, SolicitedOnly: true})
	waitFor(t, func() bool { return s.Stats().Arms == 1 && s.load().run() == 0 })
	return s
}

// The engine's Shutdown closes nobody while the shared CQ has something that breaks
// his connection.
func TestSharedShutdownOfAll(t *testing.T) {
	f, err := mock.ParseFaults("lose=1") // so that nothing but Shutdown has it looked at
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{Faults: f})
	e := newTestEngine(t, Config{})
	s := solicitedShared(t, e, cq)
	got := make(chan Event, 1)
	conn, err := e.NewEVD(EVDConfig{Streams: Connection, Policy: SingleInstance, Upcall: func(u *Upcall) { got <- u.Events()[0] }})
	require.NoError(t, err)
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 4)
	_, err = e.NewEndpoint(EndpointConfig{QPNum: 1, Recv: d, Connect: conn})
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{WRID: 1, QPNum: 1, Status: hwcq.StatusRemAccessErr}, false)
	require.NoError(t, err)
	require.NoError(t, e.Shutdown(limit(t)))
	require.Len(t, got, 1)
	require.Equal(t, Broken, (<-got).Number)
}

// Who leaves while Disconnected waits for the shared CQ gets it, also when that is
// closed before it routes anything.
func TestSharedLeaveTellsDisconnected(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s, holder, open := heldShared(t, e, cq)
	got := make(chan EventNumber, 1)
	d, err := e.NewEVD(EVDConfig{Streams: DTO | Connection, Policy: SingleInstance, Upcall: func(u *Upcall) { got <- u.Events()[0].Number }})
	require.NoError(t, err)
	c := testJoin(t, d, s, 1, 4)
	ep, err := e.NewEndpoint(EndpointConfig{QPNum: 1, Recv: d, Connect: d})
	require.NoError(t, err)
	completeQP(t, cq, 2, 1) // of nobody
	require.True(t, ep.Disconnected())
	waitFor(t, func() bool { return s.asks.Load() == 1 && d.load()&(runMask|bQUED|bMISS) == 0 })
	require.NoError(t, c.Close())
	require.NoError(t, holder.Close())
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	waitFor(t, func() bool { return s.load().lim() == 0 })
	open()
	require.NoError(t, <-closed)
	select {
	case n := <-got:
		require.Equal(t, Disconnected, n)
	case <-limit(t).Done():
		require.FailNow(t, "Disconnected is lost")
	}
}

// What one queue pair leaves behind in the port is not held against another.
func TestSharedLeaveIsNoOverflow(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 64})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	a, b := testJoin(t, d, s, 1, 4), testJoin(t, d, s, 2, 2)
	require.NoError(t, a.Acquire(4))
	completeQP(t, cq, 1, 1, 2, 3, 4)
	waitFor(t, func() bool { return s.Stats().Polled == 4 })
	require.NoError(t, a.Close())
	require.NoError(t, b.Acquire(2))
	completeQP(t, cq, 2, 1, 2)
	waitFor(t, func() bool { return s.Stats().Polled == 6 })
	var buf [8]Event
	n, err := e.Async().Dequeue(buf[:])
	require.NoError(t, err)
	require.Zero(t, n)
	completeQP(t, cq, 2, 3)
	n, _, err = e.Async().Wait(limit(t), 1, buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n, "one too many")
	require.Equal(t, EVDOverflow, buf[0].Number)
}

// What has been taken from a port is counted before the port can go.
func TestSharedLeaveCounts(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	c := testJoin(t, d, s, 1, 4)
	completeQP(t, cq, 1, 1)
	waitFor(t, func() bool { return s.Stats().Polled == 1 && s.load().run() == 0 })
	require.Equal(t, 1, d.direct()[0].cq.Poll(make([]hwcq.WC, 1))) // as who takes, and is slow then
	require.NoError(t, c.Close())
	require.Empty(t, d.links())
	require.EqualValues(t, 1, d.Stats().Polled)
}

// Whose event has been told is kept no longer.
func TestSharedForgetsPorts(t *testing.T) {
	const evds = 4
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	var wcs []hwcq.WC
	for i := range uint32(evds) {
		d, err := e.NewEVD(EVDConfig{Streams: DTO})
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		testJoin(t, d, s, i, 2)
		wcs = append(wcs, hwcq.WC{QPNum: i})
	}
	_, err := cq.CompleteN(wcs, false)
	require.NoError(t, err)
	waitFor(t, func() bool { return s.Stats().Polled == evds && s.load().run() == 0 })
	for _, p := range s.due[:cap(s.due)] {
		require.Nil(t, p)
	}
}

// With Config.Regions an upcall on the shared CQ's goroutine has its labels.
func TestSharedRegions(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Regions: true})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	labelled := make(chan bool, 1)
	d, err := e.NewEVD(EVDConfig{Name: "on shared", Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(*Upcall) {
		labelled <- bytes.Contains(goroutines(t), []byte(`"evd":"upcall", "name":"on shared`))
	}})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 1)
	completeQP(t, cq, 1, 1)
	require.True(t, <-labelled)
}
