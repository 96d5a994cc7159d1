package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// What the engine promises, as tests that do not know what kind of CQ they run
// on: each kind brings a semBed of its own. Nothing here depends on time:
// what must come is waited for, and that something must not come is shown by
// what comes instead of it.

// semBed is a CQ and the hardware that feeds it. Complete and Fail are for the
// test goroutine.
type semBed interface {
	CQ() hwcq.CQ

	// Complete has the hardware complete work requests with these WRIDs, in
	// this order: successfully, or flushed after a Fail. They may become
	// visible only after it returns.
	Complete(t *testing.T, wrids ...uint64)

	// Fail has it complete one with a status that is neither success nor
	// flush.
	Fail(t *testing.T, wrid uint64)

	// QPNum is the number that all these completions carry.
	QPNum() uint32
}

// mockBed is the bed of the mock CQ.
type mockBed struct {
	cq     *mock.CQ
	broken bool // as on hardware, where a queue pair does not recover by itself
}

func newMockBed(t *testing.T) semBed {
	t.Helper()
	cq, err := mock.New(mock.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cq.Close()) })
	return &mockBed{cq: cq}
}

func (b *mockBed) CQ() hwcq.CQ { return b.cq }

func (b *mockBed) QPNum() uint32 { return 0x11 }

func (b *mockBed) Complete(t *testing.T, wrids ...uint64) {
	t.Helper()
	status := hwcq.StatusSuccess
	if b.broken {
		status = hwcq.StatusWRFlushErr
	}
	for _, id := range wrids {
		b.put(t, hwcq.WC{WRID: id, Status: status, Opcode: hwcq.OpRDMAWrite, QPNum: b.QPNum()})
	}
}

func (b *mockBed) Fail(t *testing.T, wrid uint64) {
	t.Helper()
	b.broken = true
	b.put(t, hwcq.WC{WRID: wrid, Status: hwcq.StatusRemAccessErr, QPNum: b.QPNum()})
}

func (b *mockBed) put(t *testing.T, wc hwcq.WC) {
	t.Helper()
	stored, err := b.cq.Complete(wc, false)
	require.NoError(t, err)
	require.True(t, stored, "the CQ is full")
}

func TestSemanticsMock(t *testing.T) { semantics(t, newMockBed) }

// semHow is how an EVD under test waits and dispatches.
type semHow struct {
	mode     engine.Mode
	dispatch engine.Dispatch
}

func (h semHow) String() string { return h.mode.String() + "-" + h.dispatch.String() }

// queued: completions pass the ring, so that an EVD whose upcalls are disabled
// has taken them off the CQ all the same.
func (h semHow) queued() bool { return h.dispatch == engine.DispatchQueued }

var (
	semModes = []engine.Mode{engine.ModeEvent, engine.ModeAdaptive, engine.ModeSpin}

	semEvent  = []semHow{{engine.ModeEvent, engine.DispatchInline}}
	semInline = semHows(engine.DispatchInline)
	semEvery  = semHows(engine.DispatchInline, engine.DispatchQueued)
)

func semHows(ds ...engine.Dispatch) (hows []semHow) {
	for _, m := range semModes {
		for _, d := range ds {
			hows = append(hows, semHow{m, d})
		}
	}
	return hows
}

// semantics runs all that follows, each test with a bed and an engine of its
// own.
func semantics(t *testing.T, newBed func(t *testing.T) semBed) {
	for _, c := range []struct {
		name string
		hows []semHow
		test func(t *testing.T, k *semKit)
	}{
		{"disabled upcalls", semEvery, semDisabled},
		{"strict enable", semEvery, semStrict},
		{"enable any", semEvery, semAny},
		{"enable new", semEvent, semNew},
		{"single instance", semEvery, semSingle},
		{"many instances", semEvery, semMany},
		{"notification only", semEvery, semNotify},
		{"notification repeats", semEvery, semNotifyAgain},
		{"disable inside", semEvery, semDisableInside},
		{"iser", semEvery, semISER},
		{"teardown", semEvery, semTeardown},
		{"teardown inside", semEvery, semTeardownInside},
		{"wait threshold", semEvery, semThreshold},
		{"wait ended", semEvery, semEnded},
		{"wait batch", semEvery, semBatch},
		{"second waiter", semEvery, semSecondWaiter},
		{"wake", semEvery, semWake},
		{"endpoint merged upcall", semEvery, semMergedUpcall},
		{"endpoint merged dequeue", semEvery, semMergedDequeue},
		{"endpoint merged wait", semEvery, semMergedWait},
		{"endpoint separate", semEvery, semSeparate},
		{"close keeps", semInline, semCloseKeeps},
		{"close ends", semEvery, semCloseEnds},
		{"shutdown", semEvery, semShutdown},
		{"switch modes", semEvery, semSwitch},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, how := range c.hows {
				t.Run(how.String(), func(t *testing.T) { c.test(t, newSemKit(t, newBed(t), how)) })
			}
		})
	}
}

