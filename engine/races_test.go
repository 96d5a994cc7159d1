package engine

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// The races that completion queues and event dispatchers are known for, by the
// numbers that docs/SEMANTICS.md explains. Each test owns the window of its
// race: by a hook of the mock CQ, by doing the steps of both sides itself on an
// engine without goroutines, or by an upcall that waits.

// hookedCQ has hooks at the looks of the consumer.
type hookedCQ struct {
	*mock.CQ
	beforePoll func()
	afterPoll  func(n int) // after each Poll
}

func (c *hookedCQ) Poll(dst []hwcq.WC) int {
	if c.beforePoll != nil {
		c.beforePoll()
	}
	n := c.CQ.Poll(dst)
	if c.afterPoll != nil {
		c.afterPoll(n)
	}
	return n
}

// stillEVD is an EVD over cq whose poller is the test.
func stillEVD(t *testing.T, cq hwcq.CQ, cfg EVDConfig) *EVD {
	t.Helper()
	if cq != nil {
		cfg.CQs = []hwcq.CQ{cq}
	}
	if cfg.Streams == 0 && cq != nil {
		cfg.Streams = DTO | Software
	}
	cfg.Mode = ModeEvent
	d, err := stillEngine(t).NewEVD(cfg)
	require.NoError(t, err)
	return d
}

func (d *EVD) testPoller() *poller { return d.links()[0].poll }

// look and interrupt are what the poller of CQ 0 would do.
func (d *EVD) look() bool { return d.testPoller().start(srcWatch) }

func (d *EVD) interrupt() bool {
	d.links()[0].fired(false)
	return d.testPoller().start(srcIntr)
}

// runQueued is what a worker would do with the oldest queued run.
func (d *EVD) runQueued(t *testing.T) bool {
	t.Helper()
	waiting, _ := d.e.rq.look()
	require.True(t, waiting, "no run is queued")
	m := d.e.rq.pop()
	return m.startQueued() && m.self.runSlot(&runner{})
}

func one(t *testing.T, cq interface {
	Complete(hwcq.WC, bool) (bool, error)
}, wrid uint64,
) {
	t.Helper()
	ok, err := cq.Complete(hwcq.WC{WRID: wrid}, false)
	require.NoError(t, err)
	require.True(t, ok)
}

// collect is an upcall that keeps the cookies it gets.
func collect(got *[]uint64) UpcallFunc {
	return func(u *Upcall) {
		for i := range u.Events() {
			*got = append(*got, u.Events()[i].WRID)
		}
	}
}

func drainAll(t *testing.T, d *EVD) (wrids []uint64) {
	t.Helper()
	var buf [4]Event
	for {
		n, err := d.Dequeue(buf[:])
		require.NoError(t, err)
		if n == 0 {
			return wrids
		}
		for _, ev := range buf[:n] {
			wrids = append(wrids, ev.WRID)
		}
	}
}

// Poll finds nothing, a completion comes, the CQ is armed: it is found by the
// look after the arm.
func TestR01PollEmptyEventArm(t *testing.T) {
	var got []uint64
	cq := windowCQ(t, 1)
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: collect(&got)})
	d.look()
	require.Equal(t, []uint64{2}, got)
	require.NotZero(t, d.load()&bARM)
}

// Arm, then upcall, gives an upcall after disable: not here, the interrupt that
// was on its way claims nothing.
func TestR03UpcallAfterDisable(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	upcalls := 0
	var d *EVD
	d = stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Batch: 1, Upcall: func(u *Upcall) {
		upcalls++
		require.NoError(t, u.ModifyUpcall(Disable, Same))
		one(t, cq, 2)
		require.False(t, d.interrupt(), "the other CPU's interrupt")
	}})
	d.look()
	one(t, cq, 1)
	d.interrupt()
	require.Equal(t, 1, upcalls)
	require.Equal(t, []uint64{2}, drainAll(t, d))
}

// Two contexts enter, one upcall disables: there is one claim word, and the
// second context never has it.
func TestR04TwoContextsEnter(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	inside := 0
	var d *EVD
	d = stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Batch: 1, Upcall: func(u *Upcall) {
		inside++
		require.Equal(t, 1, inside)
		for _, src := range []source{srcIntr, srcWatch, srcPost, srcPostInline} {
			require.False(t, d.trigger(src))
		}
		inside--
	}})
	complete(t, cq, 2)
	d.look()
	require.EqualValues(t, 2, d.Stats().Upcalls)
	require.Zero(t, d.load().run())
}

