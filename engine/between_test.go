package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// What is between two places, or waits its turn, is not lost and does not look so.

// A pump that waits for room in a full ring is no lost interrupt, however often
// the watchdog looks.
func TestStalledPumpIsNoLostInterrupt(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTestCQ(t, mock.Config{Depth: 16})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1})
	require.NoError(t, err)
	_, err = cq.CompleteN(make([]hwcq.WC, 8), false)
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Stalls == 1 && d.pumps()[0].load().run() == 0 })
	for range 5 {
		e.tick()
	}
	require.Zero(t, d.Stats().LostInterrupts)
	cq.Remove()
	waitFor(t, func() bool { return d.links()[0].failed.Load() != 0 && d.pumps()[0].load().run() == 0 })
	for range 5 {
		e.tick()
	}
	require.Zero(t, d.Stats().LostInterrupts, "an end makes it none")
}

// Neither is a run that waits for a worker.
func TestQueuedRunIsNoLostInterrupt(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, MaxWorkers: 1, Watchdog: NoWatchdog})
	begun, goOn := make(chan bool), make(chan bool)
	busy, err := e.NewEVD(EVDConfig{Dispatch: DispatchQueued, Policy: SingleInstance, Upcall: func(*Upcall) {
		begun <- true
		<-goOn
	}})
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{
		Streams: DTO | Connection, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: DispatchQueued,
		Policy: SingleInstance, Upcall: func(*Upcall) {},
	})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Arms == 1 && d.load().run() == 0 })
	require.NoError(t, busy.Post(Event{}))
	<-begun
	one(t, cq, 1)
	waitFor(t, func() bool { return d.load()&bQUED != 0 })
	for range 5 {
		e.tick()
	}
	require.Zero(t, d.Stats().LostInterrupts)
	close(goOn)
	waitFor(t, func() bool { return d.Stats().Delivered == 1 })
}

// Enabling for what is new works with a full ring and a pump that holds back.
func TestEnableNewStalled(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTestCQ(t, mock.Config{Depth: 16})
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1, Upcall: func(*Upcall) {},
	})
	require.NoError(t, err)
	one(t, cq, 1)
	one(t, cq, 2)
	waitFor(t, func() bool { return d.Stats().Stalls == 1 && d.pumps()[0].load().run() == 0 })
	require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
	one(t, cq, 3)
	waitFor(t, func() bool { return d.Stats().Delivered == 3 })
}

// An orderly end does not wait for one who waits for events that do not come.
func TestShutdownBesideWaiter(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		for _, err := range d.Events(context.Background()) {
			if err != nil {
				done <- err
			}
		}
	}()
	require.NoError(t, d.Post(Event{}))
	waitFor(t, func() bool { return d.load()&bWAIT != 0 && !d.pending() })
	require.NoError(t, d.Shutdown(limit(t)))
	require.ErrorIs(t, <-done, ErrClosed)
}

// A waiter who comes while another arms to enable, and believes that it is armed.
func TestEnableBesideWaiter(t *testing.T) {
	arming, goOn := make(chan bool, 1), make(chan bool)
	cq := newTestCQ(t, mock.Config{Hooks: mock.Hooks{BeforeArm: func() {
		select {
		case arming <- true:
			<-goOn
		default: // only the first arm is slow
		}
	}}})
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	refused := make(chan error, 1)
	go func() { refused <- d.ModifyUpcall(SingleInstance, Same) }()
	waitFor(t, func() bool { return len(arming) == 1 })
	ctx := limit(t)
	done := make(chan error, 1)
	go func() {
		_, _, err := d.Wait(ctx, 1, make([]Event, 1))
		done <- err
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	one(t, cq, 1)
	close(goOn)
	if err := <-refused; err != nil { // or the waiter was gone before it looked again
		require.True(t, errors.Is(err, ErrWaiter) || errors.Is(err, ErrEventsPending), err)
	}
	require.NoError(t, <-done)
}

// Each connection has its end behind its completions, the second one too.
func TestDisconnectedAgain(t *testing.T) {
	e := newTestEngine(t, Config{})
	cq := newTestCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{Streams: DTO | Connection, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Batch: 1})
	require.NoError(t, err)
	for qp := range uint32(3) {
		ep, err := e.NewEndpoint(EndpointConfig{QPNum: qp, Recv: d, Request: d, Connect: d})
		require.NoError(t, err)
		require.True(t, ep.Established())
		_, err = cq.Complete(hwcq.WC{QPNum: qp}, false)
		require.NoError(t, err)
		require.True(t, ep.Disconnected())
		var got []EventNumber
		for len(got) < 3 {
			var buf [4]Event
			n, err := d.Dequeue(buf[:])
			require.NoError(t, err)
			require.NotZero(t, n)
			for i := range n {
				got = append(got, buf[i].Number)
			}
		}
		require.Equal(t, []EventNumber{Established, DTOCompletion, Disconnected}, got)
	}
}