// semKit is what a test works with.
type semKit struct {
	bed semBed
	how semHow
	eng *engine.Engine
	log semLog
}

func newSemKit(t *testing.T, bed semBed, how semHow) *semKit {
	t.Helper()
	return &semKit{bed: bed, how: how, eng: newSemEngine(t, 0)}
}

func newSemEngine(t *testing.T, workers int) *engine.Engine {
	t.Helper()
	// No watchdog: it would repair a lost wake-up, which must fail the test.
	e, err := engine.New(engine.Config{Workers: workers, Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, e.CloseContext(ctx))
	})
	return e
}

// evd makes the EVD under test. Without an upcall of its own it gets one that
// logs.
func (k *semKit) evd(t *testing.T, cfg engine.EVDConfig) *engine.EVD {
	t.Helper()
	cfg.CQs = []hwcq.CQ{k.bed.CQ()}
	cfg.Mode, cfg.Dispatch = k.how.mode, k.how.dispatch
	if cfg.Upcall == nil {
		cfg.Upcall = k.log.upcall
	}
	d, err := k.eng.NewEVD(cfg)
	require.NoError(t, err)
	return d
}

// arrived waits until d has something of the total completions that the bed
// was asked for and that nobody has taken: all of them if they pass the ring,
// and one at least on the CQ, which does not tell more.
func (k *semKit) arrived(t *testing.T, d *engine.EVD, total uint64) {
	t.Helper()
	if k.how.queued() {
		semUntil(t, func() bool { return d.Stats().Polled == total })
	} else {
		semUntil(t, k.bed.CQ().Pending)
	}
}

// dequeue dequeues until it has n events.
func (k *semKit) dequeue(t *testing.T, d *engine.EVD, n int) (evs []engine.Event) {
	t.Helper()
	dst := make([]engine.Event, 16)
	semUntil(t, func() bool {
		c, err := d.Dequeue(dst[:min(len(dst), n-len(evs))])
		if err != nil {
			require.ErrorIs(t, err, engine.ErrBusy)
		}
		evs = append(evs, dst[:c]...)
		return len(evs) == n
	})
	return evs
}

// logged waits until the log has n events, and returns their WRIDs.
func (k *semKit) logged(t *testing.T, n int) []uint64 {
	t.Helper()
	semUntil(t, func() bool { return len(k.log.all()) >= n })
	return semIDs(k.log.all())
}

// semLog collects events, in the order in which they were handed out.
type semLog struct {
	calls atomic.Int64 // upcalls that have begun

	mu  sync.Mutex
	evs []engine.Event
}

func (l *semLog) upcall(u *engine.Upcall) {
	l.calls.Add(1)
	l.add(u.Events())
}

func (l *semLog) add(evs []engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evs = append(l.evs, evs...)
}

func (l *semLog) all() []engine.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evs[:len(l.evs):len(l.evs)] // only ever appended to
}

// semGate holds up the first who comes.
type semGate struct {
	begun, opened chan struct{}
	come, gone    sync.Once
}

// newSemGate makes a gate that is opened at the end in any case, or an engine
// could not be closed after a failed test.
func newSemGate(t *testing.T) *semGate {
	g := &semGate{begun: make(chan struct{}), opened: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *semGate) open() { g.gone.Do(func() { close(g.opened) }) }

func (g *semGate) pass() {
	g.come.Do(func() { close(g.begun) })
	<-g.opened
}

// semUntil waits for something that must come. The limit only turns a hang
// into a failure.
func semUntil(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			require.FailNow(t, "waited a minute in vain")
		}
	}
}

// semReceive is semUntil for a channel.
func semReceive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		require.FailNow(t, "waited a minute in vain")
	}
	return v
}

// semGo runs fn beside the test.
func semGo[T any](fn func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- fn() }()
	return c
}

// semLimit is the context of what must come. That it ends fails the test: a Wait
// whose wake-up was lost finds its event when ctx ends, and returns no error.
func semLimit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(func() {
		require.NoError(t, ctx.Err(), "waited a minute in vain")
		cancel()
	})
	return ctx
}

