package engine

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// Every bad value is refused by an error that names it, and says what is
// allowed.
func TestBadConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Workers: -1}, "Workers = -1"},
		{Config{Workers: 1025}, "Workers = 1025"},
		{Config{SpinBudget: -1}, "SpinBudget = -1ns"},
		{Config{SpinBudget: time.Hour}, "SpinBudget = 1h0m0s"},
	} {
		_, err := New(c.cfg)
		requireInvalid(t, err, c.want)
	}
}

func TestBadEVDConfig(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	fn := func(*Upcall) {}
	for _, c := range []struct {
		cfg  EVDConfig
		want string
	}{
		{EVDConfig{Streams: 0x200}, "Streams = stream 0x200"},
		{EVDConfig{Capacity: -1}, "Capacity = -1"},
		{EVDConfig{Capacity: 1<<30 + 1}, "Capacity = 1073741825"},
		{EVDConfig{CQs: []hwcq.CQ{nil}}, "CQs[0] = nil"},
		{EVDConfig{CQs: []hwcq.CQ{cq, cq}}, "CQs[1] = CQs[0]"},
		{EVDConfig{CQs: []hwcq.CQ{cq}, Streams: Software}, "Streams = software"},
		{EVDConfig{Mode: ModeSpin + 1}, "Mode = mode(3)"},
		{EVDConfig{Policy: 5}, "policy = policy(5)"},
		{EVDConfig{Policy: SingleInstance}, "Upcall = nil"},
		{EVDConfig{Policy: SingleInstance, Upcall: fn, Dispatch: 9}, "Dispatch = dispatch(9)"},
		{EVDConfig{Batch: -1}, "Batch = -1"},
		{EVDConfig{Batch: 4097}, "Batch = 4097"},
		{EVDConfig{Budget: -3}, "Budget = -3"},
		{EVDConfig{Batch: 8, Budget: 4}, "Budget = 4"},
		{EVDConfig{Weight: -1}, "Weight = -1"},
		{EVDConfig{Priority: true}, "Priority = true"},
		{EVDConfig{Priority: true, Streams: CR}, "Priority = true"},
		{EVDConfig{Weight: 1025}, "Weight = 1025"},
		{EVDConfig{Overflow: OverflowSpill + 1}, "Overflow = overflow(2)"},
		{EVDConfig{SpillLimit: 1}, "SpillLimit = 1: must be 0"},
		{EVDConfig{Overflow: OverflowSpill, SpillLimit: -1}, "SpillLimit = -1"},
		{EVDConfig{Overflow: OverflowSpill, SpillLimit: 1<<29 + 1}, "SpillLimit = 536870913"},
	} {
		_, err := e.NewEVD(c.cfg)
		requireInvalid(t, err, c.want)
	}
	_, err := e.NewEVD(EVDConfig{Capacity: -1, Batch: -1})
	requireInvalid(t, err, "Capacity = -1")
	requireInvalid(t, err, "Batch = -1")
}

func requireInvalid(t *testing.T, err error, want string) {
	t.Helper()
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, want)
	require.ErrorContains(t, err, "must be")
	var pe *ParamError
	require.True(t, errors.As(err, &pe))
}

func TestFullRing(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Capacity: 4})
	require.NoError(t, err)
	require.Equal(t, 4, d.Capacity())
	for i := range 4 {
		require.NoError(t, d.Post(Event{WRID: uint64(i)}))
	}
	require.Equal(t, ErrFull, d.Post(Event{WRID: 4}))
	buf := make([]Event, 1)
	n, err := d.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, d.Post(Event{WRID: 4}), "the space of one event")
	require.Equal(t, ErrFull, d.Post(Event{WRID: 5}))
	for i := range 4 {
		n, err := d.Dequeue(buf)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.EqualValues(t, i+1, buf[0].WRID)
	}
	require.EqualValues(t, 2, d.Stats().Rejected)
}

func TestClosed(t *testing.T) {
	e, err := New(Config{})
	require.NoError(t, err)
	left := 0
	d, err := e.NewEVD(EVDConfig{Leftovers: func(evs []Event) { left += len(evs) }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Close())
	require.NoError(t, d.Close(), "idempotent")
	require.Equal(t, 1, left)
	require.ErrorIs(t, d.Post(Event{}), os.ErrClosed)
	_, err = d.Dequeue(make([]Event, 1))
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorIs(t, d.ModifyUpcall(Disable, Same), os.ErrClosed)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}), os.ErrClosed)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close(), "idempotent")
	_, err = e.NewEVD(EVDConfig{})
	require.ErrorIs(t, err, os.ErrClosed)
}

// A CQ that is closed under its EVD ends the poller and nothing else.
func TestCQClosedUnderEVD(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive, ModeSpin} {
		t.Run(mode.String(), func(t *testing.T) {
			cq := newTestCQ(t, mock.Config{})
			e := newTestEngine(t, Config{SpinBudget: 1})
			d, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Mode: mode, Policy: SingleInstance,
				Upcall: func(*Upcall) {},
			})
			require.NoError(t, err)
			require.NoError(t, cq.Close())
			require.NoError(t, d.Close())
		})
	}
}

func TestStreams(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Name: "io", CQs: []hwcq.CQ{cq}})
	require.NoError(t, err)
	err = d.Post(Event{})
	require.ErrorIs(t, err, ErrStream)
	require.ErrorContains(t, err, `"io"`)
}

func TestModifyUpcall(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	requireInvalid(t, d.ModifyUpcall(Policy(3), Same), "policy = policy(3)")
	requireInvalid(t, d.ModifyUpcall(SingleInstance, Same), "fn = Same")
	require.NoError(t, d.Post(Event{WRID: 1}))
	got := make(chan uint64, 4)
	fn := func(u *Upcall) { got <- u.Events()[0].WRID }
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, fn), ErrEventsPending)
	buf := make([]Event, 2)
	n, err := d.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	requireInvalid(t, d.ModifyUpcall(SingleInstance, Same), "fn = Same") // the refused call changed nothing
	require.NoError(t, d.ModifyUpcall(SingleInstance, fn))
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same), "enabling what is enabled")
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, fn), ErrBusy)
	require.NoError(t, d.Post(Event{WRID: 2}))
	require.EqualValues(t, 2, <-got)
	require.NoError(t, d.ModifyUpcall(Disable, Same))
	require.NoError(t, d.ModifyUpcall(Disable, Same), "idempotent")
}

type valueCQ struct {
	hwcq.CQ
	_ []int
}

func TestCQMisuse(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Name: "first", CQs: []hwcq.CQ{cq}})
	require.NoError(t, err)
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorContains(t, err, `CQs[0]`)
	require.ErrorContains(t, err, `"first"`)
	require.NoError(t, d.Close())
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
	require.NoError(t, err, "free again")
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{valueCQ{}, valueCQ{}}})
	requireInvalid(t, err, "CQs[0] = engine.valueCQ")
}

func TestUpcallHandleIsOver(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	handle := make(chan *Upcall, 1)
	d, err := e.NewEVD(EVDConfig{Policy: SingleInstance, Upcall: func(u *Upcall) { handle <- u }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	u := <-handle
	require.NoError(t, d.Close()) // the upcall has returned
	require.ErrorIs(t, u.Post(Event{}), ErrUpcallOver)
	require.ErrorIs(t, u.ModifyUpcall(Disable, Same), ErrUpcallOver)
	_, err = u.Dequeue(make([]Event, 1))
	require.ErrorIs(t, err, ErrUpcallOver)
	require.False(t, u.More())
	require.Empty(t, u.Events())
	require.Nil(t, u.EVD())
}
