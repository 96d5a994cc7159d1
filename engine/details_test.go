package engine

import (
	"bytes"
	"context"
	"errors"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/ring"
)

// stillEngine starts no goroutine: the test takes every step itself.
func stillEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := newEngine(Config{Workers: 1, SpinBudget: time.Nanosecond}, func(string, string, func()) {})
	require.NoError(t, err)
	return e
}

// steppedCQ is a mock CQ whose waits for an event follow a script, one step a
// wait; after the last the CQ says that it is closed.
type steppedCQ struct {
	*mock.CQ
	hwcq.EventSource
	steps     []func() (bool, error)
	onPending func()
}

func (c *steppedCQ) Events() hwcq.EventSource { return c }

func (c *steppedCQ) Wait() (bool, error) {
	if len(c.steps) == 0 {
		return false, ErrClosed
	}
	step := c.steps[0]
	c.steps = c.steps[1:]
	return step()
}

func (c *steppedCQ) Pending() bool {
	if c.onPending != nil {
		c.onPending()
	}
	return c.CQ.Pending()
}

// stepped is an EVD over a steppedCQ, and the poller to call serve of.
func stepped(t *testing.T, mode Mode, faults mock.Faults) (*steppedCQ, *EVD, *poller) {
	t.Helper()
	inner := newTestCQ(t, mock.Config{Faults: faults})
	cq := &steppedCQ{CQ: inner, EventSource: inner.Events()}
	d, err := stillEngine(t).NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: mode, Policy: SingleInstance, Upcall: func(*Upcall) {},
	})
	require.NoError(t, err)
	return cq, d, d.links()[0].poll
}

func complete(t *testing.T, cq *mock.CQ, n int) {
	t.Helper()
	for i := range n {
		stored, err := cq.Complete(hwcq.WC{WRID: uint64(i)}, false)
		require.NoError(t, err)
		require.True(t, stored)
	}
}

// What is documented as allowed is allowed, up to the limit and not beyond.
func TestConfigLimits(t *testing.T) {
	require.NoError(t, Config{Workers: 1024, SpinBudget: time.Second}.Validate())
	requireInvalid(t, Config{SpinBudget: time.Second + 1}.Validate(), "SpinBudget = 1.000000001s")
	fn := func(*Upcall) {}
	for _, c := range []EVDConfig{
		{Capacity: 1, Batch: 1, Budget: 1},
		{Capacity: ring.MaxCapacity, Batch: 4096, Budget: 1 << 20},
		{Batch: 4096},
		{Mode: ModeSpin, Dispatch: DispatchQueued, Policy: SingleInstance, Upcall: fn},
	} {
		require.NoError(t, c.Validate(), "%+v", c)
	}
	for _, c := range []struct {
		cfg  EVDConfig
		want string
	}{
		{EVDConfig{Budget: 1<<20 + 1}, "Budget = 1048577"},
		{EVDConfig{Mode: ModeSpin + 1}, "Mode = mode(3)"},
		{EVDConfig{Dispatch: DispatchQueued + 1}, "Dispatch = dispatch(3)"},
		{EVDConfig{CQs: make([]hwcq.CQ, 1<<16+1)}, "CQs = 65537"},
	} {
		requireInvalid(t, c.cfg.Validate(), c.want)
	}
	require.NotContains(t, EVDConfig{CQs: make([]hwcq.CQ, 1<<16)}.Validate().Error(), "CQs = 65536")
	require.Equal(t, 4096, EVDConfig{Batch: 4096}.withDefaults().Budget)
	require.Equal(t, DefaultBudget, EVDConfig{Batch: 8}.withDefaults().Budget)
}

