//go:build linux && (amd64 || arm64)

package rxe

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// Every work completion status that rxe raises, provoked; the table of
// docs/FAULTS.md. Statuses that it never raises are listed there.

// statusCase is one way to fail a request. The failing one, and the receive at
// the peer if that fails, has WRID 1; what else is posted has others.
type statusCase struct {
	name    string
	a, b    endConfig // requester, responder
	cc      ConnectConfig
	provoke func(t *testing.T, a, b *end)
	// What the requester's and the responder's WRID 1 complete with; none: no
	// such completion. The second pair is for kernel 6.1, if it differs.
	req, resp     hwcq.Status
	req61, resp61 hwcq.Status
	reqUp, respUp bool // the QP goes on
}

// none is no status of the kernel's.
const none = ^hwcq.Status(0)

func post(t *testing.T, e *end, wr SendWR) {
	t.Helper()
	wr.WRID = 1
	require.NoError(t, e.qp.PostSend(&wr))
}

// remote is access for the peer.
func remote(a Access) endConfig { return endConfig{qp: QPConfig{Remote: a}} }

var statusCases = []statusCase{
	{
		name: "flushed send", req: hwcq.StatusWRFlushErr, resp: none, respUp: true,
		provoke: func(t *testing.T, a, _ *end) {
			require.NoError(t, a.qp.SetError())
			post(t, a, SendWR{Op: OpSend})
		},
	},
	{
		name: "flushed receive", req: none, reqUp: true, resp: hwcq.StatusWRFlushErr,
		provoke: func(t *testing.T, _, b *end) {
			b.recv(t, 1, 64)
			require.NoError(t, b.qp.SetError())
		},
	},
	{
		name: "invalidates no window of its own", resp: none, respUp: true,
		req: hwcq.StatusWRFlushErr, req61: hwcq.StatusLocQPOpErr,
		provoke: func(t *testing.T, a, _ *end) { post(t, a, SendWR{Op: OpLocalInv, Invalidate: 0xdeadbe01}) },
	},
	{
		name: "sends from memory of nobody", resp: none, respUp: true,
		req: hwcq.StatusWRFlushErr, req61: hwcq.StatusLocQPOpErr,
		provoke: func(t *testing.T, a, _ *end) {
			post(t, a, SendWR{Op: OpSend, SGL: []SGE{{Addr: a.mr.Addr(), Length: 8, LKey: a.mr.LKey() ^ 0xff00}}})
		},
	},
	{
		name: "sends from beyond its memory", resp: none, respUp: true,
		req: hwcq.StatusWRFlushErr, req61: hwcq.StatusLocProtErr,
		provoke: func(t *testing.T, a, _ *end) {
			post(t, a, SendWR{Op: OpSend, SGL: []SGE{a.mr.SGE(a.mr.Len()-4, 8)}})
		},
	},
	{
		name: "binds a window to memory that forbids it", resp: none, respUp: true,
		req: hwcq.StatusWRFlushErr, req61: hwcq.StatusMWBindErr,
		provoke: func(t *testing.T, a, _ *end) {
			mw, err := a.pd.OpenMW()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, mw.Close()) })
			post(t, a, SendWR{Op: OpBindMW, Bind: &Bind{MW: mw, MR: reg(t, a, LocalWrite), Addr: a.mr.Addr(), Length: 8, Access: RemoteRead}})
		},
	},
	{
		name: "reads into memory that is read only", resp: none, b: remote(allRemote), respUp: true,
		req: hwcq.StatusLocProtErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpRead, SGL: []SGE{reg(t, a, RemoteRead).SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey()})
		},
	},
	{
		name: "adds, with the answer into memory that is read only", resp: none, b: remote(allRemote), respUp: true,
		req: hwcq.StatusLocProtErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpFetchAdd, SGL: []SGE{reg(t, a, RemoteRead).SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey()})
		},
	},
	{
		name: "writes, which the QP forbids", resp: none,
		req: hwcq.StatusRemInvReqErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpWrite, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey()})
		},
	},
	{
		name: "reads, for which there are no resources", resp: none, b: remote(allRemote),
		cc: ConnectConfig{MaxDestRDAtomic: -1}, req: hwcq.StatusRemInvReqErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpRead, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey()})
		},
	},
	{
		name: "writes to memory of nobody", resp: none, b: remote(allRemote), req: hwcq.StatusRemAccessErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpWrite, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey() ^ 0xff})
		},
	},
	{
		name: "writes beyond the memory", resp: none, b: remote(allRemote), req: hwcq.StatusRemAccessErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpWrite, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr() + uint64(b.mr.Len()) - 4, RKey: b.mr.RKey()})
		},
	},
	{
		name: "reads memory that forbids it", resp: none, b: remote(allRemote), req: hwcq.StatusRemAccessErr,
		provoke: func(t *testing.T, a, b *end) {
			post(t, a, SendWR{Op: OpRead, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: reg(t, b, LocalWrite|RemoteWrite).RKey()})
		},
	},
	{
		name: "sends more than the receive takes", req: hwcq.StatusRemOpErr, resp: hwcq.StatusLocQPOpErr,
		provoke: func(t *testing.T, a, b *end) {
			b.recv(t, 1, 8)
			post(t, a, SendWR{Op: OpSend, SGL: []SGE{a.mr.SGE(0, 16)}})
		},
	},
	{
		name: "sends into memory of nobody", req: hwcq.StatusRemOpErr, resp: hwcq.StatusLocQPOpErr,
		provoke: func(t *testing.T, a, b *end) {
			require.NoError(t, b.qp.PostRecv(&RecvWR{WRID: 1, SGL: []SGE{{Addr: b.mr.Addr(), Length: 64, LKey: b.mr.LKey() ^ 0xff00}}}))
			post(t, a, SendWR{Op: OpSend, SGL: []SGE{a.mr.SGE(0, 16)}})
		},
	},
	{
		name: "invalidates no window of the peer", req: none, reqUp: true, resp: hwcq.StatusRemInvReqErr,
		provoke: func(t *testing.T, a, b *end) {
			b.recv(t, 1, 64)
			post(t, a, SendWR{Op: OpSendInv, Invalidate: 0xdeadbe01})
		},
	},
	{
		name: "no receive is posted", resp: none, respUp: true, cc: ConnectConfig{RNRRetries: -1}, req: hwcq.StatusRNRRetryExcErr,
		provoke: func(t *testing.T, a, _ *end) { post(t, a, SendWR{Op: OpSend}) },
	},
	{
		name: "the peer is gone", resp: none, cc: ConnectConfig{Retries: 2, AckTimeout: 4 * time.Millisecond}, req: hwcq.StatusRetryExcErr,
		provoke: func(t *testing.T, a, b *end) {
			require.NoError(t, b.qp.SetError())
			post(t, a, SendWR{Op: OpSend})
		},
	},
	{
		name: "UC writes, with a receive from an SRQ, to memory of nobody", req: hwcq.StatusSuccess, reqUp: true,
		a: endConfig{qp: QPConfig{Type: UC}}, b: endConfig{qp: QPConfig{Type: UC, Remote: RemoteWrite}, srq: true},
		resp: hwcq.StatusRemAccessErr, respUp: true,
		provoke: func(t *testing.T, a, b *end) {
			require.NoError(t, b.srq.PostRecv(&RecvWR{WRID: 1}))
			post(t, a, SendWR{Op: OpWriteImm, Flags: Signaled, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey() ^ 0xff})
		},
	},
	{
		name: "UC sends more than a receive from an SRQ takes", req: hwcq.StatusSuccess, reqUp: true,
		a: endConfig{qp: QPConfig{Type: UC}}, b: endConfig{qp: QPConfig{Type: UC}, srq: true},
		resp: hwcq.StatusLocQPOpErr,
		provoke: func(t *testing.T, a, b *end) {
			require.NoError(t, b.srq.PostRecv(&RecvWR{WRID: 1, SGL: []SGE{b.mr.SGE(0, 8)}}))
			post(t, a, SendWR{Op: OpSend, Flags: Signaled, SGL: []SGE{a.mr.SGE(0, 16)}})
		},
	},
}

