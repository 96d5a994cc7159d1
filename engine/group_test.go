package engine

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/hwcq/timer"
	"github.com/evdengine/evd/internal/atom"
)

func newPoller(t testing.TB, e *Engine) *Poller {
	t.Helper()
	g, err := e.NewPoller(PollerConfig{})
	require.NoError(t, err)
	return g
}

// counted is an EVD over a CQ that counts its events, and checks that none is lost or
// overtaken: their WRIDs are 1, 2, 3 and so on.
type counted struct {
	d    *EVD
	cq   *mock.CQ
	sent uint64
	got  atom.Counter
}

func (c *counted) upcall(t testing.TB) UpcallFunc {
	return func(u *Upcall) {
		for i := range u.Events() {
			if n := c.got.Add(1); u.Events()[i].WRID != n {
				t.Errorf("event %d came as number %d", u.Events()[i].WRID, n)
			}
		}
	}
}

func (c *counted) send(t testing.TB) {
	for {
		ok, err := c.cq.Complete(hwcq.WC{WRID: c.sent + 1}, false)
		if err != nil {
			t.Errorf("Complete: %v", err)
			return
		}
		if ok {
			c.sent++
			return
		}
		runtime.Gosched() // full
	}
}

func newCounted(t testing.TB, e *Engine, cfg EVDConfig, mcfg mock.Config) *counted {
	t.Helper()
	if mcfg.Depth == 0 {
		mcfg.Depth = 8
	}
	c := &counted{}
	var err error
	c.cq, err = mock.New(mcfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.cq.Close() })
	cfg.CQs, cfg.Policy = []hwcq.CQ{c.cq}, SingleInstance
	if cfg.Capacity == 0 {
		cfg.Capacity = 8
	}
	if cfg.Upcall == nil {
		cfg.Upcall = c.upcall(t)
	}
	c.d, err = e.NewEVD(cfg)
	require.NoError(t, err)
	return c
}

// idle waits until no member is polled and the poller sleeps.
func idle(t testing.TB, g *Poller) {
	waitFor(t, func() bool { return g.Stats().Active == 0 && g.asleep.Load() != gAwake })
}

// Completions of many CQs, in every mode and with either dispatch, come out once and
// in order, while modes change and the poller goes to sleep again and again.
func TestPollerServesMany(t *testing.T) {
	for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 2, Watchdog: NoWatchdog})
			g := newPoller(t, e)
			var cs []*counted
			for i := range 30 {
				cs = append(cs, newCounted(t, e, EVDConfig{Poller: g, Mode: Mode(i % 2), Dispatch: disp, Budget: 16}, mock.Config{}))
			}
			const each = 300
			var wg sync.WaitGroup
			for i, c := range cs {
				wg.Go(func() {
					for n := range each {
						c.send(t)
						if n%50 == i%50 {
							require.NoError(t, c.d.SetMode(Mode(n/50%3)))
						}
						if n%7 == 0 {
							runtime.Gosched()
						}
					}
					require.NoError(t, c.d.SetMode(Mode(i%2)))
				})
			}
			wg.Wait()
			for _, c := range cs {
				waitFor(t, func() bool { return c.got.Load() == each })
			}
			idle(t, g)
			for _, c := range cs {
				c.send(t) // and it wakes up
				waitFor(t, func() bool { return c.got.Load() == each+1 })
			}
			st := g.Stats()
			require.Equal(t, len(cs), st.Members)
			require.Positive(t, st.Sleeps)
			require.Positive(t, st.Visits)
			require.Zero(t, st.Errors)
		})
	}
}

// The poller polls only who has something: the others are armed.
func TestPollerPollsTheActive(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	var cs []*counted
	for range 10 {
		cs = append(cs, newCounted(t, e, EVDConfig{Poller: g}, mock.Config{}))
	}
	idle(t, g)
	require.NoError(t, cs[3].d.SetMode(ModeSpin))
	waitFor(t, func() bool { return g.Stats().Active == 1 })
	for i, c := range cs {
		s := c.d.links()[0].state.Load()
		require.Equal(t, i == 3, s&lWATCH != 0, i)
		require.NotZero(t, s&lARMED)
	}
	c := cs[5]
	c.send(t)
	waitFor(t, func() bool { return c.got.Load() == 1 })
	waitFor(t, func() bool { return g.Stats().Active == 1 })
	require.NoError(t, cs[3].d.SetMode(ModeEvent))
	idle(t, g)
}

