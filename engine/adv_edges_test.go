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

// The context of CloseContext ends the wait for an upcall, on whatever
// goroutine it runs, and for another Close that waits for it; what it leaves is
// closed by the next one.
func TestCloseContextEnds(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{})
			cq := newTestCQ(t, mock.Config{})
			in, goOn := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(goOn) })
			defer release()
			d, err := e.NewEVD(EVDConfig{
				Policy: SingleInstance, Dispatch: disp, CQs: []hwcq.CQ{cq},
				Upcall: func(*Upcall) { close(in); <-goOn },
			})
			require.NoError(t, err)
			_, err = cq.Complete(hwcq.WC{}, false)
			require.NoError(t, err)
			<-in
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			require.ErrorIs(t, d.CloseContext(ctx), context.DeadlineExceeded)
			first := make(chan error)
			go func() { first <- d.Close() }()
			waitFor(t, func() bool { // until the first one is in it
				free := d.needCloser().TryWait()
				if free {
					d.needCloser().Signal()
				}
				return !free
			})
			require.ErrorIs(t, d.CloseContext(ctx), context.DeadlineExceeded, "behind another Close")
			release()
			require.NoError(t, <-first)
			require.NoError(t, d.CloseContext(context.Background()))
		})
	}
}

// An upcall that leaves by a panic or by Goexit gives its slot back, and the
// engine's goroutine that it ran on is replaced.
func TestUpcallDoesNotReturn(t *testing.T) {
	for _, c := range []struct {
		name  string
		disp  Dispatch
		cq    bool
		leave func()
	}{
		{"panic on the poster", DispatchInline, false, func() { panic("upcall") }},
		{"exit of the poster", DispatchInline, false, runtime.Goexit},
		{"exit of the worker", DispatchQueued, false, runtime.Goexit},
		{"exit of the poller", DispatchInline, true, runtime.Goexit},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 1})
			first := true
			var got atom.Uint64
			cfg := EVDConfig{Policy: SingleInstance, Dispatch: c.disp, Mode: ModeEvent, Upcall: func(*Upcall) {
				got.Add(1)
				if first {
					first = false
					c.leave()
				}
			}}
			enable := func() {} // a panic disables
			event := func() {}
			if c.cq {
				cq := newTestCQ(t, mock.Config{})
				cfg.CQs = []hwcq.CQ{cq}
				event = func() { _, _ = cq.Complete(hwcq.WC{}, false) }
			}
			d, err := e.NewEVD(cfg)
			require.NoError(t, err)
			if !c.cq {
				event = func() { _ = d.Post(Event{}) }
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				defer func() { _ = recover() }()
				event()
			}()
			<-gone
			if c.disp == DispatchInline && !c.cq {
				enable = func() { _ = d.ModifyUpcallAny(SingleInstance, Same) }
			}
			enable()
			for want := range uint64(3) {
				waitFor(t, func() bool { return got.Load() == want+1 })
				event()
			}
			waitFor(t, func() bool { return got.Load() == 4 })
			require.NoError(t, d.Close())
		})
	}
}

// scriptCtx is a context whose end a test puts where it hurts.
type scriptCtx struct {
	context.Context
	armed chan struct{} // closed when somebody asks to be told of the end
	done  chan struct{}
	err   atom.Pointer[error]
}

func (c *scriptCtx) Done() <-chan struct{} { return c.done }

func (c *scriptCtx) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *scriptCtx) AfterFunc(func()) func() bool {
	close(c.armed)
	return func() bool { return true }
}

// CloseContext does not miss the end of its context that comes after its look
// and before its sleep.
func TestCloseContextEndsEarly(t *testing.T) {
	e := newTestEngine(t, Config{})
	in, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) { close(in); <-goOn }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	<-in
	ctx := &scriptCtx{Context: context.Background(), armed: make(chan struct{}), done: make(chan struct{})}
	e.quietMu.Lock() // the sleeper cannot fall asleep
	var got atom.Pointer[error]
	go func() {
		err := d.CloseContext(ctx)
		got.Store(&err)
	}()
	<-ctx.armed
	canceled := context.Canceled
	ctx.err.Store(&canceled)
	close(ctx.done)
	e.quietCond.Broadcast() // the whole effect of the end, with nobody asleep yet
	e.quietMu.Unlock()
	waitFor(t, func() bool { return got.Load() != nil })
	require.ErrorIs(t, *got.Load(), context.Canceled)
}

// A function is replaced or kept, and never beside a run.
func TestReplaceUpcall(t *testing.T) {
	e := newTestEngine(t, Config{})
	in, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	var old, other atom.Uint64
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {
		if old.Add(1) == 1 {
			close(in)
			<-goOn
		}
	}})
	require.NoError(t, err)
	replace := func(*Upcall) { other.Add(1) }
	require.NoError(t, d.Post(Event{}))
	<-in
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.ErrorIs(t, d.ModifyUpcall(Disable, replace), ErrBusy, "disabled, but it runs")
	release()
	waitFor(t, func() bool { return d.load().run() == 0 })

	require.NoError(t, d.Post(Event{}))
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, replace), ErrEventsPending)
	_, err = d.Dequeue(make([]Event, 1))
	require.NoError(t, err)
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
	require.NoError(t, d.Post(Event{}))
	waitFor(t, func() bool { return old.Load() == 2 })
	require.Zero(t, other.Load(), "refused: nothing changed")

	require.NoError(t, d.ModifyUpcall(Disable, Same))
	waitFor(t, func() bool { return d.load().run() == 0 })
	require.NoError(t, d.ModifyUpcall(SingleInstance, replace))
	require.NoError(t, d.Post(Event{}))
	waitFor(t, func() bool { return other.Load() == 1 })
}

// deafCQ is a CQ whose first waits for an event fail.
type deafCQ struct {
	*mock.CQ
	hwcq.EventSource
	fails atom.Int32
}

func (c *deafCQ) Events() hwcq.EventSource { return c }

func (c *deafCQ) Wait() (bool, error) {
	if c.fails.Add(-1) >= 0 {
		return false, errors.New("no wait today")
	}
	return c.EventSource.Wait()
}

// A wait that fails does not end the poller: it polls meanwhile, counts, and
// waits again.
func TestWaitFails(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
			t.Run(mode.String()+"/"+disp.String(), func(t *testing.T) {
				e := newTestEngine(t, Config{})
				inner := newTestCQ(t, mock.Config{})
				cq := &deafCQ{CQ: inner, EventSource: inner.Events()}
				cq.fails.Store(4)
				var got atom.Uint64
				d, err := e.NewEVD(EVDConfig{
					Policy: SingleInstance, Mode: mode, Dispatch: disp, CQs: []hwcq.CQ{cq},
					Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
				})
				require.NoError(t, err)
				for want := uint64(1); want < 10; want++ {
					_, err = inner.Complete(hwcq.WC{}, false)
					require.NoError(t, err)
					waitFor(t, func() bool { return got.Load() == want })
				}
				waitFor(t, func() bool { return d.Stats().WaitErrs == 4 })
				require.NoError(t, d.Close())
			})
		}
	}
}
