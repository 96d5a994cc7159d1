package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

func TestSetModeErrors(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{})
	none := stillEVD(t, nil, EVDConfig{})
	for _, c := range []struct {
		err  error
		is   error
		says []string
	}{
		{d.SetMode(3), ErrInvalid, []string{"SetMode", "m", "mode(3)", "ModeAdaptive, ModeEvent or ModeSpin"}},
		{d.SetCQMode(0, 3), ErrInvalid, []string{"SetCQMode", "mode(3)"}},
		{d.SetCQMode(1, ModeSpin), ErrInvalid, []string{"SetCQMode", "cq", "1", "0..0"}},
		{d.SetCQMode(-1, ModeSpin), ErrInvalid, []string{"-1", "0..0"}},
		{none.SetCQMode(0, ModeSpin), ErrInvalid, []string{"no CQs"}},
		{(*EVD)(nil).SetMode(ModeSpin), ErrNilHandle, []string{"SetMode"}},
		{(*EVD)(nil).SetCQMode(0, ModeSpin), ErrNilHandle, []string{"SetCQMode"}},
	} {
		require.ErrorIs(t, c.err, c.is)
		for _, s := range c.says {
			require.ErrorContains(t, c.err, s)
		}
	}
	require.Equal(t, []Mode{ModeEvent}, d.Query().Modes, "nothing has changed")
	require.NoError(t, none.SetMode(ModeSpin))
	require.Nil(t, none.Query().Modes)
	d.links()[0].poll.done.Signal() // it has no goroutine that could end
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.SetMode(ModeSpin), ErrClosed)
	require.ErrorIs(t, d.SetCQMode(0, ModeSpin), ErrClosed)
	_, err := d.CQStats(1)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = (*EVD)(nil).CQStats(0)
	require.ErrorIs(t, err, ErrNilHandle)
}

// One CQ of two is switched; the same mode again wakes nobody.
func TestSetCQMode(t *testing.T) {
	a, b := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})
	d, err := stillEngine(t).NewEVD(EVDConfig{CQs: []hwcq.CQ{a, b}, Mode: ModeEvent})
	require.NoError(t, err)
	require.NoError(t, d.SetCQMode(1, ModeSpin))
	require.Equal(t, []Mode{ModeEvent, ModeSpin}, d.Query().Modes)
	st, err := d.CQStats(1)
	require.NoError(t, err)
	require.Equal(t, ModeSpin, st.Mode)
	require.NoError(t, d.SetMode(ModeSpin))
	require.Equal(t, []Mode{ModeSpin, ModeSpin}, d.Query().Modes)
	event, err := b.Events().Wait()
	require.NoError(t, err)
	require.False(t, event, "one Wake, from the change")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = d.SetMode(ModeEvent)
		_ = d.SetMode(ModeAdaptive)
	}))
}

// The mode changes all the time, from outside and from the upcall, while
// completions and posts come: each comes out exactly once, in order.
func TestSetModeStress(t *testing.T) {
	const events = 20_000
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			cq := newTestCQ(t, mock.Config{Depth: 64})
			e := newTestEngine(t, Config{Workers: 2, Watchdog: NoWatchdog})
			var done atom.Counter
			next := [2]uint64{}
			d, err := e.NewEVD(EVDConfig{
				Streams: DTO | Software, CQs: []hwcq.CQ{cq}, Dispatch: disp, Policy: SingleInstance, Capacity: 64,
				Upcall: func(u *Upcall) {
					for _, ev := range u.Events() {
						p, n := ev.WRID>>32, ev.WRID&0xffffffff
						if n != next[p] {
							t.Errorf("producer %d: %d, want %d", p, n, next[p])
						}
						next[p] = n + 1
						if n%1000 == 0 {
							_ = u.EVD().SetMode(Mode(n / 1000 % 3))
						}
					}
					done.Add(uint64(len(u.Events())))
				},
			})
			require.NoError(t, err)
			var wg sync.WaitGroup
			var stop atom.Bool
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(1, 2))
				for !stop.Load() {
					if err := d.SetMode(Mode(rnd.IntN(3))); err != nil {
						t.Error(err)
					}
					for range rnd.IntN(50) {
						atom.Spin()
					}
				}
			})
			wg.Go(func() {
				for n := uint64(0); n < events; {
					if d.Post(Event{WRID: n}) == nil {
						n++
					}
					atom.Spin()
				}
			})
			for n := uint64(0); n < events; {
				if st, err := d.CQStats(0); err != nil || n-st.Polled >= 64 { // no overrun
					atom.Spin()
					continue
				}
				stored, err := cq.Complete(hwcq.WC{WRID: 1<<32 | n}, false)
				require.NoError(t, err)
				require.True(t, stored)
				n++
				if n%97 == 0 { // let the pollers fall asleep
					waitFor(t, func() bool { return d.Stats().Polled >= n })
				}
			}
			waitFor(t, func() bool { return done.Load() == 2*events })
			stop.Store(true)
			wg.Wait()
			st := d.Stats()
			require.Equal(t, st.Posted+st.Polled, st.Delivered)
			require.EqualValues(t, 2*events, st.Delivered)
			sum := uint64(0)
			for _, n := range st.Batches {
				sum += n
			}
			require.Equal(t, st.Upcalls, sum)
		})
	}
}

