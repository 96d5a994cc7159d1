package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// nextAsync waits for the next async error.
func nextAsync(t *testing.T, e *Engine) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // maybe of virtual time: no limit(t)
	defer cancel()
	var buf [1]Event
	_, _, err := e.Async().Wait(ctx, 1, buf[:])
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "waited a minute in vain")
	return buf[0]
}

// The async EVD is the engine's: users neither close it nor post to it; what
// happens again before it is fetched is counted.
func TestAsyncEVD(t *testing.T) {
	var left []Event
	e, err := New(Config{Workers: 1, AsyncLeftovers: func(evs []Event) { left = append(left, evs...) }})
	require.NoError(t, err)
	a := e.Async()
	require.Equal(t, Async, a.Query().Streams)
	require.ErrorIs(t, a.Close(), ErrBusy)
	require.ErrorIs(t, a.Shutdown(context.Background()), ErrBusy)
	require.ErrorIs(t, a.Post(Event{}), ErrStream)
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	for range 5 {
		require.NoError(t, d.ReportAsync(ProviderError))
	}
	require.NoError(t, d.ReportAsync(CQOverrun))
	require.NoError(t, d.ReportAsync(DeviceRemoved))
	requireInvalid(t, d.ReportAsync(Broken), "n = broken")
	buf := make([]Event, 2)
	n, err := a.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, ProviderError, buf[0].Number)
	require.Equal(t, 5, buf[0].Count())
	require.Equal(t, d.ID(), buf[0].Source())
	require.Equal(t, CQOverrun, buf[1].Number)
	ev := Event{SrcQP: 9, ByteLen: 9}
	require.Zero(t, ev.Source(), "not an async error")
	require.Equal(t, 1, ev.Count())
	require.NoError(t, e.Close())
	require.Len(t, left, 1)
	require.Equal(t, DeviceRemoved, left[0].Number)
}

// An upcall for async errors, with nothing else to do.
func TestAsyncUpcall(t *testing.T) {
	got := make(chan Event, 1)
	e := newTestEngine(t, Config{AsyncUpcall: func(u *Upcall) { got <- u.Events()[0] }})
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	require.NoError(t, d.ReportAsync(ProviderError))
	require.Equal(t, ProviderError, (<-got).Number)
}

// A CQ in error after an overrun, or one whose device is gone: what it holds is
// delivered, the async error comes once, and a waiter with nothing left to wait
// for is told.
func TestCQEnds(t *testing.T) {
	for name, end := range map[string]func(cq *mock.CQ){
		"overrun": func(cq *mock.CQ) { _, _ = cq.CompleteN(make([]hwcq.WC, 8), false) },
		"removed": func(cq *mock.CQ) {
			_, _ = cq.CompleteN(make([]hwcq.WC, 4), false)
			cq.Remove()
		},
	} {
		for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
				cq := newTestCQ(t, mock.Config{Depth: 4, FatalOverrun: true})
				var got atom.Uint64
				d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: mode, Policy: SingleInstance, Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) }})
				require.NoError(t, err)
				waitFor(t, func() bool { return cq.Stats().Arms > 0 })
				end(cq)
				waitFor(t, func() bool { return got.Load() == 4 })
				want, cause := CQOverrun, hwcq.ErrOverrun
				if name == "removed" {
					want, cause = DeviceRemoved, hwcq.ErrRemoved
				}
				ev := nextAsync(t, e)
				require.Equal(t, want, ev.Number)
				require.Equal(t, 1, ev.Count())
				require.NoError(t, d.Teardown(context.Background()))
				_, _, err = d.Wait(context.Background(), 1, make([]Event, 1))
				require.ErrorIs(t, err, cause)
				require.Zero(t, e.Async().Query().Pending)
			})
		}
	}
}

// A waiter that sleeps while its CQ fails is told, by whoever finds out.
func TestCQEndsUnderWaiter(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
		cq := newTestCQ(t, mock.Config{Depth: 4, FatalOverrun: true})
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: mode})
		require.NoError(t, err)
		got := 0
		done := make(chan error, 1)
		go func() {
			for {
				n, _, err := d.Wait(context.Background(), 1, make([]Event, 1))
				if got += n; err != nil {
					done <- err
					return
				}
			}
		}()
		waitFor(t, func() bool { return d.load()&bWAIT != 0 })
		_, _ = cq.CompleteN(make([]hwcq.WC, 8), false)
		require.ErrorIs(t, <-done, hwcq.ErrOverrun)
		require.Equal(t, 4, got)
	}
}