// reg registers e's memory once more.
func reg(t *testing.T, e *end, access Access) *MR {
	t.Helper()
	mr, err := e.pd.Reg(e.buf, access)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mr.Close()) })
	return mr
}

// pair makes the case's two ends.
func (c *statusCase) pair(t *testing.T, d *Device) (a, b *end) {
	t.Helper()
	ca, cb := c.a, c.b
	ca.cq.Wait, cb.cq.Wait = WaitPoll, WaitPoll // quicker to open
	a, b = newEnd(t, d, ca), newEnd(t, d, cb)
	require.NoError(t, ConnectPair(a.qp, b.qp, c.cc))
	return a, b
}

// want is what the kernel that runs makes of the case.
func (c *statusCase) want(t *testing.T) (req, resp hwcq.Status) {
	req, resp = c.req, c.resp
	if kernel61(t) {
		if c.req61 != 0 {
			req = c.req61
		}
		if c.resp61 != 0 {
			resp = c.resp61
		}
	}
	return req, resp
}

// settled is an end's QP in the state that the case leaves it in.
func settled(t *testing.T, e *end, up bool) {
	t.Helper()
	want := StateErr
	if up {
		want = StateRTS
	}
	require.Eventually(t, func() bool {
		at, err := e.qp.Query()
		return err == nil && at.State == want
	}, patience, time.Millisecond, "the QP never is in %s", want)
}