// A bad completion, dequeued inside the upcall of the EVD that gets the broken
// event too, on one CPU: no deadlock, no recursion.
func TestR05RecursionBySynthesizedEvent(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cq := newTestCQ(t, mock.Config{})
	var got []EventNumber
	depth := 0
	d := stillEVD(t, cq, EVDConfig{
		Streams: DTO | Connection | Software, Policy: SingleInstance, Batch: 1,
		Upcall: func(u *Upcall) {
			depth++
			require.Equal(t, 1, depth)
			got = append(got, u.Events()[0].Number)
			var buf [1]Event
			for {
				n, err := u.Dequeue(buf[:])
				if errors.Is(err, ErrBusy) {
					continue
				}
				require.NoError(t, err)
				if n == 0 {
					break
				}
				got = append(got, buf[0].Number)
			}
			depth--
		},
	})
	_, err := d.e.NewEndpoint(EndpointConfig{QPNum: 3, Recv: d, Connect: d})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	_, err = cq.Complete(hwcq.WC{QPNum: 3, Status: hwcq.StatusRemAccessErr}, false)
	require.NoError(t, err)
	d.runQueued(t)
	require.Equal(t, []EventNumber{SoftwareEvent, DTOCompletion, Broken}, got)
}

// A completion between the look and the arm, or between the arm and the look,
// of enabling: refused, or delivered, by each of the verbs.
func TestR06EnableAfterCounting(t *testing.T) {
	for _, after := range []bool{false, true} {
		for v, enable := range map[verb]func(*EVD, Policy, UpcallFunc) error{
			strict: (*EVD).ModifyUpcall, invokeAny: (*EVD).ModifyUpcallAny, invokeNew: (*EVD).ModifyUpcallNew,
		} {
			var cq *mock.CQ
			fired := false
			hook := func() {
				if !fired {
					fired = true
					one(t, cq, 1)
				}
			}
			cfg := mock.Config{Hooks: mock.Hooks{BeforeArm: hook}}
			if after {
				cfg.Hooks = mock.Hooks{AfterArm: hook}
			}
			cq = newTestCQ(t, cfg)
			var got []uint64
			d := stillEVD(t, cq, EVDConfig{Upcall: collect(&got)})
			err := enable(d, SingleInstance, Same)
			switch v {
			case strict:
				require.ErrorIs(t, err, ErrEventsPending)
				require.Equal(t, []uint64{1}, drainAll(t, d))
			case invokeAny:
				require.NoError(t, err)
				d.runQueued(t)
				require.Equal(t, []uint64{1}, got)
			case invokeNew:
				require.NoError(t, err)
				if after { // it raised an event, which the poller brings
					event, err := cq.Events().TryWait()
					require.NoError(t, err)
					require.True(t, event)
					d.interrupt()
					require.Equal(t, []uint64{1}, got)
					continue
				}
				require.Empty(t, got, "it was there before: it waits")
				one(t, cq, 2)
				d.interrupt()
				require.Equal(t, []uint64{1, 2}, got, "and comes with the next, in order")
			}
		}
	}
}

// The look of enabling covers the CQ, not the ring only.
func TestR07CheckLooksAtTheWrongQueue(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Upcall: func(*Upcall) {}})
	one(t, cq, 1)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending)
	require.Equal(t, Disable, d.Query().Policy)
}

// An event between the last look and the release of ownership: the trigger
// leaves the mark, and the exact release fails over it.
func TestR09EventBeforeRelease(t *testing.T) {
	cq := &hookedCQ{CQ: newTestCQ(t, mock.Config{})}
	var got []uint64
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: collect(&got)})
	polls := 0
	cq.afterPoll = func(int) {
		if polls++; polls == 2 { // the look after the arm has found nothing
			one(t, cq, 1)
			require.False(t, d.interrupt(), "the slot is held")
		}
	}
	d.look()
	require.Equal(t, []uint64{1}, got)
	require.Equal(t, uint64(1), d.Stats().Upcalls)
}

// Released before the look, a completion is nobody's: here the look comes while
// the slot is held, so the one who finds it is the one who may run.
func TestR10LookWhileOwner(t *testing.T) {
	var cq *mock.CQ
	var d *EVD
	arms := 0
	cq = newTestCQ(t, mock.Config{Hooks: mock.Hooks{AfterArm: func() {
		if arms++; arms == 1 {
			require.EqualValues(t, 1, d.load().run(), "armed while owner")
			one(t, cq, 1)
			require.False(t, d.interrupt())
		}
	}}})
	var got []uint64
	d = stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: collect(&got)})
	d.look()
	require.Equal(t, []uint64{1}, got)
}