// A CQ that has failed for good is not armed again and again.
func TestFailedCQIsLeftAlone(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 4, FatalOverrun: true})
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {}})
	_, _ = cq.CompleteN(make([]hwcq.WC, 8), false)
	d.look()
	require.EqualValues(t, 4, d.Stats().Delivered)
	require.EqualValues(t, 1, d.Stats().ArmErrors)
	require.False(t, d.testPoller().ctl.Load()&cRetry != 0)
	// Nor does it keep upcalls from being enabled again, for what else comes.
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	require.EqualValues(t, 1, d.Stats().ArmErrors)
}

// What becomes visible on a CQ after its end, when the poller sleeps, is found by
// the watchdog: the poller does not count as watching.
func TestLateOnEndedCQ(t *testing.T) {
	inner := newTestCQ(t, mock.Config{})
	d := stillEVD(t, endedCQ{inner}, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {}})
	d.links()[0].watch()
	d.look()
	require.True(t, d.testPoller().rest())
	one(t, inner, 1)
	d.e.tick()
	d.e.tick()
	require.EqualValues(t, 1, d.Stats().LostInterrupts)
}

// endedCQ is a CQ in error.
type endedCQ struct{ *mock.CQ }

func (endedCQ) Arm(bool) (bool, error) { return false, hwcq.ErrOverrun }

// Completions dropped by a CQ that goes on are found by the watchdog.
func TestLossyOverrun(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	cq := newTestCQ(t, mock.Config{Depth: 4})
	_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	e.tick()
	require.Zero(t, e.Async().Query().Pending)
	_, err = cq.CompleteN(make([]hwcq.WC, 9), false)
	require.NoError(t, err)
	e.tick()
	e.tick()
	ev := nextAsync(t, e)
	require.Equal(t, CQOverrun, ev.Number)
	require.Equal(t, 1, ev.Count())
}

// A lost interrupt is found by the watchdog itself, for an upcall and for a
// waiter, through a pump too; it is counted, and the CQ is armed again.
func TestLostInterrupt(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		e := newTestEngine(t, Config{Workers: 1, Watchdog: time.Millisecond})
		cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
		got := make(chan uint64, 4)
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: disp, Policy: SingleInstance, Upcall: func(u *Upcall) {
			for _, ev := range u.Events() {
				got <- ev.WRID
			}
		}})
		require.NoError(t, err)
		waitFor(t, func() bool { return cq.Stats().Arms == 1 && d.links()[0].owner.load().run() == 0 })
		one(t, cq, 1)
		require.EqualValues(t, 1, <-got)
		require.EqualValues(t, 1, d.Stats().LostInterrupts)
		require.Equal(t, LostInterrupt, nextAsync(t, e).Number)
		one(t, cq, 2)
		require.EqualValues(t, 2, <-got)
	}
	e := newTestEngine(t, Config{Workers: 1, Watchdog: time.Millisecond})
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	done, evs, _ := waitIn(t, context.Background(), d, 1, 1)
	one(t, cq, 5)
	require.NoError(t, <-done)
	require.EqualValues(t, 5, (*evs)[0].WRID)
}

// The watchdog at each look, step by step.
func TestWatchdogLooks(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {}})
	d.e.tick()
	d.e.tick()
	require.Zero(t, d.Stats().LostInterrupts, "nothing is there")
	one(t, cq, 1)
	d.e.tick()
	d.look() // somebody took it in time
	one(t, cq, 2)
	d.e.tick()
	require.Zero(t, d.Stats().LostInterrupts, "another completion")
	d.e.tick()
	require.EqualValues(t, 1, d.Stats().LostInterrupts)
	require.True(t, d.runQueued(t))
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	one(t, cq, 3)
	d.e.tick()
	d.e.tick()
	require.EqualValues(t, 1, d.Stats().LostInterrupts, "disabled")
}

