package engine

import (
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// boundCQ is a mock CQ that belongs to a thread. As an io_uring does, it makes
// completions visible only there: what the hardware completes is held back until the
// owner polls or waits.
type boundCQ struct {
	*mock.CQ
	bindErr   error
	unbindErr error

	owner   atomic.Int64 // thread; 0: none
	binds   atomic.Int64
	unbinds atomic.Int64
	wrong   atomic.Int64 // calls on the wrong thread
	held    atomic.Int64 // completions of the hardware that the owner has yet to bring in
	veil    atomic.Int32 // 1: only the owner sees what has completed, 2: nobody does
}

func newBoundCQ(t testing.TB) *boundCQ {
	t.Helper()
	cq, err := mock.New(mock.Config{Depth: 256})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cq.Close()) })
	return &boundCQ{CQ: cq}
}

func (c *boundCQ) ThreadBound() bool { return true }

func (c *boundCQ) Bind() error {
	if c.bindErr != nil {
		return c.bindErr
	}
	if c.binds.Add(1) > 1 {
		return hwcq.ErrWrongThread
	}
	c.owner.Store(int64(unix.Gettid()))
	return nil
}

func (c *boundCQ) Unbind() error {
	c.mine()
	c.owner.Store(0)
	c.unbinds.Add(1)
	return c.unbindErr
}

// mine reports whether the caller is on the owner's thread.
func (c *boundCQ) mine() bool {
	if c.owner.Load() != int64(unix.Gettid()) {
		c.wrong.Add(1)
		return false
	}
	return true
}

func (c *boundCQ) bring() {
	for n := c.held.Swap(0); n > 0; n-- {
		c.Complete(hwcq.WC{WRID: uint64(n)}, false)
	}
}

func (c *boundCQ) Poll(dst []hwcq.WC) int {
	if c.owner.Load() == int64(unix.Gettid()) {
		c.bring()
	}
	return c.CQ.Poll(dst)
}

// Pending says that there is work to do first, wherever it is asked.
func (c *boundCQ) Pending() bool {
	if v := c.veil.Load(); v == 2 || v == 1 && c.owner.Load() != int64(unix.Gettid()) {
		return false
	}
	return c.held.Load() > 0 || c.CQ.Pending()
}

func (c *boundCQ) Events() hwcq.EventSource { return boundSource{c.CQ.Events(), c} }

// complete is the hardware.
func (c *boundCQ) complete() {
	c.held.Add(1)
	c.Events().Wake()
}

type boundSource struct {
	hwcq.EventSource
	c *boundCQ
}

func (s boundSource) Wait() (bool, error) {
	s.c.mine()
	s.c.bring()
	return s.EventSource.Wait()
}

// The event of an arm that a poller meets while it polls, and another goroutine takes,
// uses the arm up for everybody: who waits next arms again.
func TestThreadBoundEventWhilePolling(t *testing.T) {
	cq := newBoundCQ(t)
	e := newTestEngine(t, Config{Watchdog: -1})
	d, err := e.NewEVD(EVDConfig{Streams: DTO, CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	l := d.links()[0]
	soon := func(what string, is func() bool) {
		t.Helper()
		require.Eventually(t, is, 20*time.Second, 100*time.Microsecond, what)
	}
	wait := func() <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, _, err := d.Wait(t.Context(), 1, make([]Event, 1))
			ended <- err
		}()
		soon("the waiter sleeps", func() bool { return d.load()&bWAIT != 0 })
		return ended
	}
	ends := func(ended <-chan error) {
		t.Helper()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(20 * time.Second):
			t.Fatal("nobody told the waiter")
		}
	}
	first := wait()
	soon("the arm", func() bool { return l.state.Load() == lARMED|lHW })
	require.NoError(t, d.SetMode(ModeSpin))
	soon("it polls", func() bool { return l.state.Load()&lWATCH != 0 })
	cq.veil.Store(2) // so that the event is there when the poller sees the completion,
	cq.Complete(hwcq.WC{}, false)
	cq.veil.Store(1) // and the poller sees it first
	soon("the event", func() bool { return l.stats.events.Load() == 1 && l.state.Load()&lHW == 0 })
	cq.veil.Store(0)
	ends(first)
	require.NoError(t, d.SetMode(ModeEvent))
	second := wait()
	soon("the poller sleeps", func() bool { return l.state.Load()&lWATCH == 0 && l.stats.sleeps.Load() > 0 })
	time.Sleep(time.Millisecond) // or is about to
	cq.Complete(hwcq.WC{}, false)
	ends(second)
	require.Zero(t, cq.wrong.Load())
}

