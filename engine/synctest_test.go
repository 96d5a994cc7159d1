//go:build !explore

package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// Everything that has to do with time, in a bubble of package synctest: its
// clock goes on only when every goroutine sleeps, so what is asserted is exact.
// CQs are waited for by ModeEvent here: a poller that spins never sleeps. (Not
// in builds for the explorer, in which nobody sleeps.)

const ms = time.Millisecond

// bubble runs a test in virtual time. at is how much of it has passed.
func bubble(t *testing.T, test func(t *testing.T, at func() time.Duration)) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		test(t, func() time.Duration { return time.Since(start) })
	})
}

// after runs fn at a time from now, in a goroutine of the bubble.
func after(d time.Duration, fn func()) { time.AfterFunc(d, fn) }

// arrivals is an upcall, and when each of its events came.
func arrivals(at func() time.Duration) (UpcallFunc, chan time.Duration) {
	c := make(chan time.Duration, 16)
	return func(u *Upcall) {
		for range u.Events() {
			c <- at()
		}
	}, c
}

// log notes when things were done, and fails the first few of them.
type log struct {
	mu    sync.Mutex
	times []time.Duration
	fail  int
}

var errToday = errors.New("not today")

func (l *log) note(at time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times = append(l.times, at)
	if l.fail > 0 {
		l.fail--
		return errToday
	}
	return nil
}

// all returns the times since the last call; the next fail will fail.
func (l *log) all(fail int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := l.times
	l.times, l.fail = nil, fail
	return times
}

// lookedCQ notes when the watchdog looks, and when it is armed.
type lookedCQ struct {
	*mock.CQ
	at          func() time.Duration
	looks, arms log
}

func (c *lookedCQ) Overruns() uint64 {
	_ = c.looks.note(c.at())
	return c.CQ.Overruns()
}

func (c *lookedCQ) Arm(solicited bool) (bool, error) {
	if err := c.arms.note(c.at()); err != nil {
		return false, err
	}
	return c.CQ.Arm(solicited)
}

// The watchdog looks twice in each period, exactly, until the engine is closed.
func TestTimeWatchdogPeriod(t *testing.T) {
	for _, period := range []time.Duration{time.Millisecond, 0, time.Hour, NoWatchdog} {
		bubble(t, func(t *testing.T, at func() time.Duration) {
			cq := &lookedCQ{CQ: newTestCQ(t, mock.Config{}), at: at}
			e := newTestEngine(t, Config{Workers: 1, Watchdog: period, StuckAfter: maxStuckAfter})
			_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
			require.NoError(t, err)
			step := period / 2
			switch period {
			case 0:
				step = DefaultWatchdog / 2
			case NoWatchdog:
				step = 0
			}
			time.Sleep(10*step + step/2)
			require.NoError(t, e.Close())
			time.Sleep(maxStuckAfter)
			var want []time.Duration
			for i := range 10 {
				want = append(want, time.Duration(i+1)*step)
			}
			if period == NoWatchdog {
				want = nil
			}
			require.Equal(t, want, cq.looks.all(0))
		})
	}
}

// A lost interrupt is found at the second look after the completion: within a
// period, wherever in it the completion came. Afterwards interrupts work.
func TestTimeLostInterrupt(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		for came, found := range map[time.Duration]time.Duration{
			1 * ms: 100 * ms, 49 * ms: 100 * ms, 51 * ms: 150 * ms, 99 * ms: 150 * ms, 101 * ms: 200 * ms, 50*ms - 1: 100 * ms, 50*ms + 1: 150 * ms,
		} {
			bubble(t, func(t *testing.T, at func() time.Duration) {
				cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
				e := newTestEngine(t, Config{Workers: 1})
				fn, got := arrivals(at)
				d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: disp, Policy: SingleInstance, Upcall: fn})
				require.NoError(t, err)
				time.Sleep(came)
				one(t, cq, 1)
				require.Equal(t, found, <-got, "came at %v", came)
				require.EqualValues(t, 1, d.Stats().LostInterrupts)
				require.Equal(t, LostInterrupt, nextAsync(t, e).Number)
				require.Equal(t, found, at(), "the async error comes with it")
				synctest.Wait()
				one(t, cq, 2)
				require.Equal(t, found, <-got, "the next interrupt arrives")
				time.Sleep(time.Minute)
				require.EqualValues(t, 1, d.Stats().LostInterrupts, "nothing else was lost")
			})
		}
	}
}