// An upcall that does not return is reported, once, and Close waits no longer
// than its context.
func TestStuckUpcall(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, Watchdog: time.Millisecond, StuckAfter: 3 * time.Millisecond})
	in, out := make(chan struct{}), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { close(in); <-out }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	<-in
	ev := nextAsync(t, e)
	require.Equal(t, StuckUpcall, ev.Number)
	require.Equal(t, d.ID(), ev.Source())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.CloseContext(ctx), context.Canceled)
	require.ErrorIs(t, d.Post(Event{}), ErrClosed)
	require.Zero(t, e.Async().Query().Pending, "once")
	close(out)
	require.NoError(t, d.Close())
}

// Upcalls that block hold their workers; others get new ones.
func TestWorkersAdded(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, MaxWorkers: 2, Watchdog: time.Millisecond})
	out := make(chan struct{})
	blocked, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { <-out }})
	require.NoError(t, err)
	got := make(chan struct{})
	other, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { close(got) }})
	require.NoError(t, err)
	require.NoError(t, blocked.Post(Event{}))
	waitFor(t, func() bool { return blocked.Query().Running == 1 })
	require.NoError(t, other.Post(Event{}))
	<-got
	close(out)
}

// A panic is contained: upcalls are disabled, the async error tells, the batch
// and the stack are kept, nothing else is lost, and upcalls may be enabled
// again.
func TestPanic(t *testing.T) {
	for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
		e := newTestEngine(t, Config{Workers: 1})
		var d *EVD
		thrown := false
		var got []uint64
		d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Dispatch: disp, Batch: 2, Upcall: func(u *Upcall) {
			if !thrown {
				thrown = true
				_ = u.Post(Event{WRID: 8})
				panic("oops")
			}
			got = append(got, u.Events()[0].WRID)
		}})
		require.NoError(t, err)
		require.Nil(t, d.LastPanic())
		require.NoError(t, d.Post(Event{WRID: 7}))
		ev := nextAsync(t, e)
		require.Equal(t, UpcallPanic, ev.Number)
		require.Equal(t, d.ID(), ev.Source())
		p := d.LastPanic()
		require.Equal(t, "oops", p.Value)
		require.Contains(t, string(p.Stack), "TestPanic")
		require.Len(t, p.Events, 1)
		require.EqualValues(t, 7, p.Events[0].WRID)
		require.Equal(t, Disable, d.Query().Policy)
		require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending)
		require.NoError(t, d.ModifyUpcallAny(SingleInstance, Same))
		waitFor(t, func() bool { return d.Stats().Delivered == 2 })
		require.NoError(t, d.Close())
		require.Equal(t, []uint64{8}, got)
		require.EqualValues(t, 1, d.Stats().Panics)
	}
}

// With Repanic it goes on up the stack, after the same.
func TestRepanic(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Repanic: true, Upcall: func(*Upcall) { panic("oops") }})
	require.NoError(t, err)
	require.PanicsWithValue(t, "oops", func() { _ = d.Post(Event{}) })
	require.Equal(t, UpcallPanic, nextAsync(t, e).Number)
	require.Equal(t, Disable, d.Query().Policy)
	require.NoError(t, d.Close())
}

// Shutdown refuses posts, waits until everything is delivered, and closes.
func TestShutdown(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	cq := newTestCQ(t, mock.Config{})
	gate := make(chan struct{})
	var got atom.Uint64
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 2, Policy: SingleInstance,
		Upcall:    func(u *Upcall) { <-gate; got.Add(uint64(len(u.Events()))) },
		Leftovers: func([]Event) { t.Error("left over") },
	})
	require.NoError(t, err)
	complete(t, cq, 20)
	require.NoError(t, errAny(d.Post(Event{}), ErrFull))
	posted := d.Stats().Posted
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Shutdown(ctx), context.Canceled)
	require.ErrorIs(t, d.Post(Event{}), ErrClosed)
	close(gate)
	require.NoError(t, e.Shutdown(context.Background()))
	require.EqualValues(t, 20+posted, got.Load())
	require.NoError(t, e.Shutdown(context.Background()))
	_, err = e.NewEVD(EVDConfig{})
	require.ErrorIs(t, err, ErrClosed)
}