// What a mode asks for is what its poller does: one that sleeps gets events, one
// that polls needs none.
func TestSetModeTakesEffect(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	var got atom.Counter
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance,
		Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
	})
	require.NoError(t, err)
	state := func() uint32 { return d.links()[0].state.Load() }
	n := uint64(0)
	for _, m := range []Mode{ModeSpin, ModeEvent, ModeAdaptive, ModeSpin, ModeAdaptive, ModeEvent} {
		require.NoError(t, d.SetMode(m))
		waitFor(t, func() bool { return (state()&lWATCH != 0) == (m == ModeSpin) && d.load()&bARM != 0 })
		n++
		one(t, cq, n)
		waitFor(t, func() bool { return got.Load() == n })
	}
	st, err := d.CQStats(0)
	require.NoError(t, err)
	require.EqualValues(t, n, st.Polled)
	require.NotZero(t, st.Events)
	require.NotZero(t, st.Sleeps, "from polling to sleeping")
}

// One that does nothing but sleep goes neither to sleep nor comes back.
func TestSleepsOfModeEvent(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	for n := range uint64(5) {
		one(t, cq, n+1)
		waitFor(t, func() bool { return d.Stats().Delivered == n+1 })
	}
	require.NoError(t, d.Close())
	require.Zero(t, d.Stats().Wakes)
	require.Zero(t, d.Stats().Sleeps)
}

// The mode of a shared CQ is switched while completions come.
func TestSharedSetMode(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	cq := newTestCQ(t, mock.Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	require.Equal(t, []*SharedCQ{s}, e.SharedCQs())
	k := newShareSink(t)
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: k.upcall})
	require.NoError(t, err)
	testJoin(t, d, s, 7, 1)
	for i := range uint64(300) {
		m := Mode(i % 3)
		require.NoError(t, s.SetMode(m))
		require.Equal(t, m, s.Stats().Mode)
		completeQP(t, cq, 7, i+1)
		waitFor(t, func() bool { return k.n.Load() == i+1 })
	}
	err = s.SetMode(3)
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "ModeSpin")
	require.ErrorIs(t, (*SharedCQ)(nil).SetMode(ModeEvent), ErrNilHandle)
	require.NoError(t, d.Close())
	var none context.Context
	require.ErrorIs(t, s.CloseContext(none), ErrNilHandle)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.SetMode(ModeEvent), ErrClosed)
	require.Empty(t, e.SharedCQs())
}

// A poller that is told to go from polling to events, and cannot arm, polls until it
// can.
func TestSetModeArmFails(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{ArmError: mock.Always()}})
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeSpin, Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	require.NoError(t, d.SetMode(ModeEvent))
	waitFor(t, func() bool { return d.Stats().ArmErrors > 0 })
	for n := range uint64(3) {
		_, err = cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		waitFor(t, func() bool { return d.Stats().Delivered == n+1 })
	}
}
