package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// returns fails the test if f does not return.
func returns(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		require.FailNow(t, what+" does not return")
	}
}

// blocked is a member whose upcall stays until let go.
type blocked struct {
	*counted
	in, out chan struct{}
	once    sync.Once
}

func newBlocked(t *testing.T, e *Engine, cfg EVDConfig) *blocked {
	b := &blocked{in: make(chan struct{}), out: make(chan struct{})}
	cfg.Upcall = func(*Upcall) {
		close(b.in)
		<-b.out
	}
	b.counted = newCounted(t, e, cfg, mock.Config{})
	t.Cleanup(b.release)
	return b
}

// enter has the poller's goroutine go into the upcall.
func (b *blocked) enter(t *testing.T) {
	b.send(t)
	<-b.in
}

func (b *blocked) release() { b.once.Do(func() { close(b.out) }) }

// An upcall may close another EVD, and with it its CQ, whichever goroutine serves that:
// one that is polled, one that sleeps, one that backs off, one with a pump.
func TestPollerCloseOtherInUpcall(t *testing.T) {
	for name, cfg := range map[string]EVDConfig{
		"spin":   {Mode: ModeSpin},
		"event":  {Mode: ModeEvent},
		"queued": {Mode: ModeAdaptive, Dispatch: DispatchQueued},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTestEngine(t, Config{Watchdog: NoWatchdog})
			g := newPoller(t, e)
			cfg.Poller = g
			other := newCounted(t, e, cfg, mock.Config{})
			other.send(t)
			waitFor(t, func() bool { return other.got.Load() == 1 })
			done := make(chan error, 1)
			asked := newCounted(t, e, EVDConfig{Poller: g, Upcall: func(*Upcall) {
				other.send(t) // and what is on the CQ stays there
				done <- errors.Join(other.d.Close(), other.cq.Close())
			}}, mock.Config{})
			asked.send(t)
			returns(t, "Close", func() { require.NoError(t, <-done) })
			require.Equal(t, 1, g.Stats().Members)
			require.ErrorIs(t, g.Close(), ErrBusy)
			idle(t, g)
			require.LessOrEqual(t, other.got.Load(), other.sent)
			require.NoError(t, asked.d.Close())
			require.NoError(t, g.Close())
		})
	}
}

// While an upcall blocks the poller, EVDs of others are closed, made, and not made.
func TestPollerCloseBesideBlocked(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	var cs []*counted
	for i := range 6 {
		cs = append(cs, newCounted(t, e, EVDConfig{Poller: g, Mode: Mode(i % 3)}, mock.Config{}))
	}
	cq := newTestCQ(t, mock.Config{Depth: 64})
	s, err := e.NewSharedCQ(SharedCQConfig{CQ: cq, Poller: g})
	require.NoError(t, err)
	b := newBlocked(t, e, EVDConfig{Poller: g})
	b.enter(t)
	returns(t, "Close", func() {
		for _, c := range cs[1:] {
			require.NoError(t, c.d.Close())
			require.NoError(t, c.cq.Close())
		}
		require.NoError(t, s.Close())
		for range 3 { // what is refused leaves at once
			_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq, plain{cq}}, Poller: g})
			require.ErrorIs(t, err, ErrNotSupported)
		}
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g})
		require.NoError(t, err)
		require.NoError(t, d.Close())
	})
	require.Equal(t, 2, g.Stats().Members)
	cs[0].send(t)
	b.release()
	waitFor(t, func() bool { return cs[0].got.Load() == 1 })
	require.NoError(t, cs[0].d.SetMode(ModeEvent))
	idle(t, g)
}

// The upcall waits for what the closer has, and the closer for the poller: neither
// knows of the other when it begins.
func TestPollerCloseHoldsWhatUpcallWants(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	var mu sync.Mutex
	wants := newCounted(t, e, EVDConfig{Poller: g, Upcall: func(*Upcall) {
		mu.Lock()
		runtime.Gosched()
		mu.Unlock()
	}}, mock.Config{})
	returns(t, "Close under a lock that upcalls want", func() {
		for i := range 100 {
			c := newCounted(t, e, EVDConfig{Poller: g, Mode: Mode(i % 3)}, mock.Config{})
			wants.send(t)
			mu.Lock()
			require.NoError(t, c.d.Close())
			require.NoError(t, c.cq.Close())
			mu.Unlock()
		}
	})
	require.Equal(t, 1, g.Stats().Members)
}