func semSeq(first, last uint64) (ids []uint64) {
	for id := first; id <= last; id++ {
		ids = append(ids, id)
	}
	return ids
}

func semIDs(evs []engine.Event) (ids []uint64) {
	for i := range evs {
		ids = append(ids, evs[i].WRID)
	}
	return ids
}

// semEmpty waits until nothing is pending: what is in flight is not nothing.
func semEmpty(t *testing.T, d *engine.EVD) {
	t.Helper()
	semUntil(t, func() bool {
		var dst [1]engine.Event
		n, err := d.Dequeue(dst[:])
		require.Zero(t, n, "%+v", dst)
		return err == nil
	})
}

func semDisabled(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	k.bed.Complete(t, semSeq(1, 5)...)
	k.arrived(t, d, 5)
	if !k.how.queued() {
		require.Zero(t, d.Stats().Polled, "they stay on the CQ")
	}
	require.Equal(t, semSeq(1, 5), semIDs(k.dequeue(t, d, 5)))
	semEmpty(t, d)
	require.Zero(t, k.log.calls.Load())
}

func semStrict(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	for round := range uint64(20) {
		first := 2*round + 1
		k.bed.Complete(t, first)
		k.arrived(t, d, first)
		require.ErrorIs(t, d.ModifyUpcall(engine.SingleInstance, engine.Same), engine.ErrEventsPending)
		require.Equal(t, engine.Disable, d.Query().Policy, "nothing changed")
		require.Equal(t, semSeq(first, first), semIDs(k.dequeue(t, d, 1)))
		require.NoError(t, d.ModifyUpcall(engine.SingleInstance, engine.Same))
		k.bed.Complete(t, first+1)
		require.Equal(t, first+1, k.logged(t, int(round)+1)[round])
		// Disable from outside would allow one more upcall, of a runner that
		// has looked at the policy and not yet taken: it could get the next.
		require.NoError(t, d.Teardown(semLimit(t)))
	}
	require.EqualValues(t, 20, k.log.calls.Load())
}

func semAny(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	k.bed.Complete(t, semSeq(1, 5)...)
	k.arrived(t, d, 5)
	require.NoError(t, d.ModifyUpcallAny(engine.SingleInstance, engine.Same))
	require.Equal(t, semSeq(1, 5), k.logged(t, 5))
	k.bed.Complete(t, 6) // and it is armed, too
	require.Equal(t, semSeq(1, 6), k.logged(t, 6))
}

// Only with ModeEvent: a poller that polls finds what is pending at once.
func semNew(t *testing.T, k *semKit) {
	k.eng = newSemEngine(t, 1)
	flush := k.flusher(t)
	d := k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
	k.bed.Complete(t, 1) // when it has come, the poller has had its first look
	require.Equal(t, semSeq(1, 1), k.logged(t, 1))
	for id, calls := uint64(2), int64(2); id < 40; id, calls = id+2, calls+1 {
		require.NoError(t, d.Teardown(semLimit(t)))
		k.bed.Complete(t, id)
		semUntil(t, k.bed.CQ().Pending)
		// If the CQ was armed, its event is on its way. It is not to be taken
		// for that of a new completion.
		semUntil(t, func() bool { return !d.Query().Armed })
		require.NoError(t, d.ModifyUpcallNew(engine.SingleInstance, engine.Same))
		flush()
		require.True(t, k.bed.CQ().Pending())
		require.Len(t, k.log.all(), int(id)-1)
		k.bed.Complete(t, id+1)
		require.Equal(t, semSeq(1, id+1), k.logged(t, int(id)+1))
		require.Equal(t, calls, k.log.calls.Load(), "both came in one upcall")
	}
}

// flusher makes a function that returns when what was queued to the engine's
// only worker before has been run.
func (k *semKit) flusher(t *testing.T) func() {
	t.Helper()
	ran := make(chan struct{}, 1)
	d, err := k.eng.NewEVD(engine.EVDConfig{
		Policy: engine.SingleInstance, Dispatch: engine.DispatchQueued,
		Upcall: func(*engine.Upcall) { ran <- struct{}{} },
	})
	require.NoError(t, err)
	return func() {
		t.Helper()
		require.NoError(t, d.Post(engine.Event{}))
		semReceive(t, ran)
	}
}

