//go:build linux && (amd64 || arm64)

package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// verbsRig is a device whose completions all become events of one EVD.
type verbsRig struct {
	t      *testing.T
	cq     *rxe.CQ
	pd     *rxe.PD
	mr     *rxe.MR
	events chan engine.Event
}

const verbsRights = rxe.RemoteWrite | rxe.RemoteRead | rxe.RemoteAtomic

// newVerbsRig leaves what it opened on the device to the device's Close.
func newVerbsRig(t *testing.T, d *rxe.Device) *verbsRig {
	r := &verbsRig{t: t, events: make(chan engine.Event, 100)}
	var err error
	r.cq, err = d.OpenCQ(rxe.CQConfig{})
	require.NoError(t, err)
	r.pd, err = d.OpenPD()
	require.NoError(t, err)
	buf, err := rxe.OpenBuffer(16 << 10)
	require.NoError(t, err)
	r.mr, err = r.pd.Reg(buf, rxe.LocalWrite|verbsRights|rxe.BindMW)
	require.NoError(t, err)
	e, err := engine.New(engine.Config{})
	require.NoError(t, err)
	_, err = e.NewEVD(engine.EVDConfig{
		Streams: engine.DTO | engine.Bind, CQs: []hwcq.CQ{r.cq}, Policy: engine.SingleInstance,
		Upcall: func(u *engine.Upcall) {
			for _, ev := range u.Events() {
				r.events <- ev
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return r
}

func (r *verbsRig) qp(c rxe.QPConfig) *rxe.QP {
	r.t.Helper()
	c.SendCQ, c.SignalAll = r.cq, true
	q, err := r.pd.OpenQP(c)
	require.NoError(r.t, err)
	return q
}

func (r *verbsRig) recv(q *rxe.QP, id uint64, n int) {
	r.t.Helper()
	require.NoError(r.t, q.PostRecv(&rxe.RecvWR{WRID: id, SGL: []rxe.SGE{r.mr.SGE(8192, n)}}))
}

// do posts wr on q and returns its event and, with one received, the peer's.
func (r *verbsRig) do(q *rxe.QP, wr rxe.SendWR, received bool) (own, peer engine.Event) {
	r.t.Helper()
	require.NoError(r.t, q.PostSend(&wr))
	n := 1
	if received {
		n = 2
	}
	for range n {
		var ev engine.Event
		semUntil(r.t, func() bool {
			select {
			case ev = <-r.events:
				return true
			default:
				return false
			}
		})
		require.Equal(r.t, hwcq.StatusSuccess, ev.Status, "%s: %+v", wr.Op, ev)
		if ev.QPNum == q.Num() {
			own = ev
		} else {
			peer = ev
		}
	}
	require.Equal(r.t, wr.WRID, own.WRID)
	return own, peer
}

// Every verb of soft-RoCE comes out of the engine as an event that says what it
// was, how long, and with what immediate data.
func TestVerbsRXE(t *testing.T) {
	d := semRXE(t)
	r := newVerbsRig(t, d)
	a, b := r.qp(rxe.QPConfig{Remote: verbsRights}), r.qp(rxe.QPConfig{Remote: verbsRights})
	require.NoError(t, rxe.ConnectPair(a, b, rxe.ConnectConfig{}))
	mw, err := r.pd.OpenMW()
	require.NoError(t, err)
	far := rxe.SendWR{SGL: []rxe.SGE{r.mr.SGE(0, 8)}, RemoteAddr: r.mr.Addr() + 4096, RKey: r.mr.RKey(), Imm: 0x01020304}
	for i, c := range []struct {
		op   rxe.SendOp
		own  hwcq.Opcode
		peer hwcq.Opcode // 0: none
		imm  bool
	}{
		{rxe.OpSend, hwcq.OpSend, hwcq.OpRecv, false},
		{rxe.OpSendImm, hwcq.OpSend, hwcq.OpRecv, true},
		{rxe.OpWrite, hwcq.OpRDMAWrite, 0, false},
		{rxe.OpWriteImm, hwcq.OpRDMAWrite, hwcq.OpRecvRDMAWrite, true},
		{rxe.OpRead, hwcq.OpRDMARead, 0, false},
		{rxe.OpFetchAdd, hwcq.OpFetchAdd, 0, false},
		{rxe.OpCompareSwap, hwcq.OpCompSwap, 0, false},
	} {
		wr := far
		wr.WRID, wr.Op = uint64(i), c.op
		if c.peer != 0 {
			r.recv(b, uint64(100+i), 64)
		}
		own, peer := r.do(a, wr, c.peer != 0)
		require.Equal(t, engine.DTO, own.Stream)
		require.Equal(t, c.own, own.Opcode, c.op)
		require.EqualValues(t, 8, own.ByteLen, c.op)
		if c.peer == 0 {
			continue
		}
		require.Equal(t, c.peer, peer.Opcode, c.op)
		require.EqualValues(t, 100+i, peer.WRID)
		require.EqualValues(t, 8, peer.ByteLen, c.op)
		require.Equal(t, c.imm, peer.Flags&hwcq.FlagWithImm != 0, c.op)
		if c.imm {
			require.EqualValues(t, 0x01020304, peer.Imm)
		}
	}

	// Memory windows: binds are of a stream of their own.
	bind := rxe.SendWR{WRID: 50, Op: rxe.OpBindMW, Bind: &rxe.Bind{MW: mw, MR: r.mr, Addr: r.mr.Addr(), Length: 64, Access: rxe.RemoteWrite}}
	own, _ := r.do(b, bind, false)
	require.Equal(t, engine.Bind, own.Stream)
	require.Equal(t, hwcq.OpBindMW, own.Opcode)
	r.recv(b, 51, 64)
	_, peer := r.do(a, rxe.SendWR{WRID: 52, Op: rxe.OpSendInv, Invalidate: mw.RKey()}, true)
	require.NotZero(t, peer.Flags&hwcq.FlagWithInvalid)
	require.Equal(t, mw.RKey(), peer.Imm)
	r.do(b, bind, false)
	own, _ = r.do(b, rxe.SendWR{WRID: 53, Op: rxe.OpLocalInv, Invalidate: mw.RKey()}, false)
	require.Equal(t, hwcq.OpLocalInv, own.Opcode)
	require.Equal(t, engine.DTO, own.Stream)

	// Unreliable connections and datagrams, the latter into an SRQ.
	a, b = r.qp(rxe.QPConfig{Type: rxe.UC}), r.qp(rxe.QPConfig{Type: rxe.UC})
	require.NoError(t, rxe.ConnectPair(a, b, rxe.ConnectConfig{}))
	r.recv(b, 60, 64)
	_, peer = r.do(a, rxe.SendWR{WRID: 61, Op: rxe.OpSendImm, Imm: 5, SGL: far.SGL}, true)
	require.EqualValues(t, 5, peer.Imm)

	srq, err := r.pd.OpenSRQ(rxe.SRQConfig{})
	require.NoError(t, err)
	a, b = r.qp(rxe.QPConfig{Type: rxe.UD}), r.qp(rxe.QPConfig{Type: rxe.UD, SRQ: srq})
	require.NoError(t, a.Connect(rxe.Dest{}, rxe.ConnectConfig{}))
	require.NoError(t, b.Connect(rxe.Dest{}, rxe.ConnectConfig{}))
	g, err := d.DefaultGID()
	require.NoError(t, err)
	ah, err := r.pd.OpenAH(rxe.AHConfig{Remote: g.GID})
	require.NoError(t, err)
	require.NoError(t, srq.PostRecv(&rxe.RecvWR{WRID: 70, SGL: []rxe.SGE{r.mr.SGE(8192, 64)}}))
	_, peer = r.do(a, rxe.SendWR{WRID: 71, Op: rxe.OpSendImm, Imm: 6, SGL: far.SGL, AH: ah, RemoteQPN: b.Num(), RemoteQKey: rxe.DefaultQKey}, true)
	require.EqualValues(t, 70, peer.WRID)
	require.EqualValues(t, rxe.GRHLen+8, peer.ByteLen)
	require.EqualValues(t, 6, peer.Imm)
	require.Equal(t, a.Num(), peer.SrcQP)
	require.Equal(t, hwcq.FlagGRH|hwcq.FlagWithImm, peer.Flags)
}
