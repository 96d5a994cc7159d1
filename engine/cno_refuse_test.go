package engine

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is refused has an error of its own and changes nothing.
func TestCNORefusals(t *testing.T) {
	e, other := stillEngine(t), stillEngine(t)
	c, foreign := newTestCNO(t, e, CNOConfig{}), newTestCNO(t, other, CNOConfig{})
	w := newTestWaiter(t, c)
	d := cnoEVDs(t, c, 1)[0]
	off, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	fn := func(*Upcall) {}
	before, state := c.Query(), d.load()
	offState := off.load()

	var noEngine *Engine
	_, err = noEngine.NewCNO(CNOConfig{})
	require.ErrorIs(t, err, ErrNilHandle)
	for _, c := range []*CNO{nil, {}} {
		require.ErrorIs(t, c.Close(), ErrNilHandle)
		_, err = c.NewWaiter()
		require.ErrorIs(t, err, ErrNilHandle)
		_, err = c.FD()
		require.ErrorIs(t, err, ErrNilHandle)
		require.Equal(t, CNOQuery{}, c.Query())
	}
	for _, w := range []*CNOWaiter{nil, {}} {
		_, err = w.Wait(context.Background())
		require.ErrorIs(t, err, ErrNilHandle)
		_, err = w.TryWait()
		require.ErrorIs(t, err, ErrNilHandle)
		require.ErrorIs(t, w.Done(d), ErrNilHandle)
		require.ErrorIs(t, w.Close(), ErrNilHandle)
	}
	var noEVD *EVD
	require.ErrorIs(t, noEVD.ModifyCNO(c), ErrNilHandle)
	require.ErrorIs(t, off.ModifyCNO(&CNO{}), ErrNilHandle)
	require.ErrorIs(t, off.ModifyCNO(foreign), ErrForeign)
	require.ErrorIs(t, d.ModifyCNO(foreign), ErrForeign)
	_, err = e.NewEVD(EVDConfig{CNO: foreign})
	require.ErrorIs(t, err, ErrForeign)
	_, err = e.NewEVD(EVDConfig{CNO: &CNO{}})
	require.ErrorIs(t, err, ErrNilHandle)
	_, err = e.NewEVD(EVDConfig{CNO: c, Policy: SingleInstance, Upcall: fn})
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "Policy")

	// Upcalls and waiting for the EVD itself.
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, fn), ErrOnCNO)
	require.ErrorIs(t, d.ModifyUpcall(Disable, fn), ErrOnCNO)
	require.ErrorIs(t, e.Async().ModifyUpcallAny(ManyLimit(2), fn), nil)
	require.ErrorIs(t, e.Async().ModifyCNO(c), ErrEnabled)
	_, _, err = d.Wait(context.Background(), 1, make([]Event, 1))
	require.ErrorIs(t, err, ErrOnCNO)
	for _, p := range []Policy{Disable, Teardown} { // nothing to do, and it stays
		require.NoError(t, d.ModifyUpcall(p, Same))
	}
	require.NoError(t, d.Teardown(context.Background()))

	// What must be over before an EVD comes to a CNO.
	off.word.Store(uint64(offState | bTAKE | bOWN))
	require.ErrorIs(t, off.ModifyCNO(c), ErrWaiter)
	off.word.Store(uint64(offState + runOne))
	require.ErrorIs(t, off.ModifyCNO(c), ErrBusy)
	off.word.Store(uint64(offState))
	require.NoError(t, off.ModifyCNO(nil), "nothing to do")

	// Done of what is not one's own, and of nothing.
	require.ErrorIs(t, w.Done(d), ErrNotOwner)
	require.ErrorIs(t, w.Done(nil), ErrNilHandle)
	require.ErrorIs(t, w.Done(other.Async()), ErrForeign)
	var noContext context.Context
	_, err = w.Wait(noContext)
	require.ErrorIs(t, err, ErrNilHandle)

	// One goroutine at a time.
	w.busy.Store(true)
	_, err = w.Wait(context.Background())
	require.ErrorIs(t, err, ErrBusy)
	_, err = w.TryWait()
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, w.Done(d), ErrBusy)
	require.ErrorIs(t, w.Close(), ErrBusy)
	w.busy.Store(false)
	require.ErrorIs(t, c.Close(), ErrBusy, "an EVD is on it")
	require.Equal(t, before, c.Query())
	require.Equal(t, state, d.load())
	require.Equal(t, offState, off.load())
	require.Nil(t, off.cno.Load())

	// A waiter that is closed gives back what it has.
	post(t, d)
	require.Same(t, d, tryWait(t, w))
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "idempotent")
	require.ErrorIs(t, w.Done(d), ErrClosed)
	_, err = w.Wait(context.Background())
	require.ErrorIs(t, err, ErrClosed)
	require.Equal(t, 1, c.Query().Ready)
	w = newTestWaiter(t, c)
	require.Same(t, d, tryWait(t, w))

	// Closed things.
	require.NoError(t, d.Close())
	require.ErrorIs(t, w.Done(d), ErrClosed, "revoked")
	require.ErrorIs(t, d.ModifyCNO(nil), ErrClosed)
	require.ErrorIs(t, d.ModifyCNO(c), ErrClosed)
	_, asleep, err := w.take("", context.Background())
	require.NoError(t, err)
	require.True(t, asleep)
	require.ErrorIs(t, c.Close(), ErrBusy, "a waiter sleeps")
	w.cancel(w.turn, context.Canceled)
	require.NoError(t, c.Close())
	_, err = w.Wait(context.Background())
	require.ErrorIs(t, err, ErrClosed)
	_, err = w.TryWait()
	require.ErrorIs(t, err, ErrClosed)
	_, err = c.NewWaiter()
	require.ErrorIs(t, err, ErrClosed)
	_, err = c.FD()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, off.ModifyCNO(c), ErrClosed)
	_, err = e.NewEVD(EVDConfig{CNO: c})
	require.ErrorIs(t, err, ErrClosed)
	require.Nil(t, off.cno.Load())
	require.Zero(t, c.Query().EVDs)
	e.closed = true
	_, err = e.NewCNO(CNOConfig{})
	require.ErrorIs(t, err, ErrClosed)
}