// An upcall without events is called for what the engine itself makes, too.
func TestNotificationOfNotice(t *testing.T) {
	e := newTestEngine(t, Config{})
	told := make(chan EventNumber, 1)
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	require.NoError(t, e.Async().ModifyUpcall(NotificationOnly, func(u *Upcall) {
		var buf [1]Event
		if n, _ := u.Dequeue(buf[:]); n == 1 {
			told <- buf[0].Number
		}
	}))
	require.NoError(t, d.ReportAsync(ProviderError))
	select {
	case n := <-told:
		require.Equal(t, ProviderError, n)
	case <-time.After(time.Minute):
		require.Fail(t, "not told")
	}
}

// An orderly end has what waits for something else delivered: what enabling for new
// events left, completions that were not solicited, less than a waiter asked for.
func TestShutdownHurries(t *testing.T) {
	shutdown := func(t *testing.T, d *EVD) {
		t.Helper()
		require.NoError(t, d.Shutdown(limit(t)))
	}
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	t.Run("left for new", func(t *testing.T) {
		d, err := e.NewEVD(EVDConfig{Upcall: func(*Upcall) {}})
		require.NoError(t, err)
		require.NoError(t, d.Post(Event{}))
		require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
		shutdown(t, d)
		require.EqualValues(t, 1, d.Stats().Delivered)
	})
	t.Run("left for new meanwhile", func(t *testing.T) {
		d, err := e.NewEVD(EVDConfig{Upcall: func(*Upcall) {}})
		require.NoError(t, err)
		require.NoError(t, d.Post(Event{}))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, d.Shutdown(ctx), context.Canceled)
		require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
		waitFor(t, func() bool { return d.Stats().Delivered == 1 })
	})
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run("unsolicited/"+disp.String(), func(t *testing.T) {
			cq := newTestCQ(t, mock.Config{})
			d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: disp, SolicitedOnly: true, Policy: SingleInstance, Upcall: func(*Upcall) {}})
			require.NoError(t, err)
			waitFor(t, func() bool { return d.Stats().Arms == 1 && d.links()[0].owner.load().run() == 0 })
			one(t, cq, 1)
			shutdown(t, d)
			require.EqualValues(t, 1, d.Stats().Delivered)
		})
	}
	t.Run("below the threshold", func(t *testing.T) {
		d, err := e.NewEVD(EVDConfig{})
		require.NoError(t, err)
		got := make(chan int, 1)
		go func() {
			n, _, _ := d.Wait(context.Background(), 2, make([]Event, 2))
			got <- n
		}()
		waitFor(t, func() bool { return d.load()&bWAIT != 0 })
		require.NoError(t, d.Post(Event{}))
		shutdown(t, d)
		require.Equal(t, 1, <-got)
	})
}

// An EVD that was found empty gets the end of a connection from another one.
func TestShutdownOfAll(t *testing.T) {
	e, err := New(Config{})
	require.NoError(t, err)
	told := make(chan EventNumber, 1)
	conn, err := e.NewEVD(EVDConfig{Streams: Connection, Policy: SingleInstance, Upcall: func(u *Upcall) { told <- u.Events()[0].Number }})
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{})
	begun, goOn := make(chan bool), make(chan bool)
	dto, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Batch: 1, Upcall: func(u *Upcall) {
		if u.Events()[0].Status == hwcq.StatusSuccess {
			begun <- true
			<-goOn
		}
	}})
	require.NoError(t, err)
	_, err = e.NewEndpoint(EndpointConfig{QPNum: 7, Recv: dto, Connect: conn})
	require.NoError(t, err)
	one(t, cq, 1)
	<-begun
	_, err = cq.Complete(hwcq.WC{QPNum: 7, Status: hwcq.StatusRemAccessErr}, false)
	require.NoError(t, err)
	go func() {
		for dto.flags.Load()&fSealed == 0 {
			time.Sleep(time.Millisecond)
		}
		for range 50 { // time enough to close the other one, if that is done
			if conn.load()&bCLOSE == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		close(goOn)
	}()
	require.NoError(t, e.Shutdown(context.Background()))
	require.Len(t, told, 1)
	require.Equal(t, Broken, <-told)
}

