package engine

import (
	"bytes"
	"context"
	"reflect"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

func TestBatchBuckets(t *testing.T) {
	next := 0
	for i := range NumBatches {
		least, most := BatchBucket(i)
		require.Equal(t, next, least)
		for n := least; n <= most; n++ {
			require.Equal(t, i, bucket(n), "%d events", n)
		}
		next = most + 1
	}
	require.Equal(t, maxBatch+1, next, "every size of a batch has its bucket")
	for _, i := range []int{-1, NumBatches} {
		least, most := BatchBucket(i)
		require.Less(t, most, least)
	}
}

// Every counter is added up, new ones too.
func TestStatsAdd(t *testing.T) {
	var a, b Stats
	n := uint64(0)
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Uint64:
			n++
			v.SetUint(n)
		case reflect.Array:
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		default:
			require.Fail(t, "a counter of another type", v.Kind())
		}
	}
	fill(reflect.ValueOf(&b).Elem())
	require.Greater(t, n, uint64(40))
	a.add(&b)
	require.Equal(t, b, a)
	a.add(&b)
	require.Equal(t, 2*b.Posted, a.Posted)
	require.Equal(t, 2*b.LostInterrupts, a.LostInterrupts)
	require.Equal(t, 2*b.Ends.Dead, a.Ends.Dead)
	require.Equal(t, 2*b.Batches[13], a.Batches[13])
}

func TestBatchesAndRuns(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Batch: 8, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	for range 13 {
		require.NoError(t, d.Post(Event{}))
	}
	require.NoError(t, d.ModifyUpcallAny(SingleInstance, Same))
	waitFor(t, func() bool { return d.Stats().Delivered == 13 })
	st := d.Stats()
	require.EqualValues(t, 2, st.Upcalls)
	require.EqualValues(t, 2, st.Batches[4], "8 and 5")
	require.EqualValues(t, 1, st.QueuedRuns)
	require.Zero(t, st.Direct)

	in, err := e.NewEVD(EVDConfig{Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	require.NoError(t, in.Post(Event{}))
	st = in.Stats()
	require.EqualValues(t, 1, st.Direct)
	require.EqualValues(t, 1, st.Batches[1])
	require.EqualValues(t, 1, st.Upcalls)
	require.Zero(t, st.QueuedRuns)
}

// A completion that comes before the arm and after the look is found by the look
// after it, and counted, where it was.
func TestMissed(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			var cq *mock.CQ
			armed := 0
			cq = newTestCQ(t, mock.Config{Hooks: mock.Hooks{BeforeArm: func() {
				if armed++; armed == 1 {
					one(t, cq, 1)
				}
			}}})
			other := newTestCQ(t, mock.Config{})
			d, err := stillEngine(t).NewEVD(EVDConfig{
				CQs: []hwcq.CQ{other, cq}, Mode: ModeEvent, Dispatch: disp, Policy: SingleInstance, Upcall: func(*Upcall) {},
			})
			require.NoError(t, err)
			for _, l := range d.links() {
				l.poll.start(srcWatch)
			}
			st, err := d.CQStats(1)
			require.NoError(t, err)
			require.EqualValues(t, 1, st.Missed)
			require.EqualValues(t, 1, st.Polled)
			require.EqualValues(t, 1, st.Arms)
			require.Zero(t, st.Events)
			st, err = d.CQStats(0)
			require.NoError(t, err)
			require.Zero(t, st.Missed)
			require.Zero(t, st.Polled)
			require.EqualValues(t, 1, d.Stats().Missed)
			require.EqualValues(t, 2, d.Stats().Arms)

			// One that comes after the arm tells of itself, and is not.
			one(t, cq, 2)
			d.links()[1].fired(false)
			d.links()[1].poll.start(srcIntr)
			require.EqualValues(t, 1, d.Stats().Missed)
			require.EqualValues(t, 2, d.Stats().Polled)
		})
	}
}