// The budget is used up exactly, nearly, or by one more: all come, and at the
// end the CQ is armed.
func TestR11BudgetExactly(t *testing.T) {
	for n := 3; n <= 5; n++ {
		var got []uint64
		d := stillEVD(t, nil, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Batch: 1, Budget: 4, Upcall: collect(&got)})
		for range n {
			require.NoError(t, d.Post(Event{}))
		}
		for waiting := true; waiting; waiting, _ = d.e.rq.look() {
			d.runQueued(t)
		}
		require.Len(t, got, n)
		require.EqualValues(t, min(n, 4)/4, d.Stats().HandOvers)
		require.Zero(t, d.load()&(bMISS|bQUED|runMask))
		require.NotZero(t, d.load()&bARM)
	}
}

// A mark of an event that has been dealt with costs one look, not two, and no
// upcall.
func TestR13StaleMark(t *testing.T) {
	cq := &hookedCQ{CQ: newTestCQ(t, mock.Config{})}
	var d *EVD
	d = stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { d.trigger(srcPost) }})
	d.look()
	one(t, cq, 1)
	polls := 0
	cq.afterPoll = func(int) { polls++ }
	d.interrupt()
	require.Equal(t, 2, polls, "the completion; after it MISS is cleared and the CQ armed, and then there is nothing")
	require.EqualValues(t, 1, d.Stats().Upcalls)
	require.False(t, d.look())
	require.Equal(t, 3, polls)
}

// Of two CQs one cannot be armed: nobody goes to sleep over it, and the one that
// was armed is not armed again.
func TestR14PartialArmFailure(t *testing.T) {
	a, b := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{Faults: mock.Faults{ArmError: mock.Once(1)}})
	var got []uint64
	d, err := stillEngine(t).NewEVD(EVDConfig{CQs: []hwcq.CQ{a, b}, Mode: ModeEvent, Upcall: collect(&got)})
	require.NoError(t, err)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), mock.ErrInjected)
	require.Equal(t, Disable, d.Query().Policy)
	require.True(t, d.links()[1].poll.ctl.Load()&cRetry != 0)
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	require.Zero(t, a.Stats().ArmAgain)
	for i, cq := range []*mock.CQ{a, b} {
		one(t, cq, uint64(i))
		d.links()[i].fired(false)
		d.links()[i].poll.start(srcIntr)
	}
	require.Equal(t, []uint64{0, 1}, got)
}

// An arm that fails is an async error, and is tried again.
func TestR15ArmErrorIgnored(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{ArmError: mock.Rule{First: 1, Count: 2}}})
	got := make(chan uint64, 1)
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: func(u *Upcall) { got <- u.Events()[0].WRID }})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Arms > 0 })
	one(t, cq, 7)
	require.EqualValues(t, 7, <-got)
	count := 0
	for count < 2 {
		var buf [1]Event
		_, _, err := e.Async().Wait(context.Background(), 1, buf[:])
		require.NoError(t, err)
		require.Equal(t, ArmFailure, buf[0].Number)
		require.Equal(t, d.ID(), buf[0].Source())
		count += buf[0].Count()
	}
	require.Equal(t, 2, count)
}

// Arm, and arm again with nothing consumed: one event, and the engine does not
// do it in the first place.
func TestR16ArmWhenArmed(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	for range 2 {
		_, err := cq.Arm(false)
		require.NoError(t, err)
	}
	one(t, cq, 1)
	one(t, cq, 2)
	for _, want := range []bool{true, false} {
		event, err := cq.Events().TryWait()
		require.NoError(t, err)
		require.Equal(t, want, event)
	}
	cq = newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {}})
	d.look()
	for range 3 {
		require.NoError(t, d.ModifyUpcall(Disable, Same))
		require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	}
	require.EqualValues(t, 1, cq.Stats().Arms)
}

// The notifier dies silently: who cannot wait polls, says so, and tries again.
func TestR18NotifierDies(t *testing.T) {
	cq, d, p := stepped(t, ModeEvent, mock.Faults{})
	deaf := func() (bool, error) { return false, errors.New("no events any more") }
	cq.steps = append(cq.steps,
		func() (bool, error) { complete(t, cq.CQ, 1); return deaf() },
		func() (bool, error) {
			require.EqualValues(t, 1, d.Stats().Delivered)
			complete(t, cq.CQ, 1)
			return deaf()
		})
	p.serve()
	require.EqualValues(t, 2, d.Stats().Delivered)
	var buf [2]Event
	n, err := d.e.Async().Dequeue(buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ProviderError, buf[0].Number)
}

