package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// What goes on inside an upcall, and at the end of an EVD, is traced too.
func TestTraceInside(t *testing.T) {
	var log strings.Builder
	e, err := New(Config{Workers: 1, Trace: TraceAll, Logger: testLogger(&log), AsyncUpcall: func(*Upcall) {}})
	require.NoError(t, err)
	inside := false
	d, err := e.NewEVD(EVDConfig{Name: "in", Policy: SingleInstance, Dispatch: DispatchInline, Upcall: func(u *Upcall) {
		if !inside {
			inside = true
			require.NoError(t, u.Post(Event{WRID: 2}))
		}
	}})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{WRID: 1}))
	require.NoError(t, d.Teardown(context.Background()))
	require.NoError(t, d.Post(Event{WRID: 3}))
	require.NoError(t, d.ReportAsync(ProviderError))
	require.ErrorIs(t, d.Shutdown(ended()), context.Canceled)
	_, err = d.Dequeue(make([]Event, 1))
	require.NoError(t, err)
	require.NoError(t, d.Shutdown(context.Background()))
	require.NoError(t, e.Shutdown(context.Background()))
	for _, want := range []string{
		`msg="evd_post_se(evd=in, wrid=2) = ok"`,
		`msg="evd_modify_upcall(evd=in, upcall_policy=teardown) = ok"`,
		`msg="evd_dequeue(evd=in, events=1)"`,
		`msg="evd_shutdown(evd=in) = engine: Shutdown: EVD`,
		`msg="evd_shutdown(evd=in) = ok"`,
		`msg="provider_error(evd=async`,
	} {
		require.Contains(t, log.String(), want)
	}
}

func TestNilContexts(t *testing.T) {
	e := newTestEngine(t, Config{})
	var none context.Context
	require.ErrorIs(t, e.Shutdown(none), ErrNilHandle)
	require.ErrorIs(t, e.CloseContext(none), ErrNilHandle)
	var d *EVD
	require.Nil(t, d.LastPanic())
}

// A Shutdown that gives up leaves an engine that takes nothing new, until
// somebody has dequeued what is there.
func TestShutdownGivesUp(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Capacity: 1, Streams: Software | CR})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.ErrorIs(t, d.PostCM(Event{Stream: CR, Number: ConnectionRequest}), ErrFull)
	require.ErrorIs(t, e.Shutdown(ended()), context.Canceled)
	require.ErrorIs(t, d.Post(Event{}), ErrClosed)
	require.ErrorIs(t, d.PostCM(Event{Stream: CR, Number: ConnectionRequest}), ErrClosed, "not ErrFull: it will not get better")
	_, err = d.Dequeue(make([]Event, 1))
	require.NoError(t, err)
	require.NoError(t, e.Shutdown(context.Background()))
	require.ErrorIs(t, d.ModifyUpcall(Teardown, Same), ErrClosed)
}

// Async errors that an upcall is there for are delivered before the engine is
// gone, and one that hangs keeps Shutdown until its context ends.
func TestShutdownDeliversAsync(t *testing.T) {
	in, goOn := make(chan struct{}), make(chan struct{})
	e, err := New(Config{Workers: 1, AsyncUpcall: func(*Upcall) {
		close(in)
		<-goOn
	}})
	require.NoError(t, err)
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	require.NoError(t, d.ReportAsync(ProviderError))
	<-in
	require.ErrorIs(t, e.Shutdown(ended()), context.Canceled)
	require.ErrorIs(t, e.CloseContext(ended()), context.Canceled)
	close(goOn)
	require.NoError(t, e.Shutdown(context.Background()))
}

// Enabling and tearing down from the inside.
func TestModifyInside(t *testing.T) {
	e := newTestEngine(t, Config{})
	var d *EVD
	closing := make(chan error)
	calls := 0
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Upcall: func(u *Upcall) {
		if calls++; calls == 1 {
			require.NoError(t, u.ModifyUpcall(Disable, Same))
			require.NoError(t, u.ModifyUpcallNew(SingleInstance, Same))
			return
		}
		go func() { closing <- d.Close() }()
		waitFor(t, func() bool { return d.load()&bCLOSE != 0 })
		require.ErrorIs(t, u.ModifyUpcall(Teardown, Same), ErrClosed)
	}})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, <-closing)
	require.Equal(t, 2, calls)
}

// With many upcalls notices count as events to share, and an arm that fails
// before an upcall is tried again after it.
func TestManyCorners(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 2})
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{ArmError: mock.Rule{First: 1, Count: 4}}})
	seen := make(chan Event, 16)
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeEvent, Policy: ManyLimit(2), Batch: 1, Upcall: func(u *Upcall) {
		for _, ev := range u.Events() {
			seen <- ev
		}
	}})
	require.NoError(t, err)
	for i := range uint64(3) {
		_, err = cq.Complete(hwcq.WC{WRID: i}, false)
		require.NoError(t, err)
	}
	for range 3 {
		<-seen
	}
	waitFor(t, func() bool { return d.Stats().ArmErrors > 0 })

	c, err := e.NewEVD(EVDConfig{Streams: Connection | CR, Policy: ManyLimit(2), Batch: 1, Upcall: func(u *Upcall) {
		for _, ev := range u.Events() {
			seen <- ev
		}
	}})
	require.NoError(t, err)
	ep, err := e.NewEndpoint(EndpointConfig{QPNum: 17, Recv: d, Connect: c})
	require.NoError(t, err)
	ep.Established()
	require.Equal(t, Established, (<-seen).Number)
	// The completion that breaks the connection is another EVD's event.
	_, err = cq.Complete(hwcq.WC{WRID: 9, QPNum: 17, Status: hwcq.StatusRetryExcErr}, false)
	require.NoError(t, err)
	numbers := []EventNumber{(<-seen).Number, (<-seen).Number}
	require.Contains(t, numbers, Broken)
}