// errAny is nil for nil and the allowed errors.
func errAny(err error, allowed ...error) error {
	for _, a := range allowed {
		if errors.Is(err, a) {
			return nil
		}
	}
	return err
}

// Query tells what is.
func TestQuery(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Name: "q", Capacity: 3, Policy: Many, Upcall: func(*Upcall) {}})
	require.NoError(t, d.Post(Event{}))
	q := d.Query()
	require.Equal(t, "q", q.Name)
	require.Equal(t, d.ID(), q.ID)
	require.Equal(t, Software, q.Streams)
	require.False(t, q.Waiting)
	require.Equal(t, 3, q.Capacity)
	require.Equal(t, 1, q.Pending)
	require.Equal(t, SingleInstance, q.Policy, "one worker: many is one")
	require.True(t, q.Waitable)
	require.True(t, q.Armed)
	require.EqualValues(t, 1, q.Stats.Posted)
	require.NoError(t, d.ModifyUpcall(NotificationOnly, Same))
	require.Equal(t, NotificationOnly, d.Query().Policy)
	require.NoError(t, d.ModifyUpcall(ManyLimit(7), Same))
	require.Equal(t, "many(7)", d.Query().Policy.String())
	require.NoError(t, d.SetUnwaitable())
	require.False(t, d.Query().Waitable)
	require.NoError(t, d.Teardown(context.Background()))
	require.Equal(t, Disable, d.Query().Policy)
	require.NoError(t, d.Close())
	require.True(t, d.Query().Closed)
	require.Zero(t, (*EVD)(nil).Query())
	for p, want := range map[Policy]string{Teardown: "teardown", Disable: "disable", SingleInstance: "single_instance", NotificationOnly: "notification_only", Many: "many", 3: "policy(3)", Many + MaxInstances + 1: "policy(1125)"} {
		require.Equal(t, want, p.String())
	}
}

// Handles that are nil or zero, and calls on what is closed: an error each, and
// no panic.
func TestHandles(t *testing.T) {
	ctx := context.Background()
	buf := make([]Event, 1)
	for _, d := range []*EVD{nil, {}} {
		for name, err := range map[string]error{
			"modify": d.ModifyUpcall(Disable, Same), "teardown": d.Teardown(ctx), "close": d.Close(), "shutdown": d.Shutdown(ctx),
			"wake": d.Wake(), "unwaitable": d.SetUnwaitable(), "waitable": d.ClearUnwaitable(), "async": d.ReportAsync(ProviderError),
			"dequeue": second(d.Dequeue(buf)), "wait": third(d.Wait(ctx, 1, buf)), "batch": third(d.WaitBatch(ctx, 1, 0, buf)),
		} {
			require.ErrorIs(t, err, ErrNilHandle, name)
			require.ErrorIs(t, err, ErrInvalid, name)
		}
		require.Error(t, d.Post(Event{}))
	}
	var e *Engine
	_, err := e.NewEVD(EVDConfig{})
	require.ErrorIs(t, err, ErrNilHandle)
	_, err = e.NewEndpoint(EndpointConfig{})
	require.ErrorIs(t, err, ErrNilHandle)
	require.ErrorIs(t, e.Close(), ErrNilHandle)
	require.ErrorIs(t, (&Engine{}).Shutdown(ctx), ErrNilHandle)
	require.Nil(t, e.Async())

	d := stillEVD(t, nil, EVDConfig{Upcall: func(*Upcall) {}, Capacity: 3})
	for _, threshold := range []int{-1, 0, 4} {
		_, _, err := d.Wait(ctx, threshold, buf)
		require.ErrorIs(t, err, ErrThreshold)
		requireInvalid(t, err, "must be 1..3")
	}
	_, _, err = d.Wait(ctx, 1, nil)
	requireInvalid(t, err, "dst")
	var none context.Context
	_, _, err = d.Wait(none, 1, buf)
	require.ErrorIs(t, err, ErrNilHandle)
	require.ErrorIs(t, d.Teardown(none), ErrNilHandle)
	require.ErrorIs(t, d.CloseContext(none), ErrNilHandle)
	require.ErrorIs(t, d.Shutdown(none), ErrNilHandle)
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	_, _, err = d.Wait(ctx, 1, buf)
	require.ErrorIs(t, err, ErrEnabled)
	require.NoError(t, d.Close())
	for _, err := range []error{
		d.ModifyUpcall(SingleInstance, Same), d.ModifyUpcall(Disable, Same), d.Teardown(ctx), d.Post(Event{}),
		second(d.Dequeue(buf)), third(d.Wait(ctx, 1, buf)),
	} {
		require.ErrorIs(t, err, ErrClosed)
	}
}