// EVDs are numbered and named apart, are forgotten when they are closed, and
// an engine's goroutines are told apart by their labels.
func TestRegistry(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	a, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	b, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{newTestCQ(t, mock.Config{})}})
	require.NoError(t, err)
	c, err := e.NewEVD(EVDConfig{Name: "io"})
	require.NoError(t, err)
	require.Equal(t, []string{"evd1", "evd2", "io"}, []string{a.Name(), b.Name(), c.Name()})
	require.Equal(t, []uint32{1, 2, 3}, []uint32{a.ID(), b.ID(), c.ID()})
	for _, d := range []*EVD{a, b, c} {
		require.NoError(t, d.Close())
	}
	require.Equal(t, []*EVD{e.Async()}, e.evds)
	require.Empty(t, e.cqs)

	var labels bytes.Buffer
	done := make(chan error)
	spawn("some-role", "some-name", func() { done <- pprof.Lookup("goroutine").WriteTo(&labels, 1) })
	require.NoError(t, <-done)
	require.Contains(t, labels.String(), `"evd":"some-role"`)
	require.Contains(t, labels.String(), `"name":"some-name"`)
}

// An event says where it comes from, whichever way it goes.
func TestEventFields(t *testing.T) {
	wc := hwcq.WC{
		WRID: 1, Status: 2, Opcode: 3, VendorErr: 4, ByteLen: 5, Imm: 6, Flags: 7, QPNum: 8, SrcQP: 9,
	}
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 1})
			other, cq := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})
			got := make(chan Event, 3)
			_, err := e.NewEVD(EVDConfig{})
			require.NoError(t, err)
			d, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{other, cq}, Streams: DTO | Software, Mode: ModeEvent, Dispatch: disp,
				Policy: SingleInstance, Batch: 1, Upcall: func(u *Upcall) { got <- u.Events()[0] },
			})
			require.NoError(t, err)
			_, err = cq.Complete(wc, false)
			require.NoError(t, err)
			require.Equal(t, Event{
				Stream: DTO, Number: DTOCompletion, CQ: 1, EVD: d.ID(),
				WRID: 1, Status: 2, Opcode: 3, VendorErr: 4, ByteLen: 5, Imm: 6, Flags: 7, QPNum: 8, SrcQP: 9,
			}, <-got)
			require.NoError(t, d.Post(Event{WRID: 1, Stream: DTO, EVD: 77}))
			require.Equal(t, Event{WRID: 1, Stream: Software, Number: SoftwareEvent, EVD: d.ID()}, <-got)
			require.NoError(t, d.Post(Event{Number: 5}))
			require.Equal(t, Event{Stream: Software, Number: 5, EVD: d.ID()}, <-got)
		})
	}
}

// Nobody posts to an EVD without the software stream, not even an inline
// poster to an idle one.
func TestInlineStream(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{
		Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance,
		Upcall: func(*Upcall) { t.Error("delivered") },
	})
	require.NoError(t, err)
	require.ErrorIs(t, d.Post(Event{}), ErrStream)
}

// Dequeue takes turns: between ring and CQs, and among the CQs; and no more
// from a CQ than a batch, however large its buffer is.
func TestTakingTurns(t *testing.T) {
	a, b := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})
	d, err := stillEngine(t).NewEVD(EVDConfig{
		CQs: []hwcq.CQ{a, b}, Streams: DTO | Software, Mode: ModeEvent, Batch: 2,
	})
	require.NoError(t, err)
	require.Equal(t, DefaultCapacity, d.Capacity())
	complete(t, a, 3)
	complete(t, b, 3)
	for range 3 {
		require.NoError(t, d.Post(Event{CQ: 9}))
	}
	var from []uint16
	for range 9 {
		var buf [1]Event
		n, err := d.Dequeue(buf[:])
		require.NoError(t, err)
		require.Equal(t, 1, n)
		from = append(from, buf[0].CQ)
	}
	require.Equal(t, []uint16{9, 0, 9, 1, 9, 0, 1, 0, 1}, from)

	complete(t, a, 3)
	for _, want := range []int{2, 1, 0} {
		n, err := d.Dequeue(make([]Event, 8))
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	require.NoError(t, d.Post(Event{}))
	n, err := d.Dequeue(nil)
	require.NoError(t, err, "no room is not busy")
	require.Zero(t, n)
}