func semSingle(t *testing.T, k *semKit) {
	var running, overlaps atomic.Int64
	d := k.evd(t, engine.EVDConfig{
		Policy: engine.SingleInstance, Batch: 3, Budget: 6,
		Upcall: func(u *engine.Upcall) {
			if running.Add(1) != 1 {
				overlaps.Add(1)
			}
			k.log.add(u.Events())
			runtime.Gosched() // somebody may come between
			running.Add(-1)
		},
	})
	// One by one, so that the engine goes to sleep and wakes up, and then as
	// fast as they come.
	const total, slow = 200, 60
	for id := uint64(1); id <= slow; id++ {
		k.bed.Complete(t, id)
		k.logged(t, int(id))
	}
	for id, n := uint64(slow+1), uint64(1); id <= total; id, n = id+n, n%7+1 {
		k.bed.Complete(t, semSeq(id, min(id+n-1, total))...)
	}
	require.Equal(t, semSeq(1, total), k.logged(t, total))
	require.Zero(t, overlaps.Load(), "upcalls that ran beside another")
	semEmpty(t, d)
}

func semMany(t *testing.T, k *semKit) {
	gate := newSemGate(t)
	var met, running, excess atomic.Int64
	d := k.evd(t, engine.EVDConfig{
		Policy: engine.ManyLimit(2),
		Upcall: func(u *engine.Upcall) {
			if running.Add(1) > 2 {
				excess.Add(1)
			}
			if met.Add(1) == 2 {
				gate.open()
			}
			gate.pass() // the first waits for the second
			k.log.add(u.Events())
			running.Add(-1)
		},
	})
	k.bed.Complete(t, 1, 2)
	require.ElementsMatch(t, semSeq(1, 2), k.logged(t, 2))
	require.EqualValues(t, 2, met.Load())
	k.bed.Complete(t, semSeq(3, 50)...)
	require.ElementsMatch(t, semSeq(1, 50), k.logged(t, 50))
	semEmpty(t, d)
	require.Zero(t, excess.Load())
}

func semNotify(t *testing.T, k *semKit) {
	var events, fails atomic.Int64
	d := k.evd(t, engine.EVDConfig{
		Policy: engine.NotificationOnly,
		Upcall: func(u *engine.Upcall) {
			events.Add(int64(len(u.Events())))
			var dst [4]engine.Event
			for {
				n, err := u.Dequeue(dst[:])
				if err != nil && !errors.Is(err, engine.ErrBusy) {
					fails.Add(1)
				}
				if n == 0 {
					return // what came meanwhile is told again
				}
				k.log.add(dst[:n])
			}
		},
	})
	for id := uint64(1); id <= 20; id++ {
		k.bed.Complete(t, id)
		k.logged(t, int(id))
	}
	k.bed.Complete(t, semSeq(21, 100)...)
	require.Equal(t, semSeq(1, 100), k.logged(t, 100))
	require.Zero(t, events.Load(), "events in an upcall that is to be without")
	require.Zero(t, fails.Load())
	require.EqualValues(t, 100, d.Stats().Dequeued)
	require.Zero(t, d.Stats().Delivered)
}

func semNotifyAgain(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{Policy: engine.NotificationOnly})
	k.bed.Complete(t, 1, 2, 3)
	semUntil(t, func() bool { return k.log.calls.Load() >= 3 })
	require.Equal(t, semSeq(1, 3), semIDs(k.dequeue(t, d, 3)), "while it is called on and on")
	require.Empty(t, k.log.all())
	semEmpty(t, d)
}

func semDisableInside(t *testing.T, k *semKit) {
	var fails atomic.Int64
	d := k.evd(t, engine.EVDConfig{
		Batch: 1,
		Upcall: func(u *engine.Upcall) {
			if u.ModifyUpcall(engine.Disable, engine.Same) != nil {
				fails.Add(1)
			}
			k.log.upcall(u)
		},
	})
	// All but the first can be dequeued: no other upcall has begun and taken
	// one of them.
	const rounds = 30
	var want []uint64
	for round := range uint64(rounds) {
		first := 4*round + 1
		require.NoError(t, d.ModifyUpcall(engine.SingleInstance, engine.Same))
		k.bed.Complete(t, semSeq(first, first+3)...)
		want = append(want, first)
		require.Equal(t, want, k.logged(t, len(want)))
		require.Equal(t, engine.Disable, d.Query().Policy)
		require.Equal(t, semSeq(first+1, first+3), semIDs(k.dequeue(t, d, 3)))
	}
	require.EqualValues(t, rounds, k.log.calls.Load())
	require.Zero(t, fails.Load())
}