func TestPolledRuns(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeSpin, Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.load()&bARM != 0 && d.load().run() == 0 }) // its first look is over
	one(t, cq, 1)
	waitFor(t, func() bool { return d.Stats().PolledRuns == 1 })
	require.Zero(t, d.Stats().Events)
}

func TestWaitEnds(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	var buf [1]Event
	require.NoError(t, d.Post(Event{}))
	_, _, err = d.Wait(limit(t), 1, buf[:])
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	_, err = d.Dequeue(buf[:])
	require.NoError(t, err)
	ends := func() WaitEnds {
		e := d.Stats().Ends
		e.Parked = 0 // one whose end came sooner did not get as far
		return e
	}
	require.EqualValues(t, 1, d.Stats().Waits)
	require.EqualValues(t, 2, d.Stats().Dequeued)
	_, _, err = d.WaitBatch(limit(t), 1, time.Nanosecond, buf[:])
	require.NoError(t, err)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err = d.Wait(ended, 1, buf[:])
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, d.Wake())
	_, _, err = d.Wait(limit(t), 1, buf[:])
	require.ErrorIs(t, err, ErrWoken)
	require.NoError(t, d.SetUnwaitable())
	_, _, err = d.Wait(limit(t), 1, buf[:])
	require.ErrorIs(t, err, ErrUnwaitable)
	require.NoError(t, d.ClearUnwaitable())
	require.Equal(t, WaitEnds{Events: 1, Time: 1, Context: 1, Woken: 1}, ends(), "what is refused at once does not count")

	for _, end := range []func() error{d.SetUnwaitable, d.Close} {
		got := make(chan error)
		go func() {
			_, _, err := d.Wait(context.Background(), 1, buf[:])
			got <- err
		}()
		waitFor(t, func() bool { return d.load()&bWAIT != 0 })
		require.NoError(t, end())
		require.Error(t, <-got)
		if d.load()&bCLOSE == 0 {
			require.NoError(t, d.ClearUnwaitable())
		}
	}
	require.Equal(t, WaitEnds{Events: 1, Time: 1, Context: 1, Woken: 1, Unwaitable: 1, Closed: 1}, ends())
}

// What nobody could be told of is counted at its CQ.
func TestCQStatsLost(t *testing.T) {
	a, b := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Always()}})
	e := newTestEngine(t, Config{Workers: 1, Watchdog: time.Millisecond})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{a, b}, Mode: ModeEvent, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same)) // arms and looks, so the pollers have nothing to begin with
	one(t, b, 1)
	waitFor(t, func() bool { return d.Stats().Polled == 1 }) // perhaps found at several looks, until a worker comes by
	for i, lost := range []bool{false, true} {
		st, err := d.CQStats(i)
		require.NoError(t, err)
		require.Equal(t, lost, st.LostInterrupts > 0)
	}
}

