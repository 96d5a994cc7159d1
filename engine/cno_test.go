package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

func newTestCNO(t testing.TB, e *Engine, cfg CNOConfig) *CNO {
	t.Helper()
	c, err := e.NewCNO(cfg)
	require.NoError(t, err)
	return c
}

func newTestWaiter(t testing.TB, c *CNO) *CNOWaiter {
	t.Helper()
	w, err := c.NewWaiter()
	require.NoError(t, err)
	return w
}

// cnoEVDs are n software EVDs on c.
func cnoEVDs(t testing.TB, c *CNO, n int) (out []*EVD) {
	t.Helper()
	for range n {
		d, err := c.e.NewEVD(EVDConfig{CNO: c, Streams: Software})
		require.NoError(t, err)
		out = append(out, d)
	}
	return out
}

func post(t testing.TB, ds ...*EVD) {
	t.Helper()
	for _, d := range ds {
		require.NoError(t, d.Post(Event{}))
	}
}

// takes dequeues one event.
func takes(t testing.TB, d *EVD) {
	t.Helper()
	var buf [1]Event
	n, err := d.Dequeue(buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func tryWait(t testing.TB, w *CNOWaiter) *EVD {
	t.Helper()
	d, err := w.TryWait()
	require.NoError(t, err)
	return d
}

// checkSleepers waits until n waiters sleep.
func checkSleepers(t testing.TB, c *CNO, n int) {
	t.Helper()
	waitFor(t, func() bool { return c.Query().Waiters == n })
}

func TestCNO(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{Name: "all"})
	cq := newTestCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{Name: "io", CNO: c, CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	w := newTestWaiter(t, c)
	require.Nil(t, tryWait(t, w))
	require.Equal(t, CNOQuery{Name: "all", EVDs: 1}, c.Query())
	for range 3 {
		_, err = cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
		got, err := w.Wait(limit(t))
		require.NoError(t, err)
		require.Same(t, d, got)
		require.Equal(t, CNOQuery{Name: "all", EVDs: 1, Owned: 1}, c.Query())
		q := d.Query()
		require.Equal(t, "all", q.CNO)
		require.True(t, q.Ready)
		require.Zero(t, q.Running)
		require.Equal(t, Disable, q.Policy)
		takes(t, d)
	}
	require.NoError(t, w.Done(d))
	require.False(t, d.Query().Ready)
	require.EqualValues(t, 3, d.Stats().Notified)
	require.EqualValues(t, 2, d.Stats().Arms, "one for each time that it was found empty")
	require.NoError(t, d.Close())
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "idempotent")
	require.True(t, c.Query().Closed)
}

// What is there when the EVD is put on the CNO is told, on a CQ and in the ring.
func TestCNOAttachPending(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	cq := newTestCQ(t, mock.Config{})
	_, err := cq.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	d, err := e.NewEVD(EVDConfig{CNO: c, CQs: []hwcq.CQ{cq}})
	require.NoError(t, err)
	require.Same(t, d, tryWait(t, w))
	soft, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	post(t, soft)
	require.NoError(t, soft.ModifyCNO(c))
	require.NoError(t, soft.ModifyCNO(c), "it is there already")
	require.Same(t, soft, tryWait(t, w))
	require.Equal(t, 2, c.Query().EVDs)
}

// R23: that two EVDs became ready at the same time is not forgotten.
func TestR23BothAreHandedOut(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	ds := cnoEVDs(t, c, 2)
	post(t, ds[1], ds[0])
	w := newTestWaiter(t, c)
	for _, want := range []*EVD{ds[1], ds[0]} {
		got, err := w.Wait(limit(t))
		require.NoError(t, err)
		require.Same(t, want, got)
		takes(t, got)
	}
	require.Nil(t, tryWait(t, w))
}

// R24: what a waiter leaves behind is told again, behind what was ready before.
func TestR24PartialDrain(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	ds := cnoEVDs(t, c, 2)
	post(t, ds[0], ds[0], ds[1])
	w := newTestWaiter(t, c)
	for _, want := range []*EVD{ds[0], ds[1], ds[0]} {
		got, err := w.Wait(limit(t))
		require.NoError(t, err)
		require.Same(t, want, got)
		takes(t, got)
	}
	require.Nil(t, tryWait(t, w))

	// On a CQ that notifies once per arming, too.
	cq := newTestCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{CNO: c, CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	for range 3 {
		_, err := cq.Complete(hwcq.WC{}, false)
		require.NoError(t, err)
	}
	for range 3 {
		got, err := w.Wait(limit(t))
		require.NoError(t, err)
		require.Same(t, d, got)
		takes(t, d)
	}
	require.Nil(t, tryWait(t, w))
}

// R27 of a CNO: as many waiters are woken as EVDs become ready, those who came
// first, and no more.
func TestR27WakesAsMany(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	ds := cnoEVDs(t, c, 2)
	type result struct {
		waiter int
		d      *EVD
		err    error
	}
	got := make(chan result)
	for i := range 4 {
		w := newTestWaiter(t, c)
		go func() {
			d, err := w.Wait(context.Background())
			got <- result{i, d, err}
		}()
		checkSleepers(t, c, i+1)
	}
	post(t, ds[0], ds[0], ds[1], ds[0])
	woken := map[int]*EVD{}
	for range 2 {
		r := <-got
		require.NoError(t, r.err)
		woken[r.waiter] = r.d
	}
	require.Equal(t, map[int]*EVD{0: ds[0], 1: ds[1]}, woken)
	require.Equal(t, CNOQuery{Name: c.Name(), EVDs: 2, Owned: 2, Waiters: 2}, c.Query())
	require.NoError(t, e.Close())
	for range 2 {
		require.ErrorIs(t, (<-got).err, ErrClosed)
	}
}

// R29 of a CNO: a waiter whose context ends is off the list, and one that has been
// given an EVD by then returns it.
func TestR29CNOCancellation(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	d := cnoEVDs(t, c, 1)[0]
	w := newTestWaiter(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := w.Wait(ctx)
		done <- err
	}()
	checkSleepers(t, c, 1)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Zero(t, c.Query().Waiters)
	_, err := w.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled, "it had ended before")
	post(t, d)
	got, err := w.Wait(ctx)
	require.NoError(t, err, "an EVD that is there wins")
	require.Same(t, d, got)
	takes(t, d)
	require.NoError(t, w.Done(d))

	// Handed over, and then the end, before he is back.
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	turn := w.begin()
	_, asleep, err := w.take("", ctx)
	require.NoError(t, err)
	require.True(t, asleep)
	post(t, d)
	w.cancel(turn, context.Canceled)
	require.True(t, w.tok.TryWait(), "one token")
	require.False(t, w.tok.TryWait(), "and no second one")
	got, asleep, err = w.take("", ctx)
	require.NoError(t, err)
	require.False(t, asleep)
	require.Same(t, d, got)
	takes(t, d)
	require.NoError(t, w.Done(d))

	// The end of an older Wait's context is nothing to this one.
	turn = w.begin()
	w.cancel(turn-1, context.Canceled)
	_, asleep, err = w.take("", ctx)
	require.NoError(t, err)
	require.True(t, asleep)
	w.cancel(turn-1, context.Canceled)
	require.Equal(t, 1, c.Query().Waiters)
	w.cancel(turn, context.Canceled)
	_, _, err = w.take("", ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, w.tok.TryWait())
}

// R36: when ModifyCNO has returned only the new CNO is told, and nothing that the
// old one was told of is lost.
func TestR36OldAndNew(t *testing.T) {
	e := newTestEngine(t, Config{})
	a, b := newTestCNO(t, e, CNOConfig{}), newTestCNO(t, e, CNOConfig{})
	wa, wb := newTestWaiter(t, a), newTestWaiter(t, b)
	d := cnoEVDs(t, a, 1)[0]
	post(t, d) // listed
	require.NoError(t, d.ModifyCNO(b))
	require.Nil(t, tryWait(t, wa))
	require.Same(t, d, tryWait(t, wb)) // owned
	require.NoError(t, d.ModifyCNO(a))
	require.ErrorIs(t, wb.Done(d), ErrNotOwner)
	require.Same(t, d, tryWait(t, wa))
	takes(t, d)
	require.NoError(t, wa.Done(d)) // empty
	require.NoError(t, d.ModifyCNO(b))
	post(t, d)
	require.Nil(t, tryWait(t, wa))
	require.Same(t, d, tryWait(t, wb))
	require.NoError(t, d.ModifyCNO(nil)) // off: the event stays
	require.Equal(t, Query{}.CNO, d.Query().CNO)
	require.Zero(t, d.Query().Running)
	require.ErrorIs(t, wb.Done(d), ErrNotOwner)
	takes(t, d)
	post(t, d)
	for _, c := range []*CNO{a, b} {
		require.Equal(t, CNOQuery{Name: c.Name()}, c.Query())
		require.NoError(t, c.Close())
	}

	// One that was about to return with the EVD goes on waiting.
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	w.begin()
	_, asleep, err := w.take("", context.Background())
	require.NoError(t, err)
	require.True(t, asleep)
	require.NoError(t, d.ModifyCNO(c)) // given to him
	require.NoError(t, d.ModifyCNO(nil))
	w.tok.Wait()
	_, asleep, err = w.take("", context.Background())
	require.NoError(t, err)
	require.True(t, asleep)
	require.NoError(t, d.ModifyCNO(c))
	w.tok.Wait()
	got, _, err := w.take("", context.Background())
	require.NoError(t, err)
	require.Same(t, d, got)
}

// A worker that is blocked, and a poster under the locks of another EVD's take,
// hold up no CNO.
func TestCNOWithoutWorkers(t *testing.T) {
	e := stillEngine(t)
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	d := cnoEVDs(t, c, 1)[0]
	post(t, d)
	require.Same(t, d, tryWait(t, w))

	// A Dequeue that finds the mark, and a run queued before the EVD came here.
	takes(t, d)
	require.NoError(t, w.Done(d))
	s := d.load()
	d.word.Store(uint64(s | bTAKE)) // a Dequeue that is about to find nothing
	post(t, d)
	require.Nil(t, tryWait(t, w))
	d.release(true)
	require.Same(t, d, tryWait(t, w))
	require.NoError(t, d.ModifyCNO(nil))
	require.NoError(t, d.ModifyUpcallAny(SingleInstance, func(*Upcall) { t.Error("an upcall") }))
	require.NotZero(t, d.load()&bQUED)
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.NoError(t, d.ModifyCNO(c))
	require.Same(t, d, tryWait(t, w), "not held up by the run that is queued")
	takes(t, d)
	require.NoError(t, w.Done(d))
	post(t, d)
	require.NotNil(t, e.rq.pop())
	require.False(t, d.startQueued(), "it has no slot to start in")
	require.Same(t, d, tryWait(t, w))
	takes(t, d)
	require.NoError(t, w.Done(d))

	// The queued run of before may be the one that gets the slot.
	require.NoError(t, d.ModifyCNO(nil))
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	post(t, d)
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	takes(t, d)
	require.NoError(t, d.ModifyCNO(c))
	require.Zero(t, d.load().run())
	require.NotNil(t, e.rq.pop())
	require.True(t, d.startQueued())
	d.runSlot(&runner{})
	require.Nil(t, tryWait(t, w))
	require.Zero(t, d.load().run())
}

// Inline posters run no upcall there.
func TestCNOInlinePost(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	d, err := e.NewEVD(EVDConfig{CNO: c, Dispatch: DispatchInline})
	require.NoError(t, err)
	post(t, d, d)
	require.Zero(t, d.Stats().Direct)
	require.Zero(t, d.Stats().Upcalls)
	require.Same(t, d, tryWait(t, newTestWaiter(t, c)))
}

// Async errors, raised from anywhere, come to a CNO too.
func TestCNOAsync(t *testing.T) {
	e := stillEngine(t)
	c := newTestCNO(t, e, CNOConfig{})
	require.NoError(t, e.Async().ModifyCNO(c))
	d := cnoEVDs(t, c, 1)[0]
	require.NoError(t, d.ReportAsync(ProviderError))
	require.Same(t, e.Async(), tryWait(t, newTestWaiter(t, c)))
}

func TestCNOPriority(t *testing.T) {
	e := newTestEngine(t, Config{})
	for _, priority := range []bool{false, true} {
		c := newTestCNO(t, e, CNOConfig{Priority: priority})
		w := newTestWaiter(t, c)
		low := cnoEVDs(t, c, 2)
		mid, err := e.NewEVD(EVDConfig{CNO: c, Streams: CR})
		require.NoError(t, err)
		require.NoError(t, e.Async().ModifyCNO(c))
		name := map[*EVD]byte{low[0]: 'l', low[1]: 'L', mid: 'm', e.Async(): 'a'}
		post(t, low...)
		require.NoError(t, mid.PostCM(Event{Stream: CR, Number: ConnectionRequest}))
		require.NoError(t, mid.ReportAsync(ProviderError))
		got := ""
		for range 24 { // nobody dequeues: each goes to the end of its class
			got += string(name[tryWait(t, w)])
		}
		if priority {
			// Async, but for those who have been passed over eight times.
			require.Equal(t, "aaaaaaaamlaaaaaaaamLaaaa", got)
		} else {
			require.Equal(t, "lLmalLmalLmalLmalLmalLma", got)
		}
		require.NoError(t, e.Async().ModifyCNO(nil))
		var buf [1]Event
		_, err = e.Async().Dequeue(buf[:])
		require.NoError(t, err)
	}
}

// Neither of the lower classes starves, however busy the highest is.
func TestReadyListPatience(t *testing.T) {
	l := readyList{priority: true}
	d := [numClasses][]*EVD{}
	for k, s := range [numClasses]Stream{Async, CR, DTO} {
		for range 2 {
			d[k] = append(d[k], &EVD{streams: s, cnoSeat: &cnoSeat{}})
			l.push(d[k][len(d[k])-1])
		}
	}
	last := [numClasses]int{}
	for i := range 200 {
		x := l.pop()
		k := int(classOf(true, x.streams))
		require.LessOrEqual(t, i-last[k], inARow+int(numClasses), "class %d", k)
		last[k] = i
		l.push(x)
	}
	for k := range last {
		require.Greater(t, last[k], 199-inARow-int(numClasses), "class %d", k)
	}
	for k := range d { // the middle, the end, what is left
		l.push(&EVD{streams: d[k][0].streams, cnoSeat: &cnoSeat{}})
		q := &l.lists[k]
		l.remove(q.first.behind)
		require.Same(t, q.first.behind, q.last)
		require.Same(t, q.last.ahead, q.first)
		l.remove(q.last)
		require.Same(t, q.first, q.last)
		l.remove(q.first)
		require.Nil(t, q.last)
	}
	require.Nil(t, l.pop())
	require.Zero(t, l.n)
}

// Shutdown waits for what is pending, and not for the slot.
func TestCNOShutdown(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	ds := cnoEVDs(t, c, 2)
	post(t, ds[0])
	require.Same(t, ds[0], tryWait(t, w))
	takes(t, ds[0]) // and he keeps it
	require.NoError(t, ds[0].Shutdown(limit(t)))
	require.ErrorIs(t, w.Done(ds[0]), ErrClosed)

	post(t, ds[1])
	done := make(chan error)
	go func() { done <- e.Shutdown(context.Background()) }()
	d, err := w.Wait(limit(t))
	require.NoError(t, err)
	require.Same(t, ds[1], d)
	takes(t, d)
	require.NoError(t, <-done)
	_, err = w.Wait(limit(t))
	require.ErrorIs(t, err, ErrClosed)
}

// What was not solicited is told of when nothing more can be.
func TestCNOShutdownSolicited(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	cq := newTestCQ(t, mock.Config{})
	d, err := e.NewEVD(EVDConfig{CNO: c, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, SolicitedOnly: true})
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	require.Nil(t, tryWait(t, w))
	done := make(chan error)
	go func() { done <- d.Shutdown(context.Background()) }()
	got, err := w.Wait(limit(t))
	require.NoError(t, err)
	require.Same(t, d, got)
	takes(t, d)
	require.NoError(t, <-done)
}

// Async errors that nobody takes do not keep an engine from its end.
func TestCNOShutdownAsync(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	require.NoError(t, e.Async().ModifyCNO(c))
	require.NoError(t, cnoEVDs(t, c, 1)[0].ReportAsync(ProviderError))
	require.NoError(t, e.Shutdown(limit(t)))
	require.True(t, c.Query().Closed)
}

// The watchdog takes a waiter who keeps an EVD for no upcall that is stuck, and
// tells a CNO of a lost interrupt.
func TestCNOWatchdog(t *testing.T) {
	e := stillEngine(t)
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{LoseEvent: mock.Once(1)}})
	d, err := e.NewEVD(EVDConfig{CNO: c, CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	require.Nil(t, tryWait(t, w))
	e.tick()
	e.tick()
	require.Same(t, d, tryWait(t, w))
	require.EqualValues(t, 1, d.Stats().LostInterrupts)
	takes(t, e.Async()) // of that
	for range 3 * int(e.cfg.StuckAfter/e.cfg.Watchdog) {
		e.tick()
	}
	require.Zero(t, e.Async().Query().Pending)
}

// A CQ that cannot be armed is asked again, for a CNO too.
func TestCNOArmError(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{ArmError: mock.Once(1)}})
	d, err := e.NewEVD(EVDConfig{CNO: c, CQs: []hwcq.CQ{cq}, Mode: ModeEvent})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Query().Armed })
	require.EqualValues(t, 1, d.Stats().ArmErrors)
	_, err = cq.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	got, err := w.Wait(limit(t))
	require.NoError(t, err)
	require.Same(t, d, got)
	takes(t, d)
}