// The consumer of iSER: its upcall disables upcalls and says that there is
// work; it drains outside, enables, and drains again if that is refused.
func semISER(t *testing.T, k *semKit) {
	const total = 200
	work := make(chan struct{}, total) // never full: the upcall must not block
	d := k.evd(t, engine.EVDConfig{
		Policy: engine.SingleInstance, Batch: 2,
		Upcall: func(u *engine.Upcall) {
			if err := u.ModifyUpcall(engine.Disable, engine.Same); err == nil {
				k.log.upcall(u)
				work <- struct{}{}
			}
		},
	})
	ctx := semLimit(t)
	done := semGo(func() error { return k.iser(ctx, d, work, total) })
	for id, n := uint64(1), uint64(1); id <= total; id, n = id+n, n%5+1 {
		k.bed.Complete(t, semSeq(id, min(id+n-1, total))...)
		runtime.Gosched()
	}
	require.NoError(t, semReceive(t, done))
	require.Equal(t, semSeq(1, total), semIDs(k.log.all()))
}

func (k *semKit) iser(ctx context.Context, d *engine.EVD, work <-chan struct{}, total int) error {
	for {
		select {
		case <-work:
		case <-ctx.Done():
			return fmt.Errorf("no upcall came after %d events", len(k.log.all()))
		}
		for {
			if err := k.drain(d); err != nil {
				return err
			}
			if len(k.log.all()) >= total {
				return nil
			}
			err := d.ModifyUpcall(engine.SingleInstance, engine.Same)
			if err == nil {
				break
			}
			if !errors.Is(err, engine.ErrEventsPending) {
				return err
			}
		}
	}
}

// drain logs what is pending.
func (k *semKit) drain(d *engine.EVD) error {
	var dst [4]engine.Event
	for {
		n, err := d.Dequeue(dst[:])
		k.log.add(dst[:n])
		if n == 0 && err == nil {
			return nil
		}
		if err != nil && !errors.Is(err, engine.ErrBusy) {
			return err
		}
		runtime.Gosched() // more may come meanwhile
	}
}

func semTeardown(t *testing.T, k *semKit) {
	gate := newSemGate(t)
	var ended atomic.Bool
	d := k.evd(t, engine.EVDConfig{
		Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) {
			gate.pass()
			k.log.upcall(u)
			ended.Store(true)
		},
	})
	k.bed.Complete(t, 1)
	semReceive(t, gate.begun)
	type result struct {
		err   error
		ended bool
	}
	ctx := semLimit(t)
	byCall := semGo(func() result { err := d.Teardown(ctx); return result{err, ended.Load()} })
	byPolicy := semGo(func() result {
		err := d.ModifyUpcall(engine.Teardown, engine.Same)
		return result{err, ended.Load()}
	})
	semUntil(t, func() bool { return d.Query().Policy == engine.Disable })
	gate.open()
	require.Equal(t, result{nil, true}, semReceive(t, byCall), "it returned while the upcall ran")
	require.Equal(t, result{nil, true}, semReceive(t, byPolicy), "it returned while the upcall ran")
	k.bed.Complete(t, 2, 3)
	require.Equal(t, semSeq(2, 3), semIDs(k.dequeue(t, d, 2)), "events go on collecting")
	require.EqualValues(t, 1, k.log.calls.Load())
}

func semTeardownInside(t *testing.T, k *semKit) {
	said := make(chan error, 1)
	d := k.evd(t, engine.EVDConfig{
		Policy: engine.SingleInstance, Batch: 1,
		Upcall: func(u *engine.Upcall) {
			err := u.ModifyUpcall(engine.Teardown, engine.Same)
			if k.log.upcall(u); k.log.calls.Load() == 1 {
				said <- err
			}
		},
	})
	k.bed.Complete(t, 1, 2)
	require.ErrorIs(t, semReceive(t, said), engine.ErrInUpcall)
	require.Equal(t, engine.Disable, d.Query().Policy, "disabled all the same")
	require.Equal(t, semSeq(2, 2), semIDs(k.dequeue(t, d, 1)))
	require.EqualValues(t, 1, k.log.calls.Load())
}