// An EVD that cannot be made leaves nothing on its CNO.
func TestCNONewEVDFails(t *testing.T) {
	e := stillEngine(t)
	c := newTestCNO(t, e, CNOConfig{})
	e.closed = true
	_, err := e.NewEVD(EVDConfig{CNO: c})
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, c.Query().EVDs)
	require.NoError(t, c.Close())
}

// Teardown is over when the EVD is on a CNO: there it has no upcalls.
func TestCNOTeardown(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	inside, leave := make(chan bool), make(chan bool)
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(*Upcall) {
		inside <- true
		<-leave
	}})
	require.NoError(t, err)
	post(t, d)
	<-inside
	require.ErrorIs(t, d.ModifyCNO(c), ErrEnabled)
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.ErrorIs(t, d.ModifyCNO(c), ErrBusy)
	close(leave)
	require.NoError(t, d.Teardown(limit(t)))
	require.NoError(t, d.ModifyCNO(c))
	post(t, d)
	require.NoError(t, d.Teardown(limit(t)), "it is listed, and that is nobody's upcall")
	require.Same(t, d, tryWait(t, newTestWaiter(t, c)))
}

// The operations are traced as those of EVDs are.
func TestCNOTrace(t *testing.T) {
	var log bytes.Buffer
	e, err := New(Config{Logger: testLogger(&log), Trace: TraceAPI, Watchdog: NoWatchdog})
	require.NoError(t, err)
	c := newTestCNO(t, e, CNOConfig{Name: "all"})
	d, err := e.NewEVD(EVDConfig{Name: "io"})
	require.NoError(t, err)
	require.NoError(t, d.ModifyCNO(c))
	require.Error(t, c.Close())
	require.NoError(t, d.ModifyCNO(nil))
	require.NoError(t, c.Close())
	require.NoError(t, e.Close())
	for _, want := range []string{
		`msg="cno_create(cno=all)" category=api`,
		`msg="evd_modify_cno(evd=io, cno=all) = ok" category=api`,
		`msg="cno_free(cno=all) = engine: CNO.Close: CNO \"all\": engine: busy: 1 EVDs are on it, 0 waiters sleep" category=api`,
		`msg="evd_modify_cno(evd=io, cno=none) = ok" category=api`,
		`msg="cno_free(cno=all) = ok" category=api`,
	} {
		require.Contains(t, log.String(), want)
	}
}