// A member is closed while others work, and new ones come.
func TestPollerMembersComeAndGo(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	stay := newCounted(t, e, EVDConfig{Poller: g}, mock.Config{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				stay.send(t)
			}
		}
	})
	for i := range 200 {
		c := newCounted(t, e, EVDConfig{Poller: g, Mode: Mode(i % 3)}, mock.Config{})
		for range i % 5 {
			c.send(t)
		}
		require.ErrorIs(t, g.Close(), ErrBusy)
		require.NoError(t, c.d.Close())
		require.NoError(t, c.cq.Close())
	}
	close(stop)
	wg.Wait()
	waitFor(t, func() bool { return stay.got.Load() == stay.sent })
	require.Equal(t, 1, g.Stats().Members)
	require.NoError(t, stay.d.Close())
	require.NoError(t, g.Close())
	require.NoError(t, g.Close())
	require.Empty(t, e.Pollers())
	_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{newTestCQ(t, mock.Config{})}, Poller: g})
	require.ErrorIs(t, err, ErrClosed)
	require.Empty(t, e.EVDs())
}

// One CQ goes first and second: its CQ is free again when its EVD is closed.
func TestPollerSameCQAgain(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g, h := newPoller(t, e), newPoller(t, e)
	cq := newTestCQ(t, mock.Config{Depth: 8})
	var got atom.Counter
	for i := range 50 {
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Poller: []*Poller{g, h, nil}[i%3], Policy: SingleInstance, Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) }})
		require.NoError(t, err)
		_, err = cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		waitFor(t, func() bool { return got.Load() == uint64(i+1) })
		require.NoError(t, d.Close())
	}
}

// An upcall that panics or ends the goroutine, again and again, does the others no harm.
func TestPollerUpcallThatDoesNotReturn(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("as asked") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			e := newTestEngine(t, Config{Watchdog: NoWatchdog})
			g := newPoller(t, e)
			good := newCounted(t, e, EVDConfig{Poller: g}, mock.Config{})
			var ends atom.Counter
			for _, mode := range []Mode{ModeAdaptive, ModeEvent, ModeSpin} {
				bad := newCounted(t, e, EVDConfig{Poller: g, Mode: mode, Upcall: func(*Upcall) { ends.Add(1); end() }}, mock.Config{})
				for range 20 {
					was := ends.Load()
					bad.send(t)
					good.send(t)
					waitFor(t, func() bool { return ends.Load() > was && good.got.Load() == good.sent })
					if name == "panic" {
						waitFor(t, func() bool { return bad.d.Query().Running == 0 })
						require.NoError(t, bad.d.ModifyUpcallAny(SingleInstance, Same))
					}
				}
				require.NoError(t, bad.d.Close())
			}
		})
	}
}

// While one member's CQ cannot be armed, the others are served; and it is in the end.
func TestPollerArmFails(t *testing.T) {
	for _, mode := range []Mode{ModeAdaptive, ModeEvent} {
		t.Run(mode.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Watchdog: NoWatchdog})
			g := newPoller(t, e)
			good := newCounted(t, e, EVDConfig{Poller: g, Mode: mode}, mock.Config{})
			bad := newCounted(t, e, EVDConfig{Poller: g, Mode: mode}, mock.Config{Faults: mock.Faults{ArmError: mock.Rule{First: 1, Count: 12}}})
			for bad.cq.Stats().Arms == 0 {
				good.send(t)
				waitFor(t, func() bool { return good.got.Load() == good.sent })
			}
			bad.send(t)
			waitFor(t, func() bool { return bad.got.Load() == 1 })
			idle(t, g)
			s, err := bad.d.CQStats(0)
			require.NoError(t, err)
			require.EqualValues(t, 12, s.ArmErrors)
		})
	}
	t.Run("closed meanwhile", func(t *testing.T) {
		e := newTestEngine(t, Config{Watchdog: NoWatchdog})
		g := newPoller(t, e)
		bad := newCounted(t, e, EVDConfig{Poller: g}, mock.Config{Faults: mock.Faults{ArmError: mock.Always()}})
		waitFor(t, func() bool { s, _ := bad.d.CQStats(0); return s.ArmErrors > 2 })
		require.NoError(t, bad.d.Close())
		require.NoError(t, g.Close())
	})
}