func semThreshold(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	ctx := semLimit(t)
	const each = 40
	next := uint64(1)
	for _, threshold := range []int{1, 4} {
		for _, size := range []int{2, 16} { // less than the threshold, and more
			done := semGo(func() error { return k.collect(ctx, d, threshold, size, each) })
			for range each {
				k.bed.Complete(t, next)
				next++
				runtime.Gosched()
			}
			require.NoError(t, semReceive(t, done), "threshold %d, size %d", threshold, size)
			require.Equal(t, semSeq(1, next-1), semIDs(k.log.all()))
		}
	}
	semEmpty(t, d)
	require.Zero(t, k.log.calls.Load())
}

// collect waits for total events and logs them.
func (k *semKit) collect(ctx context.Context, d *engine.EVD, threshold, size, total int) error {
	dst := make([]engine.Event, size)
	for got := 0; got < total; {
		want := min(threshold, total-got)
		n, more, err := d.Wait(ctx, want, dst)
		if err != nil {
			return err
		}
		if n < 1 || n+more < want {
			return fmt.Errorf("n = %d, more = %d, and the threshold is %d", n, more, want)
		}
		k.log.add(dst[:n])
		got += n
	}
	return nil
}

// A Wait that ends without enough events takes none: what it has counted is
// dequeued afterwards, with what came later behind it.
func semEnded(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	dst := make([]engine.Event, 16)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	n, more, err := d.Wait(over, 1, dst)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
	require.Zero(t, more)

	k.bed.Complete(t, 1, 2, 3)
	k.arrived(t, d, 3)
	short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	for _, ctx := range []context.Context{over, short} {
		n, more, err = d.Wait(ctx, 8, dst)
		require.ErrorIs(t, err, ctx.Err())
		require.Error(t, err)
		require.Zero(t, n)
		require.GreaterOrEqual(t, more, 1)
	}
	asleep, cancel := context.WithCancel(t.Context())
	done := semGo(func() error { _, _, err := d.Wait(asleep, 8, dst); return err })
	semUntil(t, func() bool { return d.Query().Waiting })
	cancel()
	require.ErrorIs(t, semReceive(t, done), context.Canceled)

	k.bed.Complete(t, 4, 5, 6)
	require.Equal(t, semSeq(1, 6), semIDs(k.dequeue(t, d, 6)))
	semEmpty(t, d)

	k.bed.Complete(t, 7)
	k.arrived(t, d, 7)
	n, _, err = d.Wait(over, 1, dst)
	require.NoError(t, err, "what is there wins")
	require.Equal(t, semSeq(7, 7), semIDs(dst[:n]))
}

func semBatch(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	ctx := semLimit(t)
	dst := make([]engine.Event, 16)
	n, _, err := d.WaitBatch(ctx, 1, time.Millisecond, dst)
	require.NoError(t, err)
	require.Zero(t, n, "none is fewer, too")

	k.bed.Complete(t, 1, 2)
	k.arrived(t, d, 2)
	n, _, err = d.WaitBatch(ctx, 8, 5*time.Millisecond, dst)
	require.NoError(t, err)
	require.Positive(t, n)
	got := semIDs(dst[:n])
	got = append(got, semIDs(k.dequeue(t, d, 2-n))...)
	require.Equal(t, semSeq(1, 2), got)

	done := semGo(func() error {
		n, more, err := d.WaitBatch(ctx, 4, time.Hour, dst)
		if err == nil && n+more < 4 {
			err = fmt.Errorf("n = %d, more = %d", n, more)
		}
		k.log.add(dst[:n])
		return err
	})
	k.bed.Complete(t, semSeq(3, 6)...)
	require.NoError(t, semReceive(t, done), "the threshold ends it")
	require.Equal(t, semSeq(3, 6), semIDs(k.log.all()))
}

func semSecondWaiter(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	ctx := semLimit(t)
	done := semGo(func() error { return k.collect(ctx, d, 1, 1, 1) })
	semUntil(t, func() bool { return d.Query().Waiting })
	var dst [1]engine.Event
	_, _, err := d.Wait(ctx, 1, dst[:])
	require.ErrorIs(t, err, engine.ErrWaiter)
	_, err = d.Dequeue(dst[:])
	require.ErrorIs(t, err, engine.ErrWaiter)
	require.ErrorIs(t, d.ModifyUpcall(engine.SingleInstance, engine.Same), engine.ErrWaiter)
	require.ErrorIs(t, d.ModifyUpcallAny(engine.SingleInstance, engine.Same), engine.ErrWaiter)
	k.bed.Complete(t, 1)
	require.NoError(t, semReceive(t, done))
	require.Equal(t, semSeq(1, 1), semIDs(k.log.all()))

	require.NoError(t, d.ModifyUpcall(engine.SingleInstance, engine.Same))
	_, _, err = d.Wait(ctx, 1, dst[:])
	require.ErrorIs(t, err, engine.ErrEnabled)
	k.bed.Complete(t, 2)
	require.Equal(t, semSeq(1, 2), k.logged(t, 2), "a waiter leaves nothing behind")
}