// CloseContext keeps to its context, whichever EVD the upcall that blocks is of.
func TestPollerCloseContextBlocked(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	b := newBlocked(t, e, EVDConfig{Poller: g})
	newCounted(t, e, EVDConfig{Poller: g}, mock.Config{})
	b.enter(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	returns(t, "CloseContext", func() { require.ErrorIs(t, e.CloseContext(ctx), context.Canceled) })
	b.release()
	require.NoError(t, e.Close())
}

// A CQ of which an event and its end come together is told of both.
func TestPollerRemovedBehindEvent(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	c := newCounted(t, e, EVDConfig{Poller: g, Mode: ModeEvent}, mock.Config{})
	idle(t, g)
	b := newBlocked(t, e, EVDConfig{Poller: g, Mode: ModeEvent})
	b.enter(t)
	require.NoError(t, c.d.ModifyUpcall(Disable, Same)) // or its arm would tell
	c.send(t)
	c.cq.Remove()
	b.release()
	waitFor(t, func() bool { return c.d.links()[0].failed.Load() != 0 })
	idle(t, g)
}

// EVDs, their CQs and the poller end in any order, while events fly.
func TestPollerEndsInAnyOrder(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 20 {
		e, err := New(Config{Workers: 1, Watchdog: NoWatchdog})
		require.NoError(t, err)
		g, h := newPoller(t, e), newPoller(t, e)
		var cs []*counted
		var got atom.Counter
		for n := range 6 {
			cs = append(cs, newCounted(t, e, EVDConfig{Poller: []*Poller{g, h}[n%2], Mode: Mode(n % 3), Dispatch: []Dispatch{DispatchAuto, DispatchQueued}[n/3], Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) }}, mock.Config{}))
		}
		var wg sync.WaitGroup
		for _, c := range cs {
			wg.Go(func() {
				for {
					if _, err := c.cq.Complete(hwcq.WC{}, false); err != nil {
						return // closed, or removed
					}
					runtime.Gosched()
				}
			})
		}
		wg.Go(func() { // more come
			for range 200 {
				cq, err := mock.New(mock.Config{Depth: 4})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g, Policy: SingleInstance, Upcall: func(*Upcall) {}})
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		waitFor(t, func() bool { return got.Load() > uint64(i) })
		switch i % 4 {
		case 0:
			wg.Go(func() { _ = cs[0].d.Close() })
			wg.Go(func() { _ = cs[1].cq.Close() })
			cs[2].cq.Remove()
		case 1:
			wg.Go(func() { _ = g.Close() })
			wg.Go(func() { _ = h.Close() })
		case 2:
			wg.Go(func() { _ = e.Close() })
		}
		returns(t, "Engine.Close", func() { require.NoError(t, e.Close()) })
		for _, c := range cs {
			require.NoError(t, c.cq.Close())
		}
		wg.Wait()
		require.Empty(t, e.Pollers())
		require.ErrorIs(t, newErr(e.NewPoller(PollerConfig{})), ErrClosed)
	}
	waitFor(t, func() bool { return runtime.NumGoroutine() <= before })
}

func newErr(_ *Poller, err error) error { return err }

// leaver is a machine that ends in its run, and whose CQ is let go there.
type leaver struct {
	sink
	p *poller
}

func (l leaver) trigger(source) bool { return true }

func (l leaver) runSlot(*runner) bool {
	l.p.askStop()
	l.p.wait()
	return true
}

// Who leaves while the goroutine comes out of a run of his is not touched any more, in
// a turn or at a telling.
func TestPollerLeavesBehindRun(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	for _, told := range []bool{false, true} {
		g := &Poller{e: e, tok: atom.NewToken(), done: atom.NewToken()} // without its goroutine
		cq := newTestCQ(t, mock.Config{})
		owner := &leaver{}
		l := e.newLink(cq, owner, ModeEvent, false, AnyCPU, g)
		owner.p = l.poll
		require.NoError(t, g.admit(l.poll))
		_, err := cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		l.state.Store(lWATCH | lARMED) // it is to go from polling to sleep, which arms
		if told {
			l.poll.m.retry = true
			require.True(t, l.poll.m.attend())
		} else {
			g.activate(l.poll.m)
			require.True(t, l.poll.m.poll())
		}
		require.Zero(t, cq.Stats().Arms)
		require.Zero(t, g.members)
		for g.attendAll() {
		}
		require.Empty(t, g.active)
	}
}
