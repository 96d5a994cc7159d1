package engine

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// NewEVD checks every pair of streams against the matrix, and says which pair
// it refuses.
func TestMergeMatrix(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	for i, a := range streamNames {
		for j, b := range streamNames {
			require.Equal(t, merges[j][i], merges[i][j], "symmetric")
			require.Equal(t, merges[i][j], StreamsMerge(a.s, b.s))
			d, err := e.NewEVD(EVDConfig{Streams: a.s | b.s, Capacity: 1})
			if StreamsMerge(a.s, b.s) {
				require.NoError(t, err, "%v", a.s|b.s)
				require.NoError(t, d.Close())
				continue
			}
			require.ErrorIs(t, err, ErrMerge, "%v", a.s|b.s)
			requireInvalid(t, err, "Streams = "+(a.s|b.s).String())
			require.ErrorContains(t, err, "async")
		}
	}
	require.False(t, StreamsMerge(Software|DTO, Software), "one bit each")
	_, err := e.NewEVD(EVDConfig{Streams: 1 << 15})
	requireInvalid(t, err, "stream 0x8000")
	require.Equal(t, bits.OnesCount16(uint16(userStreams)), len(streamNames)-1)
	require.Equal(t, "software|cr|dto|connection|bind|async", (userStreams | Async).String())
	require.Equal(t, "none", Stream(0).String())
}

// Every number has a name.
func TestEventNumberNames(t *testing.T) {
	for n, name := range numberNames {
		require.Equal(t, name, n.String())
	}
	require.Equal(t, "event 0x9999", EventNumber(0x9999).String())
	for _, n := range alarmNumbers {
		require.Contains(t, numberNames, n)
	}
}

// Binds are told from transfers by the opcode, where there is one.
func TestBindStream(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	for streams, want := range map[Stream][]Stream{
		DTO | Bind: {Bind, DTO, DTO}, Bind: {Bind, Bind, Bind}, DTO: {DTO, DTO, DTO},
	} {
		d := stillEVD(t, cq, EVDConfig{Streams: streams})
		for _, wc := range []hwcq.WC{{Opcode: hwcq.OpBindMW}, {Opcode: hwcq.OpSend}, {Opcode: hwcq.OpBindMW, Status: hwcq.StatusMWBindErr}} {
			_, err := cq.Complete(wc, false)
			require.NoError(t, err)
		}
		buf := make([]Event, 3)
		n, err := d.Dequeue(buf)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		for i, ev := range buf {
			require.Equal(t, want[i], ev.Stream, "%v, completion %d", streams, i)
			require.Equal(t, want[i] == Bind, ev.Number == BindCompletion)
		}
	}
}

// The connection manager's own events.
func TestPostCM(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Streams: CR | Connection, Capacity: 2})
	require.ErrorIs(t, d.Post(Event{}), ErrStream)
	require.NoError(t, d.PostCM(Event{Stream: CR, Number: ConnectionRequest, WRID: 1}))
	require.NoError(t, d.PostCM(Event{Stream: Connection, Number: PeerRejected, WRID: 2}))
	require.ErrorIs(t, d.PostCM(Event{Stream: CR, Number: ConnectionRequest}), ErrFull)
	buf := make([]Event, 4)
	n, err := d.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, []Event{
		{Stream: CR, Number: ConnectionRequest, WRID: 1, EVD: d.ID()},
		{Stream: Connection, Number: PeerRejected, WRID: 2, EVD: d.ID()},
	}, buf[:n])
	n, err = d.e.Async().Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, EVDOverflow, buf[0].Number)
	require.Equal(t, d.ID(), buf[0].Source())

	requireInvalid(t, d.PostCM(Event{Stream: Software}), "Stream = software")
	requireInvalid(t, d.PostCM(Event{Stream: CR, Number: Established}), "Number = established")
	requireInvalid(t, d.PostCM(Event{Stream: Connection, Number: DTOCompletion}), "Number = dto_completion")
	require.ErrorIs(t, stillEVD(t, nil, EVDConfig{}).PostCM(Event{Stream: CR, Number: ConnectionRequest}), ErrStream)
	var none *EVD
	require.ErrorIs(t, none.PostCM(Event{Stream: CR}), ErrNilHandle)
}