// A member whose device goes is given what it has, and no more looked at.
func TestPollerRemoved(t *testing.T) {
	for _, mode := range []Mode{ModeAdaptive, ModeEvent, ModeSpin} {
		t.Run(mode.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Watchdog: NoWatchdog})
			g := newPoller(t, e)
			c := newCounted(t, e, EVDConfig{Poller: g, Mode: mode}, mock.Config{})
			c.send(t)
			c.cq.Remove()
			waitFor(t, func() bool { return c.got.Load() == 1 && c.d.links()[0].failed.Load() != 0 })
			idle(t, g)
			require.NoError(t, c.d.Close())
			require.Zero(t, g.Stats().Members)
		})
	}
}

// A member that always has something does not keep the others waiting: each gets a
// Budget in turn. Its own upcalls see to it that it never runs dry.
func TestPollerFair(t *testing.T) {
	for _, mode := range []Mode{ModeAdaptive, ModeEvent, ModeSpin} {
		for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
			t.Run(fmt.Sprintf("%v-%v", mode, disp), func(t *testing.T) {
				e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
				g := newPoller(t, e)
				var full *counted
				full = newCounted(t, e, EVDConfig{Poller: g, Mode: mode, Dispatch: disp, Budget: 16, Upcall: func(u *Upcall) {
					for range u.Events() {
						_, _ = full.cq.Complete(hwcq.WC{}, false)
					}
				}}, mock.Config{})
				for range 8 {
					full.send(t)
				}
				c := newCounted(t, e, EVDConfig{Poller: g, Mode: mode}, mock.Config{})
				for range 20 {
					c.send(t)
					waitFor(t, func() bool { return c.got.Load() == c.sent })
				}
				if disp == DispatchAuto {
					require.Zero(t, full.d.Stats().QueuedRuns, "they were the poller's")
					require.NotZero(t, full.d.Stats().HandOvers)
				}
			})
		}
	}
}

// Timers of many EVDs, on one goroutine.
func TestPollerTimers(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	var got atom.Counter
	var cqs []*timer.CQ
	for range 20 {
		cq, err := timer.New(timer.Config{Depth: 4})
		require.NoError(t, err)
		cqs = append(cqs, cq)
		t.Cleanup(func() { _ = cq.Close() })
		_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Poller: g, Policy: SingleInstance, Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) }})
		require.NoError(t, err)
	}
	for round := range 3 {
		for i, cq := range cqs {
			_, err := cq.After(time.Duration(i%3)*100*time.Microsecond, 1)
			require.NoError(t, err)
		}
		waitFor(t, func() bool { return got.Load() == uint64(len(cqs)*(round+1)) })
	}
	require.NoError(t, e.Close())
}

// A shared CQ is served by a poller too.
func TestPollerShared(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	cq := newTestCQ(t, mock.Config{Depth: 64})
	s, err := e.NewSharedCQ(SharedCQConfig{CQ: cq, Poller: g})
	require.NoError(t, err)
	var got [3]atom.Counter
	for i := range got {
		d, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: func(u *Upcall) { got[i].Add(uint64(len(u.Events()))) }})
		require.NoError(t, err)
		_, err = d.Join(s, uint32(i), 16)
		require.NoError(t, err)
	}
	for n := range 100 {
		for i := range got {
			_, err := cq.Complete(hwcq.WC{QPNum: uint32(i)}, false)
			require.NoError(t, err)
			waitFor(t, func() bool { return got[i].Load() == uint64(n+1) })
		}
	}
}

// plain is a CQ whose events can only be waited for alone.
type plain struct{ hwcq.CQ }

type plainSource struct{ hwcq.EventSource }

func (p plain) Events() hwcq.EventSource { return plainSource{p.CQ.Events()} }