// What the consumer of the CQ sees.
func TestRXEStatus(t *testing.T) {
	d, events := asyncRXE(t)
	for _, c := range statusCases {
		t.Run(c.name, func(t *testing.T) {
			a, b := c.pair(t, d)
			req, resp := c.want(t)
			c.provoke(t, a, b)
			for _, side := range []struct {
				e    *end
				want hwcq.Status
				up   bool
			}{{a, req, c.reqUp}, {b, resp, c.respUp}} {
				if side.want != none {
					wc := side.e.expect(t, 1)[0]
					require.Equal(t, side.want, wc.Status)
					require.EqualValues(t, 1, wc.WRID)
					require.Equal(t, side.e.qp.Num(), wc.QPNum)
				}
				settled(t, side.e, side.up)
			}
			require.False(t, a.cq.Pending() || b.cq.Pending(), "once")
			if c.b.srq && !c.respUp && !kernel61(t) {
				require.Equal(t, AsyncLastWQE, nextAsync(t, events).Type)
			}
			require.Empty(t, events, "no asynchronous event")
		})
	}
}

// What the engine makes of it: the completion is delivered, and a connection that
// it breaks is told broken, once, whatever is flushed afterwards.
func TestRXEStatusThroughEngine(t *testing.T) {
	d := needRXE(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	e, err := engine.New(engine.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	for _, c := range statusCases {
		t.Run(c.name, func(t *testing.T) {
			a, b := c.pair(t, d)
			ea, eb := newWatched(t, e, a), newWatched(t, e, b)
			req, resp := c.want(t)
			c.provoke(t, a, b)
			sides := []struct {
				w    *watched
				want hwcq.Status
			}{{ea, req}, {eb, resp}}
			for _, side := range sides { // both, before either is put in error
				if side.want != none {
					ev := side.w.next(ctx, t)
					require.Equal(t, side.want, ev.Status)
					require.EqualValues(t, 1, ev.WRID)
				}
			}
			for _, side := range sides {
				last := engine.Disconnected
				if side.want != none && side.want != hwcq.StatusSuccess && side.want != hwcq.StatusWRFlushErr {
					last = engine.Broken
				}
				require.NoError(t, side.w.end.qp.SetError())
				for i := range uint64(3) {
					require.NoError(t, side.w.end.qp.PostSend(&SendWR{WRID: 100 + i, Op: OpSend}))
					ev := side.w.next(ctx, t)
					if i == 0 && ev.WRID == 1 && side.want == none {
						// Not signalled, and its acknowledgement was still on its way.
						require.Equal(t, hwcq.StatusWRFlushErr, ev.Status)
						ev = side.w.next(ctx, t)
					}
					require.Equal(t, hwcq.StatusWRFlushErr, ev.Status)
					require.EqualValues(t, 100+i, ev.WRID)
				}
				require.Equal(t, last == engine.Disconnected, side.w.ep.Disconnected())
				require.Equal(t, []engine.EventNumber{engine.Established, last}, side.w.connection(ctx, t))
			}
		})
	}
}

// watched is an end whose CQ an engine serves.
type watched struct {
	*end
	d, conn *engine.EVD
	ep      *engine.Endpoint
}

func newWatched(t *testing.T, e *engine.Engine, of *end) *watched {
	t.Helper()
	w := &watched{end: of}
	var err error
	w.d, err = e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{of.cq}})
	require.NoError(t, err)
	w.conn, err = e.NewEVD(engine.EVDConfig{Streams: engine.Connection, Capacity: 8})
	require.NoError(t, err)
	w.ep, err = e.NewEndpoint(engine.EndpointConfig{QPNum: of.qp.Num(), Recv: w.d, Request: w.d, Connect: w.conn})
	require.NoError(t, err)
	require.True(t, w.ep.Established())
	t.Cleanup(func() {
		require.NoError(t, w.ep.Close())
		require.NoError(t, w.d.Close())
		require.NoError(t, w.conn.Close())
	})
	return w
}

// next waits for a completion.
func (w *watched) next(ctx context.Context, t *testing.T) engine.Event {
	t.Helper()
	var ev [1]engine.Event
	_, _, err := w.d.Wait(ctx, 1, ev[:])
	require.NoError(t, err)
	return ev[0]
}

// connection waits for the end of the connection and returns its events.
func (w *watched) connection(ctx context.Context, t *testing.T) (got []engine.EventNumber) {
	t.Helper()
	var evs [8]engine.Event
	for len(got) < 2 {
		n, _, err := w.conn.Wait(ctx, 1, evs[:])
		require.NoError(t, err)
		for _, ev := range evs[:n] {
			got = append(got, ev.Number)
		}
	}
	n, err := w.conn.Dequeue(evs[:])
	require.NoError(t, err)
	require.Zero(t, n)
	return got
}