// The poller of a CQ that belongs to a thread binds it before anything else, waits and
// runs the inline upcalls there, and unbinds it at its end, in every mode.
func TestThreadBound(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive, ModeSpin} {
		t.Run(mode.String(), func(t *testing.T) {
			cq := newBoundCQ(t)
			e := newTestEngine(t, Config{})
			got := make(chan uint64, 64)
			var wrong atomic.Int64
			d, err := e.NewEVD(EVDConfig{
				Streams: DTO, CQs: []hwcq.CQ{cq}, Policy: SingleInstance, Mode: mode,
				Upcall: func(u *Upcall) {
					if cq.owner.Load() != int64(unix.Gettid()) {
						wrong.Add(1)
					}
					for _, ev := range u.Events() {
						got <- ev.WRID
					}
				},
			})
			require.NoError(t, err)
			require.EqualValues(t, 1, cq.binds.Load(), "NewEVD returns when it is bound")
			for range 20 {
				cq.complete()
				<-got
			}
			other := ModeEvent
			if mode == ModeEvent {
				other = ModeSpin
			}
			require.NoError(t, d.SetMode(other))
			for range 20 {
				cq.complete()
				<-got
			}
			require.NoError(t, d.Close())
			require.EqualValues(t, 1, cq.unbinds.Load())
			require.Zero(t, wrong.Load(), "upcalls on another thread")
			require.Zero(t, cq.wrong.Load(), "Wait or Unbind on another thread")
		})
	}
}

// A poller yields at the end of each budget, but one that is tied to a thread seldom.
func TestThreadBoundYields(t *testing.T) {
	e := newTestEngine(t, Config{})
	free, err := mock.New(mock.Config{})
	require.NoError(t, err)
	d, err := e.NewEVD(EVDConfig{Streams: DTO, CQs: []hwcq.CQ{newBoundCQ(t), free}})
	require.NoError(t, err)
	for i, want := range []int{4, 1024} {
		r, n := &runner{tied: d.links()[i].poll.r.tied}, 0
		for range 1024 {
			if r.yields() {
				n++
			}
		}
		require.Equal(t, want, n)
	}
	require.NoError(t, d.Close())
	require.NoError(t, free.Close())
}

// Whoever looks from elsewhere, at a Pending that a Poll of his cannot make good, neither
// hangs nor takes it for an event.
func TestThreadBoundElsewhere(t *testing.T) {
	cq := newBoundCQ(t)
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Streams: DTO, CQs: []hwcq.CQ{cq}, Policy: Disable, Mode: ModeEvent})
	require.NoError(t, err)
	cq.held.Add(1) // and nobody told
	buf := make([]Event, 4)
	n, err := d.Dequeue(buf)
	require.ErrorIs(t, err, ErrBusy, "nothing to have now, and not empty")
	require.Zero(t, n)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}), ErrEventsPending)
	go func() {
		time.Sleep(time.Millisecond) // he waits by then, or will find it: either is right
		cq.Events().Wake()
	}()
	n, _, err = d.Wait(t.Context(), 1, buf)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, d.Close())
	require.EqualValues(t, 1, cq.unbinds.Load())
}