func TestEngineStats(t *testing.T) {
	require.Zero(t, (*Engine)(nil).Stats())
	require.Nil(t, (*Engine)(nil).EVDs())
	require.Zero(t, (*EVD)(nil).Stats())
	e := newTestEngine(t, Config{Workers: 1, MaxWorkers: 1, Watchdog: time.Millisecond})
	in, hold := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release) // or Close would wait for it when something is wrong
	slow, err := e.NewEVD(EVDConfig{Name: "slow", Policy: SingleInstance, Upcall: func(*Upcall) { close(in); <-hold }})
	require.NoError(t, err)
	require.NoError(t, slow.Post(Event{}))
	<-in
	var others []*EVD
	for range 3 {
		d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {}})
		require.NoError(t, err)
		require.NoError(t, d.Post(Event{}))
		others = append(others, d)
	}
	st := e.Stats()
	require.Equal(t, 1, st.Workers)
	more := newTestEngine(t, Config{Workers: 1})
	_, err = more.NewEVD(EVDConfig{Policy: ManyLimit(3), Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	require.Equal(t, 3, more.Stats().Workers, "those that were added too")
	require.Equal(t, 4, st.EVDs)
	require.Equal(t, 3, st.Queued, "the only worker is in the slow upcall")
	require.EqualValues(t, 1, st.Runs)
	require.EqualValues(t, 4, st.Total.Posted)
	release()
	waitFor(t, func() bool { return e.Stats().Total.Delivered == 4 })
	waitFor(t, func() bool { return e.Stats().Looks > 0 })
	require.NoError(t, others[1].Post(Event{})) // alone in the queue: the most there were stays
	waitFor(t, func() bool { return e.Stats().Total.Delivered == 5 })
	require.Equal(t, append([]*EVD{slow}, others...), e.EVDs())
	before := e.Stats().Total
	require.NoError(t, others[0].Close())
	require.NoError(t, slow.Close())
	st = e.Stats()
	require.Equal(t, 2, st.EVDs)
	require.Zero(t, st.Queued)
	require.Equal(t, 3, st.QueuedMost)
	require.EqualValues(t, 5, st.Runs)
	require.Equal(t, before, st.Total, "closed EVDs count on")
	require.Equal(t, others[1:], e.EVDs())
	require.NoError(t, e.Close())
	require.Equal(t, before, e.Stats().Total)
}

// Profiles tell the engine's goroutines apart.
func TestGoroutineLabels(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Workers: 1})
	_, err := e.NewEVD(EVDConfig{Name: "io", CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	for _, want := range []string{`"evd":"worker", "name":"engine"`, `"evd":"watchdog", "name":"engine"`, `"evd":"poller", "name":"io"`} {
		waitFor(t, func() bool { return bytes.Contains(goroutines(t), []byte(want)) })
	}
}

func goroutines(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
	return b.Bytes()
}

// inside waits until a goroutine is in the function.
func inside(t *testing.T, function string) {
	t.Helper()
	waitFor(t, func() bool { return bytes.Contains(goroutines(t), []byte("engine."+function)) })
}

// On request upcalls and sleeps are regions of a trace, and upcalls have labels;
// an inline poster keeps his own.
func TestRegions(t *testing.T) {
	for _, on := range []bool{true, false} {
		var b bytes.Buffer
		require.NoError(t, trace.Start(&b))
		cq := newTestCQ(t, mock.Config{})
		e := newTestEngine(t, Config{Workers: 1, Regions: on})
		labelled := make(chan bool, 2)
		up := func(*Upcall) { labelled <- bytes.Contains(goroutines(t), []byte(`"evd":"upcall", "name":"seen`)) }
		d, err := e.NewEVD(EVDConfig{Name: "seen", Streams: DTO | Software, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: up})
		require.NoError(t, err)
		inside(t, "(*poller).sleep")
		one(t, cq, 1)
		require.Equal(t, on, <-labelled, "poller")
		require.NoError(t, d.Post(Event{}))
		require.Equal(t, on, <-labelled, "worker")
		waitFor(t, func() bool { return d.load().run() == 0 })
		require.NotContains(t, string(goroutines(t)), `"evd":"upcall"`, "labels are put back")

		in, err := e.NewEVD(EVDConfig{Name: "seen inline", Dispatch: DispatchInline, Policy: SingleInstance, Upcall: up})
		require.NoError(t, err)
		pprof.Do(context.Background(), pprof.Labels("mine", "yes"), func(context.Context) {
			require.NoError(t, in.Post(Event{}))
			require.False(t, <-labelled)
			require.Contains(t, string(goroutines(t)), `"mine":"yes"`)
		})

		w, err := e.NewEVD(EVDConfig{Name: "waited"})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, _, err := w.Wait(limit(t), 1, make([]Event, 1))
			ended <- err
		}()
		inside(t, "(*EVD).sleepWait")
		require.NoError(t, w.Post(Event{}))
		require.NoError(t, <-ended)
		require.NoError(t, e.Close())
		trace.Stop()
		for _, s := range []string{"evd.upcall", "evd.sleep", "evd.wait", "seen inline", "waited"} {
			require.Equal(t, on, bytes.Contains(b.Bytes(), []byte(s)), s)
		}
	}
}