// waitIn starts Wait and returns when it sleeps.
func waitIn(t *testing.T, ctx context.Context, d *EVD, threshold, size int) (done chan error, evs *[]Event, more *int) {
	t.Helper()
	done, evs, more = make(chan error, 1), new([]Event), new(int)
	go func() {
		buf := make([]Event, size)
		n, m, err := d.Wait(ctx, threshold, buf)
		*evs, *more = buf[:n], m
		done <- err
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	return done, evs, more
}

// Completions that raise no event count, but wake nobody; the first that does
// raise one brings them all.
func TestR20UnsignalledCompletions(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, SolicitedOnly: true})
	require.NoError(t, err)
	done, evs, more := waitIn(t, context.Background(), d, 3, 1)
	for i := range uint64(3) {
		one(t, cq, i)
	}
	require.NotZero(t, d.load()&bWAIT, "three are there, none of them solicited")
	_, err = cq.Complete(hwcq.WC{WRID: 3}, true)
	require.NoError(t, err)
	require.NoError(t, <-done)
	require.Len(t, *evs, 1)
	require.GreaterOrEqual(t, *more, 2)
	require.Equal(t, []uint64{1, 2, 3}, drainAll(t, d))
}

// Wake that comes when the wait has just timed out is kept for the next.
func TestR22TimeoutLosesWake(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	done, _, _ := waitIn(t, ctx, d, 1, 1)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, d.Wake())
	var buf [1]Event
	_, _, err := d.Wait(context.Background(), 1, buf[:])
	require.ErrorIs(t, err, ErrWoken)
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, _, err = d.Wait(ctx, 1, buf[:])
	require.ErrorIs(t, err, context.DeadlineExceeded, "once")
}

// Every way out of Wait leaves the EVD as it was.
func TestR26WaiterStateLeaks(t *testing.T) {
	var buf [1]Event
	for name, end := range map[string]func(d *EVD, cancel func()) error{
		"context":    func(_ *EVD, cancel func()) error { cancel(); return context.Canceled },
		"wake":       func(d *EVD, _ func()) error { require.NoError(t, d.Wake()); return ErrWoken },
		"unwaitable": func(d *EVD, _ func()) error { require.NoError(t, d.SetUnwaitable()); return ErrUnwaitable },
		"event":      func(d *EVD, _ func()) error { require.NoError(t, d.Post(Event{WRID: 1})); return nil },
	} {
		d := stillEVD(t, nil, EVDConfig{Capacity: 2})
		ctx, cancel := context.WithCancel(context.Background())
		done, _, _ := waitIn(t, ctx, d, 1, 1)
		want := end(d, cancel)
		require.ErrorIs(t, errOr(<-done), errOr(want), name)
		cancel()
		require.Zero(t, d.load()&(bWAIT|bOWN|bTAKE), name)
		require.False(t, d.tok.TryWait(), name)
		require.NoError(t, d.ClearUnwaitable())
		for range 2 { // full
			require.NoError(t, d.Post(Event{}))
		}
		require.ErrorIs(t, d.Post(Event{}), ErrFull)
		for range 2 {
			_, _, err := d.Wait(context.Background(), 1, buf[:])
			require.NoError(t, err, name)
		}
		n, err := d.Dequeue(buf[:])
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

var errNone = errors.New("no error")

func errOr(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// One EVD has one waiter, so no wake can go to the wrong one: the second is
// refused.
func TestR27SecondWaiter(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Upcall: func(*Upcall) {}})
	done, evs, _ := waitIn(t, context.Background(), d, 1, 1)
	var buf [1]Event
	_, _, err := d.Wait(context.Background(), 1, buf[:])
	require.ErrorIs(t, err, ErrWaiter)
	_, err = d.Dequeue(buf[:])
	require.ErrorIs(t, err, ErrWaiter)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrWaiter)
	require.ErrorIs(t, d.ModifyUpcallAny(SingleInstance, Same), ErrWaiter)
	require.ErrorIs(t, d.ModifyUpcallNew(SingleInstance, Same), ErrWaiter)
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.NoError(t, d.Post(Event{WRID: 4}))
	require.NoError(t, <-done)
	require.EqualValues(t, 4, (*evs)[0].WRID)
}

// An event of a CQ that turns out to be empty: no upcall, the CQ is armed again,
// and the next completion comes.
func TestR28SpuriousEvent(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	var got []uint64
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: collect(&got)})
	d.look()
	one(t, cq, 1)
	d.look() // a poller took it; the event is on its way
	d.interrupt()
	require.Equal(t, []uint64{1}, got)
	require.EqualValues(t, 2, cq.Stats().Arms)
	one(t, cq, 2)
	d.interrupt()
	require.Equal(t, []uint64{1, 2}, got)
}