func semWake(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	ctx := semLimit(t)
	var dst [4]engine.Event
	wait := func() error { _, _, err := d.Wait(ctx, 1, dst[:]); return err }
	done := semGo(wait)
	semUntil(t, func() bool { return d.Query().Waiting })
	require.NoError(t, d.Wake())
	require.ErrorIs(t, semReceive(t, done), engine.ErrWoken)

	require.NoError(t, d.Wake())
	require.NoError(t, d.Wake())
	require.ErrorIs(t, wait(), engine.ErrWoken, "it is sticky")
	k.bed.Complete(t, 1)
	require.NoError(t, wait(), "two wakes count as one")
	require.EqualValues(t, 1, dst[0].WRID)

	k.bed.Complete(t, 2)
	k.arrived(t, d, 2)
	require.NoError(t, d.Wake())
	require.NoError(t, wait(), "an event wins over a wake")
	require.EqualValues(t, 2, dst[0].WRID)
	require.ErrorIs(t, wait(), engine.ErrWoken, "which is still there")
}

// semCookie is the WRID of connection events.
const semCookie = 1 << 40

// merged makes an EVD with an endpoint that gets its connection events too.
func (k *semKit) merged(t *testing.T, p engine.Policy) *engine.EVD {
	t.Helper()
	d := k.evd(t, engine.EVDConfig{Streams: engine.DTO | engine.Connection, Policy: p, Batch: 3})
	ep, err := k.eng.NewEndpoint(engine.EndpointConfig{QPNum: k.bed.QPNum(), Request: d, Connect: d, Cookie: semCookie})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ep.Close()) })
	return d
}

// The life of a connection that breaks at WRID 3, and what is to be seen of
// it. The cookie tells connection events from completions.
func (k *semKit) live(t *testing.T) {
	t.Helper()
	k.bed.Complete(t, 1, 2)
	k.bed.Fail(t, 3)
	k.bed.Complete(t, 4, 5, 6)
}

const semLived = 8

func semRequireLife(t *testing.T, evs []engine.Event) {
	t.Helper()
	require.Equal(t, []uint64{semCookie, 1, 2, 3, semCookie, 4, 5, 6}, semIDs(evs))
	for i, n := range map[int]engine.EventNumber{0: engine.Established, 4: engine.Broken} {
		require.Equal(t, engine.Connection, evs[i].Stream)
		require.Equal(t, n, evs[i].Number)
	}
	for _, i := range []int{1, 2} {
		require.Equal(t, hwcq.StatusSuccess, evs[i].Status)
	}
	semRequireBad(t, evs[3])
	for _, i := range []int{5, 6, 7} {
		require.Equal(t, hwcq.StatusWRFlushErr, evs[i].Status)
		require.Equal(t, engine.DTO, evs[i].Stream)
	}
}

func semRequireBad(t *testing.T, ev engine.Event) {
	t.Helper()
	require.NotContains(t, []hwcq.Status{hwcq.StatusSuccess, hwcq.StatusWRFlushErr}, ev.Status)
}

func semMergedUpcall(t *testing.T, k *semKit) {
	d := k.merged(t, engine.SingleInstance)
	k.live(t)
	k.logged(t, semLived)
	require.NoError(t, d.Shutdown(semLimit(t))) // nothing follows
	semRequireLife(t, k.log.all())
}

func semMergedDequeue(t *testing.T, k *semKit) {
	d := k.merged(t, engine.Disable)
	k.live(t)
	semRequireLife(t, k.dequeue(t, d, semLived))
	semEmpty(t, d)
}

func semMergedWait(t *testing.T, k *semKit) {
	d := k.merged(t, engine.Disable)
	ctx := semLimit(t)
	done := semGo(func() error { return k.collect(ctx, d, 3, 2, semLived) })
	k.live(t)
	require.NoError(t, semReceive(t, done))
	semRequireLife(t, k.log.all())
	semEmpty(t, d)
}