func second(_ int, err error) error   { return err }
func third(_, _ int, err error) error { return err }

// WaitBatch returns at the threshold or after its latency, with what is there.
func TestWaitBatch(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{})
	buf := make([]Event, 8)
	n, more, err := d.WaitBatch(context.Background(), 3, time.Millisecond, buf)
	require.NoError(t, err)
	require.Zero(t, n+more)
	for range 2 {
		require.NoError(t, d.Post(Event{}))
	}
	n, more, err = d.WaitBatch(context.Background(), 3, time.Millisecond, buf)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Zero(t, more)
	for range 3 {
		require.NoError(t, d.Post(Event{}))
	}
	n, more, err = d.WaitBatch(context.Background(), 3, time.Hour, buf[:1])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 2, more)
}

// A deadline is absolute: being woken for too few events does not prolong it.
func TestWaitDeadlineIsAbsolute(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				d.wakeWaiter()
				time.Sleep(time.Millisecond)
			}
		}
	}()
	_, _, err := d.Wait(ctx, 1, make([]Event, 1))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// The iterator yields events until the loop ends, and takes none that it does
// not yield.
func TestEventsIterator(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{})
	for i := range uint64(4) {
		require.NoError(t, d.Post(Event{WRID: i}))
	}
	var got []uint64
	for ev, err := range d.Events(context.Background()) {
		require.NoError(t, err)
		if got = append(got, ev.WRID); len(got) == 2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	for ev, err := range d.Events(ctx) {
		if last = err; err != nil {
			continue
		}
		if got = append(got, ev.WRID); len(got) == 4 {
			cancel()
		}
	}
	require.Equal(t, []uint64{0, 1, 2, 3}, got)
	require.ErrorIs(t, last, context.Canceled)
}

// A wait allocates nothing, and neither does a Dequeue of what it left.
func TestZeroAllocWait(t *testing.T) {
	if atom.Exploring {
		t.Skip("instrumented atomics allocate")
	}
	d := stillEVD(t, newTestCQ(t, mock.Config{}), EVDConfig{})
	cq := d.links()[0].cq.(*mock.CQ)
	buf := make([]Event, 1)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(200, func() {
		_, _ = cq.Complete(hwcq.WC{}, false)
		_, _ = cq.Complete(hwcq.WC{}, false)
		if _, _, err := d.Wait(ctx, 2, buf); err != nil {
			t.Fatal(err)
		}
		if n, _ := d.Dequeue(buf); n != 1 {
			t.Fatal("lost")
		}
	}))
}