// After Shutdown has begun the connection manager's events are refused like posts.
func TestShutdownRefusesCM(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Streams: CR | Software})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Shutdown(ctx), context.Canceled)
	require.ErrorIs(t, d.PostCM(Event{Stream: CR, Number: ConnectionRequest}), ErrClosed)
	require.NoError(t, d.Close())
	err = d.PostCM(Event{Stream: CR, Number: ConnectionRequest})
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorContains(t, err, "PostCM")
}

// What enabling for new events left fills the ring, or a CQ that drops what finds
// no room: then nothing new can come, and it is delivered.
func TestEnableNewFull(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	t.Run("ring", func(t *testing.T) {
		d, err := e.NewEVD(EVDConfig{Capacity: 1, Upcall: func(*Upcall) {}})
		require.NoError(t, err)
		require.NoError(t, d.Post(Event{}))
		require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
		require.ErrorIs(t, d.Post(Event{}), ErrFull)
		waitFor(t, func() bool { return d.Stats().Delivered == 1 })
	})
	t.Run("CQ", func(t *testing.T) {
		cq := newTestCQ(t, mock.Config{Depth: 4})
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Upcall: func(*Upcall) {}})
		require.NoError(t, err)
		complete(t, cq, 4)
		require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
		_, err = cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		e.tick()
		waitFor(t, func() bool { return d.Stats().Delivered == 4 })
	})
}

// What rests on a CQ for a reason is no lost interrupt.
func TestRestingIsNoLostInterrupt(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	for name, c := range map[string]struct {
		cfg  EVDConfig
		mock mock.Config
		rest func(t *testing.T, cq *mock.CQ, d *EVD)
	}{
		"unsolicited": {EVDConfig{SolicitedOnly: true, Policy: SingleInstance}, mock.Config{}, func(t *testing.T, cq *mock.CQ, d *EVD) {
			waitFor(t, func() bool { return d.Stats().Arms == 1 && d.load().run() == 0 })
			one(t, cq, 1)
		}},
		"left, and one dequeued": {EVDConfig{}, mock.Config{}, func(t *testing.T, cq *mock.CQ, d *EVD) {
			complete(t, cq, 3)
			require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
			n, err := d.Dequeue(make([]Event, 1))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}},
		"not armed yet": {EVDConfig{Policy: SingleInstance}, mock.Config{Faults: mock.Faults{ArmError: mock.Always()}}, func(t *testing.T, cq *mock.CQ, d *EVD) {
			waitFor(t, func() bool { return d.Stats().ArmErrors > 5 }) // the next one is 32 ms away
			one(t, cq, 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cq := newTestCQ(t, c.mock)
			c.cfg.CQs, c.cfg.Mode, c.cfg.Upcall = []hwcq.CQ{cq}, ModeEvent, func(*Upcall) {}
			d, err := e.NewEVD(c.cfg)
			require.NoError(t, err)
			c.rest(t, cq, d)
			for range 5 {
				e.tick()
			}
			require.Zero(t, d.Stats().LostInterrupts)
			require.NoError(t, d.Close())
		})
	}
}

// Nor is it a reason any more when what was left has been dequeued.
func TestLostBehindWhatWasLeft(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	one(t, cq, 1)
	require.NoError(t, d.ModifyUpcallNew(SingleInstance, Same))
	n, err := d.Dequeue(make([]Event, 1))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	one(t, cq, 2)
	require.EqualValues(t, 1, cq.Stats().EventsLost)
	for range 3 {
		e.tick()
	}
	require.EqualValues(t, 1, d.Stats().LostInterrupts)
	waitFor(t, func() bool { return d.Stats().Delivered == 1 })
}

// An async error says which CQ of its EVD it is about.
func TestAsyncErrorOfCQ(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	a, b := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})
	_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{a, b}, Mode: ModeEvent})
	require.NoError(t, err)
	b.Remove()
	ev := nextAsync(t, e)
	require.Equal(t, DeviceRemoved, ev.Number)
	require.EqualValues(t, 1, ev.CQ)
}