// A wait that is cancelled between its announcement and its sleep leaves no
// token to the next.
func TestR29Cancellation(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{})
	require.NoError(t, d.beginWait(&waiting{op: "test"}))
	require.False(t, d.count(1))
	require.True(t, d.announce())
	require.NoError(t, d.Post(Event{WRID: 1})) // takes WAIT off and puts the token in
	d.retract()                                // the context has ended
	require.False(t, d.tok.TryWait())
	d.release(true)
	require.Len(t, drainAll(t, d), 1)
	for range 500 {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(cancel)
		wg.Go(func() { _ = d.Post(Event{WRID: 1}) })
		var buf [1]Event
		n, _, err := d.Wait(ctx, 1, buf[:])
		wg.Wait()
		cancel()
		require.Equal(t, n == 1, err == nil)
		require.Zero(t, d.load()&bWAIT)
		require.False(t, d.tok.TryWait())
		require.Len(t, drainAll(t, d), 1-n)
	}
}

// What runs when the policy changes, with 0, 1 and 2 upcalls at work and an
// event waiting or not.
func TestR30ModifyBesideUpcalls(t *testing.T) {
	for _, p := range []Policy{Disable, SingleInstance, ManyLimit(2), Teardown} {
		for running := range 3 {
			for queued := range 2 {
				e := newTestEngine(t, Config{Workers: 2})
				in, out := make(chan struct{}, 8), make(chan struct{})
				var begun, now, most atom.Int32
				d, err := e.NewEVD(EVDConfig{Policy: ManyLimit(max(running, 1)), Upcall: func(*Upcall) {
					begun.Add(1)
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					in <- struct{}{}
					<-out
					now.Add(-1)
				}})
				require.NoError(t, err)
				for range running {
					require.NoError(t, d.Post(Event{}))
					<-in
				}
				if running > 0 {
					for range queued {
						require.NoError(t, d.Post(Event{}))
					}
				}
				waited := make(chan error, 1)
				if p == Teardown {
					go func() { waited <- d.ModifyUpcall(p, Same) }()
					waitFor(t, func() bool { return d.load().lim() == 0 })
				} else {
					require.NoError(t, d.ModifyUpcall(p, Same))
				}
				before := begun.Load()
				if p == Teardown && running > 0 {
					require.Empty(t, waited, "it waits for what runs")
				}
				close(out)
				if p == Teardown {
					require.NoError(t, <-waited)
					require.Zero(t, now.Load())
				}
				waitFor(t, func() bool { return d.load().run() == 0 && d.load()&bQUED == 0 })
				if p <= Disable {
					require.Equal(t, before, begun.Load(), "none begins after %v", p)
					require.LessOrEqual(t, len(drainAll(t, d)), queued)
				} else if running > 0 {
					waitFor(t, func() bool { return int(begun.Load()) == running+queued })
				}
				require.LessOrEqual(t, int(most.Load()), 2)
				require.NoError(t, d.Close())
			}
		}
	}
}

// Teardown inside the upcall would wait for itself: it says so, and has
// disabled. Also when two upcalls do it.
func TestR31TeardownInside(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 2})
	errs := make(chan error, 2)
	var met sync.WaitGroup
	met.Add(2)
	d, err := e.NewEVD(EVDConfig{Policy: ManyLimit(2), Batch: 1, Upcall: func(u *Upcall) {
		met.Done()
		met.Wait()
		errs <- u.ModifyUpcall(Teardown, Same)
	}})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Post(Event{}))
	for range 2 {
		require.ErrorIs(t, <-errs, ErrInUpcall)
	}
	require.NoError(t, d.Teardown(context.Background()))
	require.Equal(t, Disable, d.Query().Policy)
}

// Teardown beside enabling: it returns, and says that it was overtaken.
func TestR32TeardownSuperseded(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 2})
	in, out := make(chan struct{}, 2), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { in <- struct{}{}; <-out }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	<-in
	done := make(chan error)
	go func() { done <- d.Teardown(context.Background()) }()
	waitFor(t, func() bool { return d.load()&bQUIET != 0 })
	require.NoError(t, d.ModifyUpcallAny(SingleInstance, Same))
	require.ErrorIs(t, <-done, ErrSuperseded)
	close(out)
}

// Disable from outside, between a runner's look at the policy and its take: one
// more upcall, with whatever is there at the take, and then none.
func TestR30DisableBesideTake(t *testing.T) {
	cq := &hookedCQ{CQ: newTestCQ(t, mock.Config{})}
	var got []uint64
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Batch: 1, Upcall: collect(&got)})
	cq.beforePoll = func() {
		cq.beforePoll = nil
		require.NoError(t, d.ModifyUpcall(Disable, Same))
		one(t, cq, 1)
		one(t, cq, 2)
	}
	d.look()
	require.Equal(t, []uint64{1}, got)
	require.Equal(t, []uint64{2}, drainAll(t, d))
}