// Inside the upcall: more is pending, enabling what is enabled does nothing,
// whatever is pending, the budget is handed over, and closed comes before busy.
func TestInsideTheUpcall(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var d *EVD
	var more []bool
	d, err := e.NewEVD(EVDConfig{
		Dispatch: DispatchInline, Policy: SingleInstance, Batch: 1, Budget: 1,
		Upcall: func(u *Upcall) {
			more = append(more, u.More())
			if len(more) > 1 {
				d.markClosed()
				require.ErrorIs(t, u.ModifyUpcall(Disable, func(*Upcall) {}), ErrClosed)
				return
			}
			require.NoError(t, u.Post(Event{}))
			more = append(more, u.More())
			require.NoError(t, u.ModifyUpcall(SingleInstance, Same))
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Close())
	require.Equal(t, []bool{false, true, false}, more)
	st := d.Stats()
	require.EqualValues(t, 1, st.Direct)
	require.EqualValues(t, 2, st.Delivered)
}

// A budget that is used up is handed over once, and the next run has a whole
// one.
func TestBudget(t *testing.T) {
	d, err := stillEngine(t).NewEVD(EVDConfig{
		Policy: SingleInstance, Dispatch: DispatchQueued, Batch: 1, Budget: 3, Upcall: func(*Upcall) {},
	})
	require.NoError(t, err)
	for range 7 {
		require.NoError(t, d.Post(Event{}))
	}
	for i, want := range []uint64{3, 6, 7} {
		require.True(t, d.e.rq.pop().startQueued())
		require.True(t, d.runSlot(&runner{}))
		require.Equal(t, want, d.Stats().Delivered)
		require.EqualValues(t, min(i+1, 2), d.Stats().HandOvers)
	}
	for range 7 {
		require.NoError(t, d.Post(Event{}))
	}
	require.True(t, d.e.rq.pop().startQueued())
	require.True(t, d.runSlot(&runner{stays: true}), "a poller hands nothing over")
	require.EqualValues(t, 14, d.Stats().Delivered)
	require.EqualValues(t, 2, d.Stats().HandOvers)
}

// A full ring is counted, once, however many completions wait, and what waits
// for room is pending to the one who enables.
func TestStallsAreCounted(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	complete(t, cq, 4)
	d, err := stillEngine(t).NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Batch: 1, Upcall: func(*Upcall) {},
	})
	require.NoError(t, err)
	require.True(t, d.links()[0].poll.start(srcWatch))
	require.EqualValues(t, 1, d.Stats().Stalls)
	require.EqualValues(t, 1, d.Stats().Polled)
	require.EqualValues(t, 0, d.Stats().Posted)
	other := newTestCQ(t, mock.Config{})
	d, err = stillEngine(t).NewEVD(EVDConfig{
		CQs: []hwcq.CQ{other}, Mode: ModeEvent, Dispatch: DispatchQueued, Upcall: func(*Upcall) {},
	})
	require.NoError(t, err)
	complete(t, other, 1)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending, "on the CQ of a pump")
}

// The look after the arm averts a sleep: the poller delivers and polls on.
func TestRestAverted(t *testing.T) {
	cq, d, p := stepped(t, ModeAdaptive, mock.Faults{})
	p.start(srcWatch)
	require.Equal(t, lARMED|lWATCH, p.link.state.Load(), "armed by watching")
	complete(t, cq.CQ, 1)
	require.False(t, p.rest())
	require.EqualValues(t, 1, d.Stats().Averted)
	require.EqualValues(t, 1, d.Stats().Delivered)
	require.NotZero(t, p.link.state.Load()&lWATCH)
	require.True(t, p.rest())
	require.EqualValues(t, 1, d.Stats().Sleeps)
	require.Zero(t, p.link.state.Load()&lWATCH)
}

