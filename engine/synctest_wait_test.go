//go:build !explore

package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

func timeEVD(t *testing.T, cfg EVDConfig) *EVD {
	t.Helper()
	d, err := newTestEngine(t, Config{Workers: 1}).NewEVD(cfg)
	require.NoError(t, err)
	return d
}

func postAfter(t *testing.T, d *EVD, at ...time.Duration) {
	for i, w := range at {
		after(w, func() {
			if err := d.Post(Event{WRID: uint64(i)}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Wait ends with the threshold or its context, to the nanosecond, and takes
// nothing when it is the context.
func TestTimeWait(t *testing.T) {
	for _, c := range []struct {
		name      string
		posts     []time.Duration
		threshold int
		limit     time.Duration
		n, more   int
		want      time.Duration
		err       error
	}{
		{"nothing", nil, 1, 3 * time.Second, 0, 0, 3 * time.Second, context.DeadlineExceeded},
		{"too few", []time.Duration{1 * ms, 2 * ms}, 3, 3 * time.Second, 0, 2, 3 * time.Second, context.DeadlineExceeded},
		{"one", []time.Duration{7 * ms}, 1, time.Second, 1, 0, 7 * ms, nil},
		{"the last one", []time.Duration{1 * ms, 2 * ms, 999 * ms}, 3, time.Second, 2, 1, 999 * ms, nil},
		{"the nanosecond before", []time.Duration{time.Second - 1}, 1, time.Second, 1, 0, time.Second - 1, nil},
		{"the nanosecond after", []time.Duration{time.Second + 1}, 1, time.Second, 0, 0, time.Second, context.DeadlineExceeded},
		{"over before it began", nil, 1, 0, 0, 0, 0, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at func() time.Duration) {
				d := timeEVD(t, EVDConfig{})
				postAfter(t, d, c.posts...)
				ctx, cancel := context.WithTimeout(context.Background(), c.limit)
				defer cancel()
				n, more, err := d.Wait(ctx, c.threshold, make([]Event, 2))
				require.Equal(t, c.want, at())
				require.ErrorIs(t, err, c.err)
				require.Equal(t, []int{c.n, c.more}, []int{n, more})
				time.Sleep(10 * time.Second)
				require.Len(t, drainAll(t, d), len(c.posts)-n)
			})
		})
	}
}

// WaitBatch ends with the threshold, its latency or its context, whichever is
// first.
func TestTimeWaitBatch(t *testing.T) {
	for _, c := range []struct {
		name           string
		posts          []time.Duration
		threshold      int
		latency, limit time.Duration
		n, more        int
		want           time.Duration
		err            error
	}{
		{"nothing", nil, 3, time.Second, time.Hour, 0, 0, time.Second, nil},
		{"too few", []time.Duration{1 * ms}, 3, time.Second, time.Hour, 1, 0, time.Second, nil},
		{"too many for dst", []time.Duration{1 * ms, 2 * ms, 3 * ms}, 4, time.Second, time.Hour, 2, 1, time.Second, nil},
		{"threshold", []time.Duration{1 * ms, 400 * ms}, 2, time.Second, time.Hour, 2, 0, 400 * ms, nil},
		{"threshold and more", []time.Duration{1 * ms, 2 * ms, 3 * ms}, 3, time.Second, time.Hour, 2, 1, 3 * ms, nil},
		{"context", []time.Duration{1 * ms}, 2, time.Second, 300 * ms, 0, 1, 300 * ms, context.DeadlineExceeded},
		{"no latency", nil, 1, 0, time.Hour, 0, 0, 0, nil},
		{"less than none", nil, 1, -time.Second, time.Hour, 0, 0, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at func() time.Duration) {
				d := timeEVD(t, EVDConfig{})
				postAfter(t, d, c.posts...)
				ctx, cancel := context.WithTimeout(context.Background(), c.limit)
				defer cancel()
				n, more, err := d.WaitBatch(ctx, c.threshold, c.latency, make([]Event, 2))
				require.Equal(t, c.want, at())
				require.ErrorIs(t, err, c.err)
				require.Equal(t, []int{c.n, c.more}, []int{n, more})
			})
		})
	}
}

// Waking up for too little prolongs neither deadline.
func TestTimeWaitIsAbsolute(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		cq := newTestCQ(t, mock.Config{})
		d := timeEVD(t, EVDConfig{CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeEvent})
		for i := range 20 { // with a CQ every event wakes: nobody else can tell how many there are
			after(time.Duration(i)*70*ms, func() {
				if i%2 == 0 {
					one(t, cq, 1)
				} else if err := d.Post(Event{}); err != nil {
					t.Error(err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, more, err := d.Wait(ctx, 100, make([]Event, 100))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, at())
		require.Positive(t, more)
		n, _, err := d.WaitBatch(context.Background(), 100, time.Second, make([]Event, 100))
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, at())
		require.Equal(t, 20, n)
	})
}

// What ends a wait besides its event ends it at once.
func TestTimeWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(d *EVD) error
		want error
	}{
		"wake":       {(*EVD).Wake, ErrWoken},
		"unwaitable": {(*EVD).SetUnwaitable, ErrUnwaitable},
		"close":      {(*EVD).Close, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at func() time.Duration) {
				d := timeEVD(t, EVDConfig{})
				after(333*ms, func() {
					if err := c.do(d); err != nil {
						t.Error(err)
					}
				})
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, _, err := d.Wait(ctx, 1, make([]Event, 1))
				require.ErrorIs(t, err, c.want)
				require.Equal(t, 333*ms, at())
			})
		})
	}
}