// Nothing is allocated between a Post and Done.
func TestZeroAllocCNO(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	_, err := c.FD()
	if err != nil {
		require.ErrorIs(t, err, ErrNotSupported)
	}
	d := cnoEVDs(t, c, 1)[0]
	w := newTestWaiter(t, c)
	var buf [1]Event
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = d.Post(Event{})
		got, _ := w.Wait(ctx)
		n, _ := got.Dequeue(buf[:])
		if n != 1 || w.Done(got) != nil {
			t.Error("not one event")
		}
	}))
	var next atom.Uint64
	w2 := newTestWaiter(t, c)
	go func() {
		for {
			got, err := w2.Wait(ctx) // asleep, mostly
			if err != nil {
				return
			}
			var buf [1]Event
			n, _ := got.Dequeue(buf[:])
			next.Add(uint64(n))
		}
	}()
	n := uint64(0)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = d.Post(Event{})
		for n++; next.Load() != n; {
			atom.Spin()
		}
	}))
}

// An upcall that waits for one who waits for a CNO: Engine.Close, which waits for the
// upcall, has told him before.
func TestCNOEngineCloseBesideUpcall(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	cnoEVDs(t, c, 1)
	w := newTestWaiter(t, c)
	ctx, ended := limit(t), make(chan error, 1)
	go func() {
		_, err := w.Wait(ctx)
		ended <- err
	}()
	checkSleepers(t, c, 1)
	in, told := make(chan struct{}), make(chan error, 1)
	d, err := e.NewEVD(EVDConfig{Streams: Software, Policy: SingleInstance, Upcall: func(*Upcall) {
		close(in)
		told <- <-ended
	}})
	require.NoError(t, err)
	post(t, d)
	<-in
	require.NoError(t, e.Close())
	require.ErrorIs(t, <-told, ErrClosed)
}