// The same for a waiter; and one who takes the completion between two looks is
// no lost interrupt.
func TestTimeLostInterruptOfWaiter(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
		e := newTestEngine(t, Config{Workers: 1})
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
		require.NoError(t, err)
		after(20*ms, func() { one(t, cq, 1) })
		n, _, err := d.Wait(context.Background(), 1, make([]Event, 1))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 100*ms, at())
		require.EqualValues(t, 1, d.Stats().LostInterrupts)
	})
	bubble(t, func(t *testing.T, _ func() time.Duration) {
		cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Always()}})
		e := newTestEngine(t, Config{Workers: 1})
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
		require.NoError(t, err)
		for range 20 { // seen by one look each
			time.Sleep(45 * ms)
			one(t, cq, 1)
			time.Sleep(10 * ms)
			n, err := d.Dequeue(make([]Event, 2))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		require.Zero(t, d.Stats().LostInterrupts)
	})
}

// An interrupt that is only late is not lost if it comes before the second
// look. If it comes after it, the watchdog has delivered, and the late one
// finds nothing.
func TestTimeDelayedInterrupt(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{99 * ms: 99 * ms, 101 * ms: 100 * ms, 10 * time.Second: 100 * ms, ms: ms} {
		bubble(t, func(t *testing.T, at func() time.Duration) {
			cq := newTestCQ(t, mock.Config{Faults: mock.Faults{DelayEvent: mock.Once(1), Delay: delay}})
			e := newTestEngine(t, Config{Workers: 1})
			fn, got := arrivals(at)
			d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: fn})
			require.NoError(t, err)
			synctest.Wait() // until it is armed
			one(t, cq, 1)
			require.Equal(t, want, <-got, "delay %v", delay)
			time.Sleep(time.Minute)
			st := d.Stats()
			late := uint64(0)
			if delay > 100*ms {
				late = 1
			}
			require.Equal(t, late, st.LostInterrupts)
			require.Equal(t, late, st.Spurious)
			require.EqualValues(t, 1, st.Delivered)
		})
	}
}

// A duplicate interrupt costs no time and delivers nothing.
func TestTimeDuplicateInterrupt(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		cq := newTestCQ(t, mock.Config{Faults: mock.Faults{DuplicateEvent: mock.Always()}})
		e := newTestEngine(t, Config{Workers: 1})
		fn, got := arrivals(at)
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: fn})
		require.NoError(t, err)
		for i := range 3 {
			synctest.Wait()
			one(t, cq, 1)
			require.Equal(t, time.Duration(i)*time.Second, <-got)
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 3, d.Stats().Delivered)
		require.EqualValues(t, 3, d.Stats().Spurious)
		require.EqualValues(t, 6, d.Stats().Events)
		require.Zero(t, d.Stats().LostInterrupts)
	})
}

// A failed arm is tried again after 1, 2, 4 .. ms, 100 at most, and from the
// start after a success. Meanwhile completions are found at each try.
func TestTimeArmBackOff(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		cq := &lookedCQ{CQ: newTestCQ(t, mock.Config{}), at: at, arms: log{fail: 10}}
		e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
		fn, got := arrivals(at)
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: fn})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, []time.Duration{0, 1 * ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 127 * ms, 227 * ms, 327 * ms, 427 * ms}, cq.arms.all(3))
		require.EqualValues(t, 10, d.Stats().ArmErrors)
		ev := nextAsync(t, e)
		require.Equal(t, ArmFailure, ev.Number)
		require.Equal(t, 10, ev.Count())

		one(t, cq.CQ, 1)
		require.Equal(t, time.Second, <-got, "armed, it interrupts")
		time.Sleep(4 * ms) // the second of three tries has been
		one(t, cq.CQ, 2)
		require.Equal(t, time.Second+7*ms, <-got, "found at the third")
		time.Sleep(time.Second)
		require.Equal(t, []time.Duration{time.Second, time.Second + 1*ms, time.Second + 3*ms, time.Second + 7*ms}, cq.arms.all(0))
	})
}