// Policies by name only: what a trace line says is what was called.
func TestTrace(t *testing.T) {
	var log strings.Builder
	e, err := New(Config{Workers: 1, Trace: TraceAll, Logger: testLogger(&log)})
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{Name: "io", CQs: []hwcq.CQ{cq}, Streams: DTO | Software | Connection, Mode: ModeEvent})
	require.NoError(t, err)
	ep, err := e.NewEndpoint(EndpointConfig{QPNum: 17, Recv: d, Connect: d})
	require.NoError(t, err)
	ep.Established()
	require.NoError(t, d.Post(Event{WRID: 1}))
	_, err = cq.Complete(hwcq.WC{WRID: 2, QPNum: 17, Opcode: hwcq.OpRecv, ByteLen: 64}, false)
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{WRID: 3, QPNum: 17, Status: hwcq.StatusRetryExcErr}, false)
	require.NoError(t, err)
	for range 5 {
		_, _, err = d.Wait(context.Background(), 1, make([]Event, 1))
		require.NoError(t, err)
	}
	require.Error(t, d.ModifyUpcall(SingleInstance, Same))
	require.NoError(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}))
	require.NoError(t, d.Post(Event{}))
	waitFor(t, func() bool { return d.Stats().Delivered == 1 })
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.NoError(t, d.ReportAsync(ProviderError))
	require.NoError(t, ep.Close())
	require.NoError(t, d.Close())
	require.NoError(t, e.Close())
	for _, want := range []string{
		`msg="evd_create(evd=io, min_qlen=1024, upcall_policy=disable, flags=software|dto|connection, cqs=1)" category=api`,
		`msg="evd_post_se(evd=io, wrid=0x1) = ok" category=api`,
		`msg="evd_wait(evd=io, events=1)" category=api`,
		`msg="dto_completion(evd=io, wrid=0x2, qp=17, status=success, opcode=recv, byte_len=64)" category=completion`,
		`msg="dto_completion(evd=io, wrid=0x3, qp=17, status=transport retry count exceeded)" category=completion`,
		`msg="ep_event(qp=17, event=broken)" category=endpoint`,
		`upcall_policy=single_instance, upcall=same, flag=strict) = engine: ModifyUpcall: fn = Same: must be a function`,
		`upcall_policy=single_instance, upcall=engine.TestTrace.func1, flag=strict) = ok" category=api`,
		`msg="evd_upcall(evd=io, events=1)" category=evd`,
		`msg="cq_arm(evd=io, cq=0, solicited_only=false)" category=cq`,
		`msg="async_error(event=provider_error, evd=io, cq=0)" category=async`,
		`msg="evd_free(evd=io) = ok" category=api`,
	} {
		require.Contains(t, log.String(), want)
	}
	requireInvalid(t, Config{Trace: 0x80}.Validate(), "Trace = trace(0x80)")
}

// lyingCQ promises a completion that it does not have, for a while.
type lyingCQ struct {
	*mock.CQ
	lies int
}

func (c *lyingCQ) Pending() bool {
	if c.lies > 0 {
		c.lies--
		return true
	}
	return c.CQ.Pending()
}

// A driver's promise that does not hold is no event: Wait goes on.
func TestWaitBelievesPollOnly(t *testing.T) {
	cq := &lyingCQ{CQ: newTestCQ(t, mock.Config{}), lies: 4}
	d := stillEVD(t, cq, EVDConfig{Streams: DTO})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n, _, err := d.Wait(ctx, 1, make([]Event, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
	require.Zero(t, d.Stats().Waits)
	require.Zero(t, cq.lies)
}

// What enabling has left on purpose is delivered neither by the poller's first
// act nor by the watchdog, and is no lost interrupt; a later one still is found.
func TestNewLeavesWhatIsThere(t *testing.T) {
	inner := newTestCQ(t, mock.Config{})
	cq := &steppedCQ{CQ: inner, EventSource: inner.Events()}
	var got []uint64
	d := stillEVD(t, cq, EVDConfig{Upcall: collect(&got)})
	one(t, cq, 1)
	require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
	d.testPoller().serve() // its CQ says at once that it is closed
	for range 3 {
		d.e.tick()
	}
	require.Empty(t, got)
	require.Zero(t, d.Stats().LostInterrupts)
	one(t, cq, 2)
	d.interrupt()
	require.Equal(t, []uint64{1, 2}, got)
	one(t, cq, 3)
	d.e.tick()
	d.e.tick()
	require.EqualValues(t, 1, d.Stats().LostInterrupts)
}

// A direct hand-off does not go ahead of what enabling has left; once that is
// taken, posts are handed off directly again.
func TestNewThenDirect(t *testing.T) {
	inner := newTestCQ(t, mock.Config{})
	var got []uint64
	d := stillEVD(t, inner, EVDConfig{Upcall: collect(&got), Dispatch: DispatchInline, Streams: DTO | Software})
	one(t, inner, 1)
	require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
	require.NoError(t, d.Post(Event{WRID: 2}))
	require.ElementsMatch(t, []uint64{1, 2}, got)
	require.Zero(t, d.Stats().Direct)
	require.NoError(t, d.Post(Event{WRID: 3}))
	require.EqualValues(t, 1, d.Stats().Direct)
}