// A poller that could not arm on its way to sleep polls on: it watches, and
// whoever wants notification meanwhile arms nothing.
func TestRestArmFails(t *testing.T) {
	cq, d, p := stepped(t, ModeAdaptive, mock.Faults{ArmError: mock.Once(1)})
	p.delay = retryFirst
	p.start(srcWatch)
	require.False(t, p.rest())
	require.Equal(t, lARMED|lWATCH, p.link.state.Load())
	require.EqualValues(t, 1, d.Stats().ArmErrors)
	require.True(t, p.rest())
	require.EqualValues(t, 1, cq.Stats().Arms)
}

// An adaptive poller that was woken polls: nothing is armed before it sleeps
// again, neither after an event nor after a Wake.
func TestWokenWatches(t *testing.T) {
	for _, event := range []bool{true, false} {
		cq, d, p := stepped(t, ModeAdaptive, mock.Faults{})
		looked := false
		cq.steps = append(cq.steps, func() (bool, error) {
			require.Equal(t, lARMED|lHW, p.link.state.Load(), "asleep")
			looks := 0
			cq.onPending = func() {
				if looks++; event == (looks == 2) { // the first look after an event only counts it
					cq.onPending = nil
					looked = true
					require.NotZero(t, p.link.state.Load()&lWATCH)
				}
			}
			return event, nil
		})
		p.serve()
		require.True(t, looked)
		st := d.Stats()
		require.EqualValues(t, 2, st.Wakes)
		require.Equal(t, st.Events, st.Spurious, "nothing was there")
		if event {
			require.EqualValues(t, 1, st.Events)
			require.EqualValues(t, 2, st.Arms, "once before each sleep")
		}
	}
}

// A failed arm is tried again, both are counted, and the back-off starts anew
// with every success.
func TestBackOff(t *testing.T) {
	cq, d, p := stepped(t, ModeEvent, mock.Faults{ArmError: mock.Once(1)})
	deaf := func() (bool, error) { return false, errors.New("no wait today") }
	cq.steps = append(cq.steps,
		func() (bool, error) {
			require.Equal(t, retryFirst, p.delay, "armed at the second attempt")
			return deaf()
		},
		func() (bool, error) {
			require.Equal(t, 2*retryFirst, p.delay)
			return true, nil
		},
		func() (bool, error) {
			require.Equal(t, retryFirst, p.delay, "an event")
			complete(t, cq.CQ, 1)
			return false, nil // a Wake means "look"
		},
		func() (bool, error) {
			require.EqualValues(t, 1, d.Stats().Delivered)
			return false, ErrClosed
		})
	p.serve()
	st := d.Stats()
	require.EqualValues(t, 1, st.ArmErrors)
	require.EqualValues(t, 1, st.Retries)
	require.EqualValues(t, 1, st.WaitErrs)
	require.EqualValues(t, 1, st.Spurious)
}

// toldCtx is a context that says when somebody asks to be told of its end,
// and when he no longer does.
type toldCtx struct {
	context.Context
	done  chan struct{}
	asked func()
	over  bool
}

func (c *toldCtx) Done() <-chan struct{} { return c.done }

func (c *toldCtx) AfterFunc(func()) func() bool {
	c.asked()
	return func() bool { c.over = true; return true }
}

// CloseContext leaves nothing behind in a context that goes on.
func TestContextStopped(t *testing.T) {
	e := newTestEngine(t, Config{})
	in, goOn := make(chan struct{}), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { close(in); <-goOn }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	<-in
	ctx := &toldCtx{Context: context.Background(), done: make(chan struct{}), asked: func() { close(goOn) }}
	require.NoError(t, d.CloseContext(ctx))
	require.True(t, ctx.over)
}

// What a waiter has copied and left counts for the next one, also when there is
// no room to copy more without moving it.
func TestWaitCountsWhatItLeft(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{})
	for i := range uint64(16) {
		one(t, cq, i)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var buf [1]Event
	for i := range uint64(12) {
		n, more, err := d.Wait(over, 5, buf[:])
		require.NoError(t, err, "events that are there win")
		require.Equal(t, 1, n)
		require.GreaterOrEqual(t, n+more, 5)
		require.Equal(t, i, buf[0].WRID)
	}
}