func TestThreadBoundShared(t *testing.T) {
	cq := newBoundCQ(t)
	e := newTestEngine(t, Config{})
	s, err := e.NewSharedCQ(SharedCQConfig{CQ: cq, Mode: ModeEvent})
	require.NoError(t, err)
	require.EqualValues(t, 1, cq.binds.Load())
	require.NoError(t, s.Close())
	require.EqualValues(t, 1, cq.unbinds.Load())
	require.Zero(t, cq.wrong.Load())

	_, err = e.NewSharedCQ(SharedCQConfig{CQ: cq})
	require.ErrorIs(t, err, hwcq.ErrWrongThread)
	require.ErrorContains(t, err, "engine: NewSharedCQ: CQ: ")
}

// A CQ that cannot be bound is refused, and nothing of the EVD stays.
func TestThreadBoundRefused(t *testing.T) {
	e := newTestEngine(t, Config{})
	cno, err := e.NewCNO(CNOConfig{})
	require.NoError(t, err)
	cq := newBoundCQ(t)
	cq.bindErr = errors.New("no thread for it")
	for range 3 {
		d, err := e.NewEVD(EVDConfig{Streams: DTO, CQs: []hwcq.CQ{newBoundCQ(t), cq}, CNO: cno})
		require.ErrorIs(t, err, cq.bindErr)
		require.ErrorContains(t, err, "engine: NewEVD: CQs[1]: ")
		require.Nil(t, d)
	}
	require.Eventually(t, func() bool { return pollers(t) == 0 }, 10*time.Second, time.Millisecond)
	cq.bindErr = nil
	d, err := e.NewEVD(EVDConfig{Streams: DTO, CQs: []hwcq.CQ{cq}, CNO: cno})
	require.NoError(t, err, "it is free again")
	require.ErrorIs(t, cno.Close(), ErrBusy)
	require.NoError(t, d.Close())
	require.NoError(t, cno.Close(), "and so is the CNO")
}

// pollers counts the goroutines of pollers, by their labels.
func pollers(t *testing.T) int {
	t.Helper()
	var b strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
	return strings.Count(b.String(), `"evd":"poller"`)
}

// With something outstanding still, the thread ends with the poller instead of going
// back to the runtime: the kernel cancels what it has submitted.
func TestThreadBoundUnbindFails(t *testing.T) {
	e := newTestEngine(t, Config{})
	tid := unix.Getpid()
	for tid == unix.Getpid() { // the runtime keeps the process's first thread, whatever was locked to it
		cq := newBoundCQ(t)
		cq.unbindErr = hwcq.ErrBusy
		d, err := e.NewEVD(EVDConfig{Streams: DTO, CQs: []hwcq.CQ{cq}})
		require.NoError(t, err)
		tid = int(cq.owner.Load())
		require.NoError(t, d.Close())
		require.EqualValues(t, 1, cq.unbinds.Load())
		require.EqualValues(t, 1, d.Stats().WaitErrs, "it is told")
	}
	require.Eventually(t, func() bool { return unix.Tgkill(unix.Getpid(), tid, 0) == unix.ESRCH },
		10*time.Second, time.Millisecond, "its thread goes on")
}

// An upcall that ends its goroutine ends the bond with it. The engine says so, and the
// EVD can be closed.
func TestThreadBoundGoexit(t *testing.T) {
	alarms := make(chan EventNumber, 8)
	e, err := New(Config{AsyncUpcall: func(u *Upcall) {
		for _, ev := range u.Events() {
			alarms <- ev.Number
		}
	}})
	require.NoError(t, err)
	defer e.Close()
	cq := newBoundCQ(t)
	d, err := e.NewEVD(EVDConfig{
		Streams: DTO, CQs: []hwcq.CQ{cq}, Policy: SingleInstance, Mode: ModeEvent,
		Upcall: func(*Upcall) { runtime.Goexit() },
	})
	require.NoError(t, err)
	cq.complete()
	require.Equal(t, DeviceRemoved, <-alarms)
	require.EqualValues(t, 1, cq.unbinds.Load())
	require.NoError(t, d.Close())
	require.Zero(t, cq.wrong.Load())
}