// Endpoints know their EVDs, and their EVDs know them by number.
func TestEndpointRegistry(t *testing.T) {
	e := stillEngine(t)
	evd := func(s Stream) *EVD {
		d, err := e.NewEVD(EVDConfig{Streams: s, Capacity: 4})
		require.NoError(t, err)
		return d
	}
	dto, conn, soft := evd(DTO), evd(Connection), evd(Software)
	other, err := stillEngine(t).NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	for _, c := range []struct {
		cfg  EndpointConfig
		kind error
		want string
	}{
		{EndpointConfig{Connect: conn}, ErrNilHandle, "Recv, Request = nil"},
		{EndpointConfig{Recv: other}, ErrForeign, "Recv = "},
		{EndpointConfig{Request: soft}, ErrStream, "Request = "},
		{EndpointConfig{Recv: dto, Connect: dto}, ErrStream, "Connect = "},
	} {
		_, err := e.NewEndpoint(c.cfg)
		require.ErrorIs(t, err, c.kind)
		requireInvalid(t, err, c.want)
	}
	ep, err := e.NewEndpoint(EndpointConfig{QPNum: 5, Recv: dto, Request: dto, Connect: conn})
	require.NoError(t, err)
	require.EqualValues(t, 5, ep.QPNum())
	_, err = e.NewEndpoint(EndpointConfig{QPNum: 5, Request: dto})
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, ep.Close())
	require.NoError(t, ep.Close())
	require.False(t, ep.Established(), "closed")
	require.False(t, ep.Disconnected())
	ep, err = e.NewEndpoint(EndpointConfig{QPNum: 5, Request: dto})
	require.NoError(t, err)
	require.True(t, ep.Disconnected(), "without a connect EVD it goes nowhere")
	require.NoError(t, ep.Close())
	var none *Endpoint
	require.ErrorIs(t, none.Close(), ErrNilHandle)
	require.NoError(t, conn.Close())
	_, err = e.NewEndpoint(EndpointConfig{Recv: dto, Connect: conn})
	require.ErrorIs(t, err, ErrClosed)
}

// A completion that is left from an earlier queue pair of the same number does
// not break the new one, where cookies are tagged.
func TestR52StaleEndpoint(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Streams: DTO})
	conn, err := d.e.NewEVD(EVDConfig{Streams: Connection})
	require.NoError(t, err)
	cfg := EndpointConfig{QPNum: 5, Recv: d, Connect: conn, Tagged: true}
	old, err := d.e.NewEndpoint(cfg)
	require.NoError(t, err)
	stale := hwcq.WC{QPNum: 5, WRID: old.WRID(1), Status: hwcq.StatusRetryExcErr}
	require.NoError(t, old.Close())
	ep, err := d.e.NewEndpoint(cfg)
	require.NoError(t, err)
	require.True(t, ep.Established())
	_, err = cq.Complete(stale, false)
	require.NoError(t, err)
	require.Len(t, drainAll(t, d), 1, "it is delivered")
	require.True(t, ep.Connected())
	stale.WRID = ep.WRID(1)
	require.EqualValues(t, 1, uint32(stale.WRID))
	_, err = cq.Complete(stale, false)
	require.NoError(t, err)
	require.Len(t, drainAll(t, d), 1)
	require.False(t, ep.Connected())
	buf := make([]Event, 4)
	n, err := conn.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, Established, buf[0].Number)
	require.Equal(t, Broken, buf[1].Number)
}

// Through a pump too a bad completion breaks its connection, a flushed one does
// not.
func TestBrokenThroughPump(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Streams: DTO, Dispatch: DispatchQueued})
	conn, err := d.e.NewEVD(EVDConfig{Streams: Connection})
	require.NoError(t, err)
	ep, err := d.e.NewEndpoint(EndpointConfig{QPNum: 5, Request: d, Connect: conn})
	require.NoError(t, err)
	for _, st := range []hwcq.Status{hwcq.StatusWRFlushErr, hwcq.StatusLocLenErr, hwcq.StatusLocLenErr} {
		_, err := cq.Complete(hwcq.WC{QPNum: 5, Status: st}, false)
		require.NoError(t, err)
	}
	d.look()
	require.False(t, ep.Connected())
	require.Equal(t, 1, conn.Query().Pending)
	require.Len(t, drainAll(t, d), 3)
}

// Disconnected comes behind what was on the CQ before it, and a flood that comes
// after it does not keep it for ever.
func TestDisconnectedInItsPlace(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 4})
	d := stillEVD(t, cq, EVDConfig{Streams: DTO | Connection, Batch: 1})
	ep, err := d.e.NewEndpoint(EndpointConfig{QPNum: 5, Recv: d, Connect: d})
	require.NoError(t, err)
	for i := range uint64(4) {
		_, err := cq.Complete(hwcq.WC{QPNum: 5, WRID: i}, false)
		require.NoError(t, err)
	}
	require.True(t, ep.Disconnected())
	buf := make([]Event, 1)
	dtos := 0
	for {
		n, err := d.Dequeue(buf)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		if buf[0].Number == Disconnected {
			break
		}
		if buf[0].Number == DTOCompletion {
			dtos++
			_, _ = cq.Complete(hwcq.WC{QPNum: 6}, false) // the flood: never empty
		}
	}
	require.GreaterOrEqual(t, dtos, 4)
	require.LessOrEqual(t, dtos, 5)
}

// A flushed completion alone breaks nothing, on one EVD or two.
func TestFlushBreaksNothing(t *testing.T) {
	for _, streams := range []Stream{DTO, DTO | Connection} {
		cq := newTestCQ(t, mock.Config{})
		d := stillEVD(t, cq, EVDConfig{Streams: streams})
		cfg := EndpointConfig{QPNum: 5, Recv: d}
		if streams&Connection != 0 {
			cfg.Connect = d
		}
		ep, err := d.e.NewEndpoint(cfg)
		require.NoError(t, err)
		require.True(t, ep.Established())
		_, err = cq.Complete(hwcq.WC{QPNum: 5, Status: hwcq.StatusWRFlushErr}, false)
		require.NoError(t, err)
		drainAll(t, d)
		require.True(t, ep.Connected(), "%v", streams)
	}
}