// A trigger that has claimed before Teardown, and has not begun: Teardown waits
// for its slot, and the upcall does not happen.
func TestR33TeardownBesideClaim(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { t.Error("an upcall after Teardown") }})
	one(t, cq, 1)
	require.True(t, d.trigger(srcIntr), "claimed")
	done := make(chan error)
	go func() { done <- d.Teardown(context.Background()) }()
	waitFor(t, func() bool { return d.load()&bQUIET != 0 })
	d.runSlot(&runner{})
	require.NoError(t, <-done)
	require.Equal(t, []uint64{1}, drainAll(t, d))
}

// The upcall and what it captures change together, while nothing runs.
func TestR34TornUpcallObject(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	object := func(ctx uint64) UpcallFunc {
		twin := ctx // would differ if a call could see half of a change
		return func(*Upcall) {
			if ctx != twin {
				t.Error("torn")
			}
		}
	}
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: object(0)})
	require.NoError(t, err)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, object(1)), ErrBusy)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = d.Post(Event{})
				runtime.Gosched()
			}
		}
	})
	for i := range uint64(200) {
		require.NoError(t, d.ModifyUpcall(Teardown, object(i)))
		require.NoError(t, d.ModifyUpcallAny(SingleInstance, Same))
	}
	close(stop)
	wg.Wait()
}

// After Close nothing is called: not by a late interrupt, not by a post; and a
// waiter is told.
func TestR35UpcallAfterFree(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { t.Error("an upcall after Close") }})
	d.links()[0].poll.done.Signal() // the poller is the test
	require.NoError(t, d.Close())
	one(t, cq, 1)
	require.False(t, d.interrupt())
	require.ErrorIs(t, d.Post(Event{}), os.ErrClosed)

	d = stillEVD(t, nil, EVDConfig{})
	done, _, _ := waitIn(t, context.Background(), d, 1, 1)
	require.NoError(t, d.Close())
	require.ErrorIs(t, <-done, ErrClosed)
}

// Events that came while upcalls were disabled are not forgotten by enabling.
func TestR37EnableFlip(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	var got []uint64
	d := stillEVD(t, cq, EVDConfig{Policy: SingleInstance, Upcall: collect(&got)})
	d.look()
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	one(t, cq, 1)
	require.False(t, d.interrupt(), "hidden")
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending)
	require.NoError(t, d.ModifyUpcallAny(SingleInstance, Same))
	d.runQueued(t)
	require.Equal(t, []uint64{1}, got)
}

// An event of a CQ that is being closed, or of an EVD that is: both end in
// order, whatever is on its way.
func TestR38EventOfDestroyedCQ(t *testing.T) {
	for range 50 {
		e := newTestEngine(t, Config{Workers: 1})
		cq := newTestCQ(t, mock.Config{})
		d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: func(*Upcall) {}})
		require.NoError(t, err)
		waitFor(t, func() bool { return cq.Stats().Arms > 0 })
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = cq.Complete(hwcq.WC{}, false) })
		wg.Go(func() { _ = cq.Close() })
		wg.Go(func() { _ = d.Close() })
		wg.Wait()
		require.True(t, d.Query().Closed)
	}
}

// Posts beside Close: what was accepted is delivered or left over.
func TestR39PostBesideClose(t *testing.T) {
	for range 50 {
		e := newTestEngine(t, Config{Workers: 1})
		var accepted, got atom.Uint64
		d, err := e.NewEVD(EVDConfig{
			Policy: SingleInstance, Capacity: 16,
			Upcall:    func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
			Leftovers: func(evs []Event) { got.Add(uint64(len(evs))) },
		})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					err := d.Post(Event{})
					switch {
					case err == nil:
						accepted.Add(1)
					case errors.Is(err, ErrClosed):
						return
					}
				}
			})
		}
		runtime.Gosched()
		require.NoError(t, d.Close())
		wg.Wait()
		require.Equal(t, accepted.Load(), got.Load())
	}
}

// The upcall may be over before Post returns: the event went by value.
func TestR40CallbackBeforeSubmitReturns(t *testing.T) {
	var seen Event
	d := stillEVD(t, nil, EVDConfig{Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(u *Upcall) {
		seen = u.Events()[0]
		u.Events()[0].WRID = 99 // the upcall's copy
	}})
	ev := Event{WRID: 5}
	require.NoError(t, d.Post(ev))
	require.EqualValues(t, 5, seen.WRID)
	require.EqualValues(t, 5, ev.WRID)
}

