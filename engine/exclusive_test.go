package engine

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// newExclusive makes an exclusive EVD over a mock CQ, whose upcall is fn.
func newExclusive(t testing.TB, e *Engine, cfg EVDConfig, fn UpcallFunc) (*EVD, *mock.CQ) {
	t.Helper()
	cq := newTestCQ(t, mock.Config{})
	cfg.Exclusive, cfg.Upcall, cfg.Streams = true, fn, DTO|Software
	cfg.CQs = []hwcq.CQ{cq}
	d, err := e.NewEVD(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, cq
}

// lingers reports whether a poller stays in a run of d.
func lingers(d *EVD) bool { s := d.load(); return s.run() == 1 && s&bTAKE != 0 && s&bMISS == 0 }

// What an exclusive EVD cannot have is refused, by its name.
func TestExclusiveRefuses(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	cno := newTestCNO(t, e, CNOConfig{})
	cqs := []hwcq.CQ{newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})}
	ok := EVDConfig{Exclusive: true, CQs: cqs[:1], Upcall: func(*Upcall) {}}
	require.NoError(t, ok.Validate())
	for _, c := range []struct {
		want   string
		change func(*EVDConfig)
	}{
		{"CQs = 0: must be exactly one, because Exclusive is set", func(c *EVDConfig) { c.CQs = nil }},
		{"CQs = 2: must be exactly one, because Exclusive is set", func(c *EVDConfig) { c.CQs = cqs }},
		{"Dispatch = queued: must be DispatchAuto or DispatchInline", func(c *EVDConfig) { c.Dispatch = DispatchQueued }},
		{"Policy = notification_only: must be Disable or SingleInstance", func(c *EVDConfig) { c.Policy = NotificationOnly }},
		{"Policy = many(2): must be Disable or SingleInstance", func(c *EVDConfig) { c.Policy = ManyLimit(2) }},
		{"CNO = ", func(c *EVDConfig) { c.CNO = cno }},
	} {
		cfg := ok
		c.change(&cfg)
		require.ErrorContains(t, cfg.Validate(), c.want)
	}

	d, _ := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, func(*Upcall) {})
	for _, p := range []Policy{NotificationOnly, Many, ManyLimit(3)} {
		require.ErrorIs(t, d.ModifyUpcall(p, Same), ErrExclusive)
		require.ErrorContains(t, d.ModifyUpcallAny(p, Same), "policy = "+p.String())
	}
	require.Equal(t, SingleInstance, d.Query().Policy)
	require.ErrorIs(t, d.ModifyCNO(cno), ErrExclusive)
	require.NoError(t, d.ModifyCNO(nil), "it is on none")
	s, err := e.NewSharedCQ(SharedCQConfig{CQ: newTestCQ(t, mock.Config{})})
	require.NoError(t, err)
	_, err = d.Join(s, 1, 1)
	require.ErrorIs(t, err, ErrExclusive)
}

// While somebody has it to himself, others are told so, at once.
func TestExclusiveBusy(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	in, out := make(chan error), make(chan struct{})
	var d *EVD
	d, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, func(u *Upcall) {
		in <- u.ModifyUpcall(Disable, Same)
		<-out
	})
	one(t, cq, 1)
	require.NoError(t, <-in)
	one(t, cq, 2)
	var evs [1]Event
	_, err := d.Dequeue(evs[:])
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, d.Resize(1), ErrBusy)
	require.NoError(t, d.Resize(2*DefaultCapacity))
	_, _, err = d.Wait(limit(t), 1, evs[:])
	require.ErrorIs(t, err, ErrBusy)
	close(out)
	require.NoError(t, d.Teardown(limit(t)))
	_, _, err = d.Wait(limit(t), 1, evs[:])
	require.NoError(t, err)
	require.EqualValues(t, 2, evs[0].WRID)
	require.NoError(t, d.Resize(1))
}

// A Dequeue from inside has what comes after the batch, posts of the upcall included.
func TestExclusiveDequeue(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	done := make(chan []uint64, 1)
	var errs [3]error
	_, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, func(u *Upcall) {
		ids := []uint64{u.Events()[0].WRID}
		if ids[0] != 1 {
			return // it was not to be had from inside
		}
		errs[0] = u.Post(Event{WRID: 2})
		errs[1] = u.Post(Event{WRID: 3})
		var evs [4]Event
		var n int
		n, errs[2] = u.Dequeue(evs[:])
		for _, ev := range evs[:n] {
			ids = append(ids, ev.WRID)
		}
		done <- ids
	})
	one(t, cq, 1)
	require.Equal(t, []uint64{1, 2, 3}, <-done)
	require.Equal(t, [3]error{}, errs)
}

// What is behind the ring, or was put aside by a waiter, is found by one who then
// lingers.
func TestExclusiveSpill(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Uint64
	var errs [5]error
	_, cq := newExclusive(t, e, EVDConfig{
		Policy: SingleInstance, Mode: ModeSpin, Capacity: 1, Overflow: OverflowSpill, SpillLimit: 8, Batch: 1,
	}, func(u *Upcall) {
		if got.Add(1) == 1 {
			for i := range errs {
				errs[i] = u.Post(Event{})
			}
		}
	})
	one(t, cq, 1)
	waitFor(t, func() bool { return got.Load() == 6 })
	require.Equal(t, [5]error{}, errs)
}

