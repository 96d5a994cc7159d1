package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/ring"
)

// What a completion says arrives in the event, and so does what a poster says.
func TestEventFields(t *testing.T) {
	for _, dispatch := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(dispatch.String(), func(t *testing.T) {
			cqs := []hwcq.CQ{newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})}
			e := newTestEngine(t, Config{})
			d, err := e.NewEVD(EVDConfig{CQs: cqs, Streams: DTO | Software, Dispatch: dispatch, Mode: ModeEvent})
			require.NoError(t, err)
			wc := hwcq.WC{
				WRID: 1, Status: hwcq.StatusRNRRetryExcErr, Opcode: 3, VendorErr: 4, ByteLen: 5,
				Imm: 6, QPNum: 7, SrcQP: 8, Flags: hwcq.FlagWithImm,
			}
			complete(t, cqs[1].(*mock.CQ), wc)
			got := make([]Event, 1)
			waitFor(t, func() bool { n, _ := d.Dequeue(got); return n == 1 })
			require.Equal(t, Event{
				WRID: 1, Stream: DTO, CQ: 1, Number: DTOCompletion, Status: wc.Status, Opcode: 3, VendorErr: 4,
				ByteLen: 5, Imm: 6, Flags: wc.Flags, QPNum: 7, SrcQP: 8, EVD: d.ID(),
			}, got[0])

			sent := Event{WRID: 9, Stream: DTO, CQ: 3, Status: 2, ByteLen: 5, QPNum: 7, EVD: 99}
			require.NoError(t, d.Post(sent))
			sent.Stream, sent.Number, sent.EVD = Software, SoftwareEvent, d.ID()
			n, err := d.Dequeue(got)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, sent, got[0])

			sent.Number = 0x10077
			require.NoError(t, d.Post(sent))
			_, err = d.Dequeue(got)
			require.NoError(t, err)
			require.Equal(t, sent, got[0], "a poster's own number is kept")
		})
	}
}

// Of several CQs none is served twice while another waits.
func TestCQsTakeTurns(t *testing.T) {
	a, b := newTestCQ(t, mock.Config{}), newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{a, b}})
	require.NoError(t, err)
	for i := range 3 {
		complete(t, a, hwcq.WC{WRID: uint64(i)})
		complete(t, b, hwcq.WC{WRID: uint64(i)})
	}
	var order []uint16
	ev := make([]Event, 1)
	waitFor(t, func() bool {
		if n, _ := d.Dequeue(ev); n == 1 {
			order = append(order, ev[0].CQ)
		}
		return len(order) == 6
	})
	for i := 1; i < len(order); i++ {
		require.NotEqual(t, order[i-1], order[i], "%v", order)
	}
}

// A worker gives the rest to a queued run when its budget is used up.
func TestBudgetHandsOver(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	running, gate := make(chan bool, 1), make(chan bool)
	n := 0
	d, err := e.NewEVD(EVDConfig{
		Policy: SingleInstance, Batch: 1, Budget: 2,
		Upcall: func(*Upcall) {
			if n++; n == 1 {
				running <- true
				<-gate
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	<-running
	for range 5 {
		require.NoError(t, d.Post(Event{}))
	}
	close(gate)
	waitFor(t, func() bool { return d.load().run() == 0 && d.load()&bQUED == 0 })
	require.EqualValues(t, 6, d.Stats().Delivered)
	require.EqualValues(t, 3, d.Stats().HandOvers, "after every second event")
}

// A slot that a producer has reserved and not committed is neither an event
// nor nothing.
func TestInFlightIsNotEmpty(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	c, st := d.ring.ReserveUpTo(1)
	require.Equal(t, ring.OK, st)
	ev := make([]Event, 1)
	n, err := d.Dequeue(ev)
	require.Zero(t, n)
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, Same), ErrEventsPending)
	*d.ring.Slot(c, 0) = Event{WRID: 5}
	d.ring.Commit(c)
	n, err = d.Dequeue(ev)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = d.Dequeue(ev)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, d.ModifyUpcall(SingleInstance, Same))
}

// An event that finds the CQ empty is counted as spurious.
func TestSpuriousEventIsCounted(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Faults: mock.Faults{DuplicateEvent: mock.Always()}})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Upcall: func(*Upcall) {}})
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Arms == 1 })
	complete(t, cq, hwcq.WC{})
	waitFor(t, func() bool { return d.Stats().Events == 2 })
	waitFor(t, func() bool { return d.Stats().Spurious == 1 })
	require.EqualValues(t, 1, d.Stats().Delivered)
}

func complete(t testing.TB, cq *mock.CQ, wc hwcq.WC) {
	t.Helper()
	ok, err := cq.Complete(wc, false)
	require.NoError(t, err)
	require.True(t, ok)
}

// A poller that cannot arm tries again less and less often.
func TestBackOffGrows(t *testing.T) {
	p := &poller{delay: retryFirst}
	p.backOff()
	require.Equal(t, 2*retryFirst, p.delay)
	p.delay = retryMost
	p.backOff()
	require.Equal(t, retryMost, p.delay)
}