// Progress from inside a callback, by the handle or not: marked, never nested.
func TestR41ProgressInside(t *testing.T) {
	depth, deepest, left := 0, 0, 3
	var d *EVD
	d = stillEVD(t, nil, EVDConfig{Dispatch: DispatchInline, Policy: SingleInstance, Batch: 1, Upcall: func(u *Upcall) {
		depth++
		deepest = max(deepest, depth)
		if left--; left >= 0 {
			require.NoError(t, d.Post(Event{}), "from outside, by mistake")
			require.NoError(t, u.Post(Event{}))
		}
		depth--
	}})
	require.NoError(t, d.Post(Event{}))
	require.Equal(t, 1, deepest)
	require.EqualValues(t, 7, d.Stats().Delivered)
}

// A slot that is reserved and not yet written is "in flight": nobody reads it,
// nobody calls the EVD empty.
func TestR42IndexBeforeSlot(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Upcall: func(*Upcall) {}})
	c, _ := d.ring.Reserve(1)
	var buf [1]Event
	n, err := d.Dequeue(buf[:])
	require.ErrorIs(t, err, ErrBusy)
	require.Zero(t, n)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending)
	d.ring.Slot(c, 0).WRID = 6
	d.ring.Commit(c)
	require.Equal(t, []uint64{6}, drainAll(t, d))
}

// What a waiter has copied and not taken comes before what came later.
func TestR48CopiedBeforeNew(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Streams: DTO})
	for i := uint64(1); i <= 3; i++ {
		one(t, cq, i)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	buf := make([]Event, 8)
	n, more, err := d.Wait(ctx, 8, buf)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
	require.Equal(t, 3, more)
	for i := uint64(4); i <= 6; i++ {
		one(t, cq, i)
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 5, 6}, drainAll(t, d))
}

// On a merged EVD: the bad completion, then broken, then what was flushed.
func TestR50BrokenAndItsDTO(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Streams: DTO | Connection})
	ep, err := d.e.NewEndpoint(EndpointConfig{QPNum: 3, Recv: d, Connect: d, Cookie: 77})
	require.NoError(t, err)
	require.True(t, ep.Established())
	for i, st := range []hwcq.Status{hwcq.StatusSuccess, hwcq.StatusRetryExcErr, hwcq.StatusWRFlushErr, hwcq.StatusRemOpErr} {
		_, err := cq.Complete(hwcq.WC{WRID: uint64(i), QPNum: 3, Status: st}, false)
		require.NoError(t, err)
	}
	var got []EventNumber
	buf := make([]Event, 8)
	for n := 1; n > 0; {
		n, err = d.Dequeue(buf)
		require.NoError(t, err)
		for _, ev := range buf[:n] {
			got = append(got, ev.Number)
			if ev.Stream == Connection {
				require.EqualValues(t, 77, ev.WRID)
				require.EqualValues(t, 3, ev.QPNum)
			}
		}
	}
	require.Equal(t, []EventNumber{Established, DTOCompletion, DTOCompletion, Broken, DTOCompletion, DTOCompletion}, got)
	require.False(t, ep.Disconnected(), "it is broken")
	require.False(t, ep.Connected())
}

// The first receive overtakes the connection manager: established comes ahead
// of it all the same, and once.
func TestR51FirstReceiveFirst(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Streams: DTO | Connection})
	ep, err := d.e.NewEndpoint(EndpointConfig{QPNum: 3, Recv: d, Connect: d})
	require.NoError(t, err)
	_, err = cq.Complete(hwcq.WC{QPNum: 3}, false)
	require.NoError(t, err)
	buf := make([]Event, 1)
	for _, want := range []EventNumber{Established, DTOCompletion} {
		n, err := d.Dequeue(buf)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, want, buf[0].Number)
	}
	require.False(t, ep.Established(), "known already")
	require.True(t, ep.Disconnected())
	n, err := d.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, Disconnected, buf[0].Number)
}

// Many begins in order and may end in any; single keeps the order.
func TestR53ManyReorders(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 2})
	first := make(chan struct{})
	order := make(chan uint64, 2)
	d, err := e.NewEVD(EVDConfig{Policy: ManyLimit(2), Batch: 1, Upcall: func(u *Upcall) {
		id := u.Events()[0].WRID
		if id == 1 {
			<-first // the second overtakes
		}
		order <- id
		if id == 2 {
			close(first)
		}
	}})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{WRID: 1}))
	require.NoError(t, d.Post(Event{WRID: 2}))
	require.Equal(t, []uint64{2, 1}, []uint64{<-order, <-order})
	require.NoError(t, d.ModifyUpcall(Teardown, func(u *Upcall) { order <- u.Events()[0].WRID }))
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	for i := range uint64(20) {
		require.NoError(t, d.Post(Event{WRID: i}))
		require.Equal(t, i, <-order)
	}
}