func TestExclusiveAside(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Uint64
	d, cq := newExclusive(t, e, EVDConfig{Mode: ModeSpin, Batch: 1}, func(u *Upcall) { got.Add(uint64(len(u.Events()))) })
	one(t, cq, 1)
	one(t, cq, 2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var evs [1]Event
	_, _, err := d.Wait(ctx, 3, evs[:])
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, d.ModifyUpcallAny(SingleInstance, Same))
	waitFor(t, func() bool { return got.Load() == 2 })
}

// What ModifyUpcallNew leaves while a run goes on is not left for longer than that.
func TestExclusiveKept(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Uint64
	var errs [3]error
	d, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, func(u *Upcall) {
		if got.Add(uint64(len(u.Events()))) == 1 {
			errs = [3]error{u.ModifyUpcall(Disable, Same), u.Post(Event{}), u.ModifyUpcallNew(SingleInstance, Same)}
		}
	})
	one(t, cq, 1)
	waitFor(t, func() bool { return got.Load() == 2 && lingers(d) && d.flags.Load()&fKept == 0 })
	require.Equal(t, [3]error{}, errs)
}

// polledCQ counts the polls of a CQ.
type polledCQ struct {
	hwcq.CQ
	n atom.Uint64
}

func (c *polledCQ) Poll(dst []hwcq.WC) int { c.n.Add(1); return c.CQ.Poll(dst) }

// A poller that lingers is no upcall that does not return; one that does not return is.
func TestExclusiveIsNotStuck(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, Watchdog: time.Hour, StuckAfter: time.Hour})
	cq := &polledCQ{CQ: newTestCQ(t, mock.Config{})}
	in, out := make(chan struct{}, 2), make(chan struct{}, 1)
	d, err := e.NewEVD(EVDConfig{Exclusive: true, CQs: []hwcq.CQ{cq}, Mode: ModeSpin, Policy: SingleInstance, Upcall: func(*Upcall) { in <- struct{}{}; <-out }})
	require.NoError(t, err)
	defer d.Close()
	out <- struct{}{}
	one(t, cq.CQ.(*mock.CQ), 1)
	<-in
	waitFor(t, func() bool { return lingers(d) })
	for range 8 {
		n := cq.n.Load()
		waitFor(t, func() bool { return cq.n.Load() > n+2*yieldEvery })
		e.tick()
	}
	require.Zero(t, e.Async().Query().Pending)
	require.EqualValues(t, 1, d.Query().Running)
	one(t, cq.CQ.(*mock.CQ), 2)
	<-in
	for range 4 {
		e.tick()
	}
	require.Equal(t, StuckUpcall, nextAsync(t, e).Number)
	out <- struct{}{}
}

// An upcall that panics or ends its goroutine leaves no TAKE behind.
func TestExclusiveUpcallDoesNotReturn(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("upcall") }, "exit": runtime.Goexit} {
		for _, m := range []Mode{ModeSpin, ModeEvent} {
			t.Run(name+" "+m.String(), func(t *testing.T) {
				e := newTestEngine(t, Config{Workers: 1})
				var got atom.Uint64
				d, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: m}, func(u *Upcall) {
					if u.Events()[0].WRID == 1 {
						leave()
					}
					got.Add(1)
				})
				one(t, cq, 1)
				if name == "panic" {
					waitFor(t, func() bool { return d.LastPanic() != nil })
					require.NoError(t, d.Teardown(limit(t)))
					var evs [1]Event
					n, err := d.Dequeue(evs[:])
					require.NoError(t, err)
					require.Zero(t, n, "the event counts as delivered")
					require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
				}
				one(t, cq, 2)
				require.NoError(t, d.Post(Event{WRID: 3}))
				waitFor(t, func() bool { return got.Load() >= 1 && d.Stats().Delivered == 3 })
			})
		}
	}
}

// Shutdown is not kept waiting by a poller that lingers; all is counted then.
func TestExclusiveShutdown(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Uint64
	d, cq := newExclusive(t, e, EVDConfig{Policy: SingleInstance, Mode: ModeSpin}, func(u *Upcall) { got.Add(uint64(len(u.Events()))) })
	for i := range 1000 {
		one(t, cq, uint64(i))
		if i%10 == 0 {
			require.NoError(t, d.Post(Event{}))
		}
		waitFor(t, func() bool { return got.Load() >= uint64(i+1) })
	}
	require.NoError(t, d.Shutdown(limit(t)))
	st := d.Stats()
	require.EqualValues(t, 1100, got.Load())
	require.EqualValues(t, 1000, st.Polled)
	require.EqualValues(t, 100, st.Posted)
	require.EqualValues(t, 1100, st.Delivered)
	var upcalls uint64
	for _, n := range st.Batches {
		upcalls += n
	}
	require.Equal(t, st.Upcalls, upcalls)
	require.Zero(t, st.Leftover)
}