// The same where somebody else arms than the poller that waits for the next
// try: a waiter, or the workers of many instances.
func TestTimeArmBackOffOfOthers(t *testing.T) {
	want := []time.Duration{0, 1 * ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 127 * ms, 227 * ms}
	bubble(t, func(t *testing.T, at func() time.Duration) {
		cq := &lookedCQ{CQ: newTestCQ(t, mock.Config{}), at: at, arms: log{fail: 8}}
		e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
		require.NoError(t, err)
		after(230*ms, func() { one(t, cq.CQ, 1) })
		_, _, err = d.Wait(context.Background(), 1, make([]Event, 1))
		require.NoError(t, err)
		require.Equal(t, 230*ms, at())
		require.Equal(t, want, cq.arms.all(0))
	})
	bubble(t, func(t *testing.T, at func() time.Duration) {
		cq := &lookedCQ{CQ: newTestCQ(t, mock.Config{}), at: at, arms: log{fail: 8}}
		e := newTestEngine(t, Config{Workers: 2, Watchdog: NoWatchdog})
		fn, got := arrivals(at)
		_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: Many, Upcall: fn})
		require.NoError(t, err)
		after(230*ms, func() { one(t, cq.CQ, 1) })
		require.Equal(t, 230*ms, <-got)
		require.Equal(t, want, cq.arms.all(0)[:len(want)])
	})
}

// An upcall that does not return is reported at the first look at which it has
// been seen running for StuckAfter, once.
func TestTimeStuckUpcall(t *testing.T) {
	for _, c := range []struct{ watchdog, stuck, began, told time.Duration }{
		{0, 0, 20 * ms, 10*time.Second + 50*ms},
		{0, 0, 70 * ms, 10*time.Second + 100*ms},
		{100 * ms, 120 * ms, 1 * ms, 200 * ms}, // 50, then 100, 150, 200: 3 times 50 ms
		{time.Second, time.Second, 1 * ms, 1500 * ms},
	} {
		for _, disp := range []Dispatch{DispatchQueued, DispatchInline} {
			bubble(t, func(t *testing.T, at func() time.Duration) {
				e := newTestEngine(t, Config{Workers: 1, Watchdog: c.watchdog, StuckAfter: c.stuck})
				d, err := e.NewEVD(EVDConfig{
					Policy: SingleInstance, Dispatch: disp,
					Upcall: func(*Upcall) { time.Sleep(time.Minute) },
				})
				require.NoError(t, err)
				after(c.began, func() { _ = d.Post(Event{}) })
				ev := nextAsync(t, e)
				require.Equal(t, StuckUpcall, ev.Number)
				require.Equal(t, d.ID(), ev.Source())
				require.Equal(t, c.told, at())
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				_, _, err = e.Async().Wait(ctx, 1, make([]Event, 1))
				require.ErrorIs(t, err, context.DeadlineExceeded, "once")
				require.NoError(t, d.Close())
				require.Equal(t, c.began+time.Minute, at(), "Close waits for it")
			})
		}
	}
}

// Upcalls that return in time are no stuck ones, however long they follow each
// other.
func TestTimeBusyIsNotStuck(t *testing.T) {
	bubble(t, func(t *testing.T, _ func() time.Duration) {
		e := newTestEngine(t, Config{Workers: 1, StuckAfter: time.Second})
		d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Batch: 1, Upcall: func(*Upcall) { time.Sleep(900 * ms) }})
		require.NoError(t, err)
		for range 100 {
			require.NoError(t, d.Post(Event{}))
		}
		time.Sleep(100 * time.Second)
		require.EqualValues(t, 100, d.Stats().Upcalls)
		require.Zero(t, e.Async().Query().Pending)
	})
}

// A run that waits for a worker between two looks gets one, MaxWorkers at most.
func TestTimeWorkersAdded(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		e := newTestEngine(t, Config{Workers: 1, MaxWorkers: 3})
		began := make(chan time.Duration, 4)
		for i := range 4 {
			d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {
				began <- at()
				time.Sleep(time.Second)
			}})
			require.NoError(t, err)
			after(time.Duration(i+1)*ms, func() { _ = d.Post(Event{}) })
		}
		var got []time.Duration
		for range 4 {
			got = append(got, <-began)
		}
		// Looks at 50 and 100 ms see the second waiting; the next two looks the
		// third; the fourth waits for the end of the first.
		require.Equal(t, []time.Duration{1 * ms, 100 * ms, 200 * ms, 1001 * ms}, got)
	})
}