func TestPollerRefuses(t *testing.T) {
	e, other := newTestEngine(t, Config{Watchdog: NoWatchdog}), newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	cq := newTestCQ(t, mock.Config{})
	_, err := other.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g})
	require.ErrorIs(t, err, ErrForeign)
	_, err = other.NewSharedCQ(SharedCQConfig{CQ: cq, Poller: g})
	require.ErrorIs(t, err, ErrForeign)
	for range 2 { // the second one finds nothing of the first
		_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq, plain{cq}}, Poller: g})
		require.ErrorIs(t, err, ErrNotSupported)
		require.ErrorContains(t, err, "CQs[1]")
		require.ErrorContains(t, err, "hwcq.Notifier")
		_, err = e.NewSharedCQ(SharedCQConfig{CQ: plain{cq}, Poller: g})
		require.ErrorIs(t, err, ErrNotSupported)
	}
	require.Zero(t, g.Stats().Members)
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g, Exclusive: true, CPU: OnCPU(0), Policy: Disable})
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "Poller = "+g.Name()+": must be nil, because Exclusive is set")
	require.ErrorContains(t, err, "CPU = CPU 0: must be AnyCPU, because Poller is set")
	_, err = e.NewSharedCQ(SharedCQConfig{CQ: cq, Poller: g, CPU: OnCPU(0)})
	require.ErrorContains(t, err, "CPU = CPU 0: must be AnyCPU, because Poller is set")
	_, err = e.NewPoller(PollerConfig{CPU: OnCPU(-1)})
	require.Error(t, err)
	require.ErrorIs(t, (*Poller)(nil).Close(), ErrNilHandle)
	require.Zero(t, (*Poller)(nil).Stats())
	require.NoError(t, e.Close())
	_, err = e.NewPoller(PollerConfig{})
	require.ErrorIs(t, err, ErrClosed)
}

func TestZeroAllocPoller(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive, ModeSpin} {
		t.Run(mode.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 1})
			g := newPoller(t, e)
			var cs []*counted
			for range 4 {
				cs = append(cs, newCounted(t, e, EVDConfig{Poller: g, Mode: mode}, mock.Config{}))
			}
			n := 0
			require.Zero(t, testing.AllocsPerRun(1000, func() {
				c := cs[n%len(cs)]
				n++
				for c.send(t); c.got.Load() != c.sent; {
					atom.Spin()
				}
			}))
		})
	}
}

// What the counters say is what was done.
func TestPollerStats(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	require.Zero(t, e.Stats().Pollers)
	g, h := newPoller(t, e), newPoller(t, e)
	require.Equal(t, 2, e.Stats().Pollers)
	require.Equal(t, g.Stats().ID+1, h.Stats().ID)
	c := newCounted(t, e, EVDConfig{Poller: g, Mode: ModeEvent}, mock.Config{})
	for range 5 {
		idle(t, g)
		c.send(t)
		waitFor(t, func() bool { return c.got.Load() == c.sent })
	}
	idle(t, g)
	st := g.Stats()
	require.EqualValues(t, c.cq.Stats().Arms, st.Arms)
	require.EqualValues(t, 6, st.Arms)
	require.EqualValues(t, 5, st.Events)
	require.GreaterOrEqual(t, st.Wakes, uint64(5))
	require.GreaterOrEqual(t, st.Calls, st.Wakes, "there are no descriptors")
	require.GreaterOrEqual(t, st.Visits, uint64(6))
	require.Zero(t, st.ArmErrors+st.Errors)
	require.NoError(t, c.d.Close())
	require.EqualValues(t, 6, g.Stats().Arms, "those of members that have left stay")
	bad := newCounted(t, e, EVDConfig{Poller: g, Mode: ModeEvent}, mock.Config{Faults: mock.Faults{ArmError: mock.Always()}})
	waitFor(t, func() bool { st := g.Stats(); return st.ArmErrors > 5 && st.Late == 1 })
	require.NoError(t, bad.d.Close())
	waitFor(t, func() bool { return g.Stats().Late == 0 })
	require.NoError(t, h.Close())
	require.Equal(t, 1, e.Stats().Pollers)
}