func semSeparate(t *testing.T, k *semKit) {
	d := k.evd(t, engine.EVDConfig{})
	c, err := k.eng.NewEVD(engine.EVDConfig{Streams: engine.Connection})
	require.NoError(t, err)
	ep, err := k.eng.NewEndpoint(engine.EndpointConfig{QPNum: k.bed.QPNum(), Request: d, Connect: c, Cookie: semCookie})
	require.NoError(t, err)
	require.True(t, ep.Established())
	require.True(t, ep.Connected())
	k.live(t)
	evs := k.dequeue(t, d, 6)
	require.Equal(t, semSeq(1, 6), semIDs(evs))
	semRequireBad(t, evs[2])
	semEmpty(t, d)

	require.False(t, ep.Connected())
	require.False(t, ep.Disconnected(), "it is down already")
	evs = k.dequeue(t, c, 2)
	require.Equal(t, engine.Established, evs[0].Number)
	require.Equal(t, engine.Broken, evs[1].Number)
	require.Equal(t, []uint64{semCookie, semCookie}, semIDs(evs))
	semEmpty(t, c)
	require.NoError(t, ep.Close())
	semEmpty(t, c)
}

// polled takes n completions from the CQ, which must be nobody's.
func (k *semKit) polled(t *testing.T, n int) (ids []uint64) {
	t.Helper()
	var dst [16]hwcq.WC
	semUntil(t, func() bool {
		for _, wc := range dst[:k.bed.CQ().Poll(dst[:min(len(dst), n-len(ids))])] {
			ids = append(ids, wc.WRID)
		}
		return len(ids) == n
	})
	return ids
}

func semCloseKeeps(t *testing.T, k *semKit) {
	var left []engine.Event
	d := k.evd(t, engine.EVDConfig{Leftovers: func(evs []engine.Event) { left = append(left, evs...) }})
	k.bed.Complete(t, semSeq(1, 5)...)
	k.arrived(t, d, 5)
	require.NoError(t, d.Close())
	require.Empty(t, left)
	require.Equal(t, semSeq(1, 5), k.polled(t, 5), "they are still on the CQ")
	require.Zero(t, k.log.calls.Load())
}

func semCloseEnds(t *testing.T, k *semKit) {
	var left []engine.Event
	d := k.evd(t, engine.EVDConfig{
		Policy:    engine.SingleInstance,
		Leftovers: func(evs []engine.Event) { left = append(left, evs...) },
	})
	k.bed.Complete(t, 1)
	require.Equal(t, semSeq(1, 1), k.logged(t, 1))
	require.NoError(t, d.Close())
	k.bed.Complete(t, 2, 3)
	require.Equal(t, semSeq(2, 3), k.polled(t, 2))
	require.EqualValues(t, 1, k.log.calls.Load())
	require.Empty(t, left)
	_, err := d.Dequeue(make([]engine.Event, 1))
	require.ErrorIs(t, err, engine.ErrClosed)

	// The CQ is free for another.
	k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
	k.bed.Complete(t, 4)
	require.Equal(t, []uint64{1, 4}, k.logged(t, 2))
}

func semShutdown(t *testing.T, k *semKit) {
	gate := newSemGate(t)
	d := k.evd(t, engine.EVDConfig{
		Streams: engine.DTO | engine.Software, Policy: engine.SingleInstance, Batch: 1,
		Upcall: func(u *engine.Upcall) {
			gate.pass()
			k.log.upcall(u)
		},
	})
	// So many that they can be seen to be there: a CQ counts as one.
	total := 2
	if k.how.queued() {
		total = 50
	}
	k.bed.Complete(t, semSeq(1, uint64(total))...)
	semReceive(t, gate.begun)
	semUntil(t, func() bool { return d.Query().Pending == total-1 })
	ctx := semLimit(t)
	type result struct {
		err  error
		seen int
	}
	done := semGo(func() result { err := d.Shutdown(ctx); return result{err, len(k.log.all())} })
	// It has begun when posts are refused. Those accepted are to be delivered.
	posted := 0
	semUntil(t, func() bool {
		err := d.Post(engine.Event{})
		if err == nil {
			posted++
		}
		return errors.Is(err, engine.ErrClosed)
	})
	gate.open()
	require.Equal(t, result{nil, total + posted}, semReceive(t, done), "it returned before all was delivered")
	require.True(t, d.Query().Closed)
	dtos := slices.DeleteFunc(slices.Clone(k.log.all()), func(ev engine.Event) bool { return ev.Stream != engine.DTO })
	require.Equal(t, semSeq(1, uint64(total)), semIDs(dtos))
}