// An upcall that sleeps keeps Close, Teardown and Engine.Close for as long as
// it sleeps or their context lasts, and not a nanosecond longer.
func TestTimeCloseContext(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		for name, end := range map[string]func(ctx context.Context, d *EVD) error{
			"teardown": func(ctx context.Context, d *EVD) error { return d.Teardown(ctx) },
			"close":    func(ctx context.Context, d *EVD) error { return d.CloseContext(ctx) },
			"engine":   func(ctx context.Context, d *EVD) error { return d.e.CloseContext(ctx) },
			"shutdown": func(ctx context.Context, d *EVD) error { return d.Shutdown(ctx) },
		} {
			t.Run(name+"/"+disp.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T, at func() time.Duration) {
					cq := newTestCQ(t, mock.Config{})
					e := newTestEngine(t, Config{Workers: 1})
					d, err := e.NewEVD(EVDConfig{
						CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Dispatch: disp,
						Upcall: func(*Upcall) { time.Sleep(5*time.Second + 1) },
					})
					require.NoError(t, err)
					one(t, cq, 1)
					synctest.Wait()
					for _, limit := range []time.Duration{0, time.Second, 2 * time.Second} {
						began := at()
						ctx, cancel := context.WithTimeout(context.Background(), limit)
						require.ErrorIs(t, end(ctx, d), context.DeadlineExceeded)
						cancel()
						late := at() - began - limit
						if name != "shutdown" {
							require.Zero(t, late)
						}
						require.True(t, late == 0 || late == shutdownLook, "it looks now and then: %v", late)
					}
					ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
					defer cancel()
					require.NoError(t, end(ctx, d))
					want := 5*time.Second + 1
					if name == "shutdown" {
						want = 5*time.Second + shutdownLook
					}
					require.Equal(t, want, at())
				})
			})
		}
	}
}

// Teardown ends when somebody enables, and a second one ends with the first.
func TestTimeTeardown(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		d := timeEVD(t, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { time.Sleep(5 * time.Second) }})
		require.NoError(t, d.Post(Event{}))
		synctest.Wait()
		after(700*ms, func() {
			if err := d.ModifyUpcall(SingleInstance, Same); err != nil {
				t.Error(err)
			}
		})
		require.ErrorIs(t, d.Teardown(context.Background()), ErrSuperseded)
		require.Equal(t, 700*ms, at())
		second := make(chan time.Duration)
		go func() {
			if err := d.ModifyUpcall(Teardown, Same); err != nil {
				t.Error(err)
			}
			second <- at()
		}()
		require.NoError(t, d.Teardown(context.Background()))
		require.Equal(t, 5*time.Second, at())
		require.Equal(t, 5*time.Second, <-second)
	})
}

// Shutdown looks each millisecond whether everything was taken, and refuses
// posts meanwhile.
func TestTimeShutdown(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		d := timeEVD(t, EVDConfig{})
		require.NoError(t, d.Post(Event{}))
		ctx, cancel := context.WithTimeout(context.Background(), 30*ms-1)
		defer cancel()
		require.ErrorIs(t, d.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, 30*ms, at())
		require.ErrorIs(t, d.Post(Event{}), ErrClosed)
		after(10*ms+1, func() {
			if n, err := d.Dequeue(make([]Event, 2)); n != 1 || err != nil {
				t.Error(n, err)
			}
		})
		require.NoError(t, d.Shutdown(context.Background()))
		require.Equal(t, 41*ms, at())
	})
}

// A CQ whose event source fails is looked at with back-off; what is there is
// delivered, and the failure told once.
func TestTimeDeafCQ(t *testing.T) {
	bubble(t, func(t *testing.T, at func() time.Duration) {
		inner := newTestCQ(t, mock.Config{})
		cq := &hardOfHearing{CQ: inner, EventSource: inner.Events(), at: at, waits: log{fail: 9}}
		e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
		fn, got := arrivals(at)
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: fn})
		require.NoError(t, err)
		after(4*ms, func() { one(t, inner, 1) })
		require.Equal(t, 7*ms, <-got)
		time.Sleep(time.Second)
		require.Equal(t, []time.Duration{0, 1 * ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 127 * ms, 227 * ms, 327 * ms}, cq.waits.all(0)[:10])
		require.EqualValues(t, 9, d.Stats().WaitErrs)
		ev := nextAsync(t, e)
		require.Equal(t, ProviderError, ev.Number)
		require.Equal(t, 1, ev.Count())
	})
}

// hardOfHearing is a mock CQ of which so many waits for an event fail.
type hardOfHearing struct {
	*mock.CQ
	hwcq.EventSource
	at    func() time.Duration
	waits log
}

func (c *hardOfHearing) Events() hwcq.EventSource { return c }

func (c *hardOfHearing) Wait() (bool, error) {
	if err := c.waits.note(c.at()); err != nil {
		return false, err
	}
	return c.EventSource.Wait()
}