// Two upcalls run, the policy becomes single: what comes now waits until one of
// the two is left, and it is alone from then on.
func TestR54ManyToSingle(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 2})
	in := make(chan uint64, 8)
	out := map[uint64]chan struct{}{1: make(chan struct{}), 2: make(chan struct{}), 3: make(chan struct{})}
	d, err := e.NewEVD(EVDConfig{Policy: ManyLimit(2), Batch: 1, Upcall: func(u *Upcall) {
		id := u.Events()[0].WRID
		in <- id
		<-out[id]
	}})
	require.NoError(t, err)
	for id := uint64(1); id <= 2; id++ {
		require.NoError(t, d.Post(Event{WRID: id}))
		require.Equal(t, id, <-in)
	}
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	require.NoError(t, d.Post(Event{WRID: 3}))
	close(out[1])
	waitFor(t, func() bool { return d.load().run() == 1 }) // one of the two has left
	require.Empty(t, in, "and nobody has taken its place")
	close(out[2])
	require.EqualValues(t, 3, <-in)
	require.EqualValues(t, 1, d.load().run())
	close(out[3])
}

// more is a promise to the waiter, at least threshold with what he got, and a
// hint to everybody else.
func TestR55StaleCount(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{})
	for i := range uint64(5) {
		require.NoError(t, d.Post(Event{WRID: i}))
	}
	buf := make([]Event, 1)
	n, more, err := d.Wait(context.Background(), 4, buf)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 4, more)
	require.Len(t, drainAll(t, d), 4, "another consumer")
	require.Zero(t, d.Query().Pending)
}

// Two producers and the last slot: one gets it, the other is told.
func TestR56LastSlot(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Capacity: 1})
	for range 500 {
		var wg sync.WaitGroup
		var ok, full atom.Int32
		for range 2 {
			wg.Go(func() {
				if err := d.Post(Event{}); err == nil {
					ok.Add(1)
				} else if errors.Is(err, ErrFull) {
					full.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, ok.Load())
		require.EqualValues(t, 1, full.Load())
		require.Len(t, drainAll(t, d), 1)
	}
}

// A post from the upcall to its own full EVD is refused: it does not wait for
// itself.
func TestR57PostInsideWhenFull(t *testing.T) {
	var errs []error
	d := stillEVD(t, nil, EVDConfig{Capacity: 1, Batch: 1, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(u *Upcall) {
		for range 2 {
			errs = append(errs, u.Post(Event{}))
		}
		_ = u.ModifyUpcall(Disable, Same)
	}})
	require.NoError(t, d.Post(Event{}))
	require.Len(t, errs, 2)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], ErrFull)
}

// Arming for solicited completions does not weaken an arm for any.
func TestR58SolicitedAfterNext(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	for _, solicited := range []bool{false, true} {
		_, err := cq.Arm(solicited)
		require.NoError(t, err)
	}
	one(t, cq, 1)
	event, err := cq.Events().TryWait()
	require.NoError(t, err)
	require.True(t, event)
	_, err = cq.Arm(true)
	require.NoError(t, err)
	one(t, cq, 2)
	event, err = cq.Events().TryWait()
	require.NoError(t, err)
	require.False(t, event)
	_, err = cq.Complete(hwcq.WC{Status: hwcq.StatusRetryExcErr}, false)
	require.NoError(t, err)
	event, err = cq.Events().TryWait()
	require.NoError(t, err)
	require.True(t, event, "failures always count as solicited")
}

// From polling to sleeping: announced, armed, then looked at once more.
func TestR59PollToInterrupt(t *testing.T) {
	var cq *mock.CQ
	fired := false
	cq = newTestCQ(t, mock.Config{Hooks: mock.Hooks{BeforeArm: func() {
		if !fired {
			fired = true
			one(t, cq, 1)
		}
	}}})
	var got []uint64
	d, err := stillEngine(t).NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeAdaptive, Policy: SingleInstance, Upcall: collect(&got)})
	require.NoError(t, err)
	require.False(t, d.look())
	require.False(t, d.testPoller().rest(), "a completion came when it had stopped polling and not yet armed")
	require.Equal(t, []uint64{1}, got)
	require.True(t, d.testPoller().rest())

	// The same when it is told to: it polls, is switched to events, and the
	// completion comes between its last look and its arm.
	require.NoError(t, d.SetMode(ModeSpin))
	p := d.testPoller()
	p.link.watch()
	d.word.Store(d.word.Load() &^ uint64(bARM))
	p.link.update(lARMED|lHW, 0)
	require.False(t, d.look()) // arms virtually: it polls
	require.NoError(t, d.SetMode(ModeEvent))
	require.False(t, p.watch(uint32(ModeSpin)), "its orders have changed: it does not poll on")
	fired = false
	require.False(t, p.rest())
	require.Equal(t, []uint64{1, 1}, got)
	require.True(t, p.rest())
}
