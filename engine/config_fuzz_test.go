package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// requireParam wants an error that names a parameter.
func requireParam(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, ErrInvalid)
	var p *ParamError
	require.True(t, errors.As(err, &p), "%v", err)
	require.NotEmpty(t, p.Param)
	require.NotEmpty(t, p.Allowed)
}

// FuzzConfig makes an engine of any numbers: it is refused by an error that
// names one of them, or works and ends.
func FuzzConfig(f *testing.F) {
	f.Add(0, int64(0), 0, int64(0), int64(0), uint16(0))
	f.Add(1, int64(time.Second), 1, int64(time.Hour), int64(24*time.Hour), uint16(1))
	f.Add(1024, int64(1), 1024, int64(time.Millisecond), int64(time.Millisecond), uint16(TraceAll))
	f.Add(1025, int64(-1), -1, int64(1), int64(-1), ^uint16(0))
	f.Add(-1, int64(time.Second+1), 1025, int64(NoWatchdog), int64(0), uint16(3))
	f.Add(2, int64(0), 1, int64(-2), int64(time.Second), uint16(0))
	f.Add(1, int64(0), 0, int64(time.Hour), int64(time.Second), uint16(0))
	f.Fuzz(func(t *testing.T, workers int, spin int64, most int, watchdog, stuck int64, trace uint16) {
		cfg := Config{
			Workers: workers, SpinBudget: time.Duration(spin), MaxWorkers: most,
			Watchdog: time.Duration(watchdog), StuckAfter: time.Duration(stuck), Trace: Trace(trace),
		}
		e, err := New(cfg)
		require.Equal(t, err == nil, cfg.Validate() == nil)
		if err != nil {
			requireParam(t, err)
			return
		}
		got := make(chan uint64, 1)
		d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(u *Upcall) { got <- u.Events()[0].WRID }})
		require.NoError(t, err)
		require.NoError(t, d.Post(Event{WRID: 7}))
		require.EqualValues(t, 7, <-got)
		require.NoError(t, e.Close())
	})
}

// FuzzEVDConfig makes an EVD of any numbers: it is refused by an error that
// names one of them, or an event of each of its sources comes out.
func FuzzEVDConfig(f *testing.F) {
	add := func(c EVDConfig, ncq uint8, fn bool) {
		f.Add(uint16(c.Streams), c.Capacity, ncq, uint8(c.Mode), c.SolicitedOnly, int(c.Policy), fn, uint8(c.Dispatch), c.Batch, c.Budget)
	}
	for _, mode := range []Mode{ModeAdaptive, ModeEvent, ModeSpin, 3} {
		for _, disp := range []Dispatch{DispatchAuto, DispatchInline, DispatchQueued, 3} {
			for _, p := range []Policy{Teardown, Disable, SingleInstance, NotificationOnly, 3, Many, ManyLimit(3)} {
				add(EVDConfig{Mode: mode, Dispatch: disp, Policy: p, Streams: DTO | Software}, 2, true)
			}
		}
	}
	add(EVDConfig{Streams: DTO | Connection, Capacity: 1, Batch: 1, Budget: 1}, 1, false)
	add(EVDConfig{Streams: Bind, Batch: 4096, Budget: 1 << 20}, 1, false)
	add(EVDConfig{Streams: Async, Capacity: -1, Batch: -1, Budget: -1, Policy: 5000}, 0, false)
	add(EVDConfig{Streams: 0xffff, Capacity: 1<<30 + 1, Batch: 4097, Budget: 1<<20 + 1, Policy: ManyLimit(MaxInstances) + 1}, 3, true)
	add(EVDConfig{Policy: SingleInstance}, 0, false)
	f.Fuzz(func(t *testing.T, streams uint16, capacity int, ncq, mode uint8, solicited bool, policy int, fn bool, dispatch uint8, batch, budget int) {
		var got atom.Counter
		left := 0
		cfg := EVDConfig{
			Streams: Stream(streams), Capacity: capacity, Mode: Mode(mode), SolicitedOnly: solicited,
			Policy: Policy(policy), Dispatch: Dispatch(dispatch), Batch: batch, Budget: budget,
			Leftovers: func(evs []Event) { left += len(evs) },
		}
		if fn {
			cfg.Upcall = func(u *Upcall) {
				n := len(u.Events())
				if n == 0 { // NotificationOnly
					var buf [4]Event
					n, _ = u.Dequeue(buf[:])
				}
				got.Add(uint64(n))
			}
		}
		for range ncq % 4 {
			cq, err := mock.New(mock.Config{Depth: 4})
			require.NoError(t, err)
			defer cq.Close()
			cfg.CQs = append(cfg.CQs, cq)
		}
		if cfg.Validate() != nil {
			requireParam(t, cfg.Validate())
		} else if cfg.Capacity > 1<<16 || cfg.Policy > ManyLimit(64) {
			return // valid, and large
		}
		e, err := New(Config{Workers: 2, SpinBudget: time.Microsecond})
		require.NoError(t, err)
		defer e.Close()
		d, err := e.NewEVD(cfg)
		if err != nil {
			require.Equal(t, cfg.Validate(), err)
			return
		}
		want := uint64(0)
		for i, cq := range cfg.CQs {
			ok, err := cq.(*mock.CQ).Complete(hwcq.WC{WRID: uint64(i)}, true)
			require.NoError(t, err)
			require.True(t, ok)
			want++
		}
		err = d.Post(Event{})
		switch {
		case d.streams&Software == 0:
			require.ErrorIs(t, err, ErrStream)
		case errors.Is(err, ErrFull): // a pump was faster
			require.NotEmpty(t, cfg.CQs)
		default:
			require.NoError(t, err)
			want++
		}
		if cfg.Policy == Disable {
			for got.Load() < want {
				var buf [3]Event
				n, _, err := d.Wait(context.Background(), 1, buf[:])
				require.NoError(t, err)
				got.Add(uint64(n))
			}
		} else {
			waitFor(t, func() bool { return got.Load() == want })
		}
		require.NoError(t, d.Close())
		require.Zero(t, left)
	})
}
