//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

const allRemote = RemoteWrite | RemoteRead | RemoteAtomic

// do posts a signaled request and returns its completion.
func (e *end) do(t testing.TB, wr SendWR) hwcq.WC {
	t.Helper()
	wr.Flags |= Signaled
	require.NoError(t, e.qp.PostSend(&wr))
	wc := e.expect(t, 1)[0]
	require.Equal(t, wr.WRID, wc.WRID)
	require.Equal(t, e.qp.Num(), wc.QPNum)
	return wc
}

// ok is do for a request that must succeed.
func (e *end) ok(t testing.TB, wr SendWR, op hwcq.Opcode) hwcq.WC {
	t.Helper()
	wc := e.do(t, wr)
	require.Equal(t, hwcq.StatusSuccess, wc.Status, "%s: %+v", wr.Op, wc)
	require.Equal(t, op, wc.Opcode)
	return wc
}

// Every operation of a reliable connection, and what both ends see of it.
func TestRXEOps(t *testing.T) {
	d := needRXE(t)
	c := endConfig{qp: QPConfig{Inline: 64, Remote: allRemote, MaxSGE: 2}, mem: 64 << 10}
	a, b := newPair(t, d, c, ConnectConfig{MaxRDAtomic: 8, MaxDestRDAtomic: 8})
	src, dst := a.buf.Bytes(), b.buf.Bytes()
	for i := range src {
		src[i], dst[i] = byte(i*7), byte(i*13)
	}
	at := func(off int) uint64 { return b.mr.Addr() + uint64(off) }

	t.Run("send with immediate", func(t *testing.T) {
		b.recv(t, 1, 64)
		a.ok(t, SendWR{WRID: 2, Op: OpSendImm, Imm: 0x01020304, SGL: []SGE{a.mr.SGE(0, 16)}}, hwcq.OpSend)
		wc := b.expect(t, 1)[0]
		require.Equal(t, hwcq.OpRecv, wc.Opcode)
		require.NotZero(t, wc.Flags&hwcq.FlagWithImm)
		require.EqualValues(t, 0x01020304, wc.Imm)
		require.EqualValues(t, 16, wc.ByteLen)
	})
	t.Run("write with immediate", func(t *testing.T) {
		b.recv(t, 3, 64)
		a.ok(t, SendWR{WRID: 4, Op: OpWriteImm, Imm: 0xfffefdfc, SGL: []SGE{a.mr.SGE(0, 5000)}, RemoteAddr: at(20000), RKey: b.mr.RKey()}, hwcq.OpRDMAWrite)
		wc := b.expect(t, 1)[0]
		require.Equal(t, hwcq.OpRecvRDMAWrite, wc.Opcode)
		require.NotZero(t, wc.Flags&hwcq.FlagWithImm)
		require.EqualValues(t, 0xfffefdfc, wc.Imm)
		require.EqualValues(t, 5000, wc.ByteLen)
		require.EqualValues(t, 3, wc.WRID)
		require.Equal(t, src[:5000], dst[20000:25000])
	})
	t.Run("inline write", func(t *testing.T) {
		a.ok(t, SendWR{WRID: 5, Op: OpWrite, Flags: Inline, InlineData: []byte("inline"), RemoteAddr: at(100), RKey: b.mr.RKey()}, hwcq.OpRDMAWrite)
		require.Equal(t, "inline", string(dst[100:106]))
	})
	t.Run("read", func(t *testing.T) {
		wc := a.ok(t, SendWR{WRID: 6, Op: OpRead, SGL: []SGE{a.mr.SGE(1000, 3000), a.mr.SGE(8000, 2001)}, RemoteAddr: at(30001), RKey: b.mr.RKey()}, hwcq.OpRDMARead)
		require.EqualValues(t, 5001, wc.ByteLen)
		require.Equal(t, dst[30001:33001], src[1000:4000])
		require.Equal(t, dst[33001:35002], src[8000:10001])
	})
	t.Run("atomics", func(t *testing.T) {
		word, old := dst[4096:4104], src[16:24]
		le.PutUint64(word, 40)
		add := SendWR{WRID: 7, Op: OpFetchAdd, CompareAdd: 2, SGL: []SGE{a.mr.SGE(16, 8)}, RemoteAddr: at(4096), RKey: b.mr.RKey()}
		require.EqualValues(t, 8, a.ok(t, add, hwcq.OpFetchAdd).ByteLen)
		require.EqualValues(t, 40, le.Uint64(old))
		require.EqualValues(t, 42, le.Uint64(word))
		cas := add
		cas.Op, cas.CompareAdd, cas.Swap = OpCompareSwap, 41, 7
		a.ok(t, cas, hwcq.OpCompSwap)
		require.EqualValues(t, 42, le.Uint64(old))
		require.EqualValues(t, 42, le.Uint64(word), "another value: unchanged")
		cas.CompareAdd = 42
		a.ok(t, cas, hwcq.OpCompSwap)
		require.EqualValues(t, 42, le.Uint64(old))
		require.EqualValues(t, 7, le.Uint64(word))
	})
	t.Run("many reads and a fence", func(t *testing.T) {
		// More than may be outstanding; the last send waits for them all, and
		// carries what they brought.
		const reads = 20
		var wrs []SendWR
		for i := range reads {
			wrs = append(wrs, SendWR{WRID: uint64(i), Op: OpRead, SGL: []SGE{a.mr.SGE(40000+i*64, 64)}, RemoteAddr: at(50000 + i*64), RKey: b.mr.RKey()})
		}
		wrs = append(wrs, SendWR{WRID: reads, Op: OpSend, Flags: Signaled | Fence, SGL: []SGE{a.mr.SGE(40000, reads*64)}})
		require.NoError(t, b.qp.PostRecv(&RecvWR{WRID: 8, SGL: []SGE{b.mr.SGE(6000, reads*64)}}))
		n, err := a.qp.PostSends(wrs)
		require.NoError(t, err)
		require.Equal(t, reads+1, n)
		require.EqualValues(t, reads, a.expect(t, 1)[0].WRID)
		b.expect(t, 1)
		require.Equal(t, dst[50000:50000+reads*64], dst[6000:6000+reads*64])
	})
	at1, err := a.qp.Query()
	require.NoError(t, err)
	require.Equal(t, 8, at1.MaxRDAtomic)
	require.Equal(t, 8, at1.MaxDestRDAtomic)
	require.Equal(t, allRemote, at1.Access)
}

// Memory windows: bound, used, invalidated by either side, bound again.
func TestRXEMemoryWindows(t *testing.T) {
	d := needRXE(t)
	c := endConfig{qp: QPConfig{Remote: allRemote}}
	open := func(t *testing.T) (a, b *end, mw *MW) {
		a, b = newPair(t, d, c, ConnectConfig{})
		mw, err := b.pd.OpenMW()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, mw.Close()) })
		return a, b, mw
	}
	bind := func(b *end, mw *MW) SendWR {
		return SendWR{WRID: 1, Op: OpBindMW, Bind: &Bind{MW: mw, MR: b.mr, Addr: b.mr.Addr() + 512, Length: 256, Access: RemoteWrite}}
	}
	write := func(a, b *end, rkey uint32) SendWR {
		return SendWR{WRID: 2, Op: OpWrite, SGL: []SGE{a.mr.SGE(0, 256)}, RemoteAddr: b.mr.Addr() + 512, RKey: rkey}
	}
	t.Run("bind, write, invalidate, bind again", func(t *testing.T) {
		a, b, mw := open(t)
		first := mw.RKey()
		for range 3 {
			b.ok(t, bind(b, mw), hwcq.OpBindMW)
			require.NotEqual(t, first, mw.RKey())
			a.buf.Bytes()[0]++
			a.ok(t, write(a, b, mw.RKey()), hwcq.OpRDMAWrite)
			require.Equal(t, a.buf.Bytes()[0], b.buf.Bytes()[512])
			b.ok(t, SendWR{Op: OpLocalInv, Invalidate: mw.RKey()}, hwcq.OpLocalInv)
		}
		require.Equal(t, hwcq.StatusRemAccessErr, a.do(t, write(a, b, mw.RKey())).Status, "invalidated")
	})
	t.Run("invalidated by the peer", func(t *testing.T) {
		a, b, mw := open(t)
		b.ok(t, bind(b, mw), hwcq.OpBindMW)
		b.recv(t, 3, 64)
		a.ok(t, SendWR{WRID: 4, Op: OpSendInv, Invalidate: mw.RKey(), SGL: []SGE{a.mr.SGE(0, 8)}}, hwcq.OpSend)
		wc := b.expect(t, 1)[0]
		require.Equal(t, hwcq.OpRecv, wc.Opcode)
		require.NotZero(t, wc.Flags&hwcq.FlagWithInvalid)
		require.Equal(t, mw.RKey(), wc.Imm)
		require.Equal(t, hwcq.StatusRemAccessErr, a.do(t, write(a, b, mw.RKey())).Status)
	})
	t.Run("not what it was bound for", func(t *testing.T) {
		a, b, mw := open(t)
		b.ok(t, bind(b, mw), hwcq.OpBindMW)
		wr := write(a, b, mw.RKey())
		wr.Op = OpRead
		require.Equal(t, hwcq.StatusRemAccessErr, a.do(t, wr).Status)
	})
	t.Run("bound outside its region", func(t *testing.T) {
		_, b, mw := open(t)
		wr := bind(b, mw)
		wr.Bind.Addr += 1 << 20
		require.Contains(t, ownFault(hwcq.StatusMWBindErr), b.do(t, wr).Status)
	})
	t.Run("older than its QP", func(t *testing.T) {
		e := newEnd(t, d, c)
		mw, err := e.pd.OpenMW()
		require.NoError(t, err)
		qp, err := e.pd.OpenQP(QPConfig{SendCQ: e.cq})
		require.NoError(t, err)
		self, err := qp.Dest()
		require.NoError(t, err)
		require.NoError(t, qp.Connect(self, ConnectConfig{}))
		wr := bind(e, mw)
		require.ErrorContains(t, qp.PostSend(&wr), "opened after the QP")
		require.NoError(t, qp.Close())
		require.NoError(t, mw.Close())
	})
	t.Run("holds its QP and its region", func(t *testing.T) {
		_, b, mw := open(t)
		b.ok(t, bind(b, mw), hwcq.OpBindMW)
		require.ErrorIs(t, b.qp.Close(), hwcq.ErrBusy)
		require.Error(t, b.mr.Close())
		require.ErrorIs(t, b.pd.Close(), hwcq.ErrBusy)
		require.NoError(t, mw.Close())
		require.NoError(t, mw.Close())
		require.NoError(t, b.qp.Close())
		require.ErrorIs(t, b.qp.PostSend(&SendWR{Op: OpBindMW, Bind: &Bind{MW: mw, MR: b.mr, Addr: b.mr.Addr(), Length: 1}}), hwcq.ErrClosed)
	})
}

// ownFault is what a request that fails before it leaves may complete with:
// 6.1 says why; 6.12 has put the QP in error by then and says that it flushes.
func ownFault(s hwcq.Status) []hwcq.Status { return []hwcq.Status{s, hwcq.StatusWRFlushErr} }

// A peer that invalidates what is no window does no harm to itself, but ends
// the receiver's QP.
func TestRXEInvalidateNothing(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, ConnectConfig{})
	b.recv(t, 1, 64)
	b.recv(t, 2, 64)
	a.send(t, 3, 8, 0)
	require.Equal(t, hwcq.StatusSuccess, b.expect(t, 1)[0].Status)
	require.NoError(t, a.qp.PostSend(&SendWR{Op: OpSendInv, Invalidate: 0xdeadbe01}))
	wc := b.expect(t, 1)[0]
	require.EqualValues(t, 2, wc.WRID)
	require.Equal(t, hwcq.StatusRemInvReqErr, wc.Status)
}

// What a peer is not allowed fails on both sides, with the status of the kind.
func TestRXEOpsRefusedByPeer(t *testing.T) {
	d := needRXE(t)
	read := SendWR{WRID: 1, Op: OpRead}
	add := SendWR{WRID: 1, Op: OpFetchAdd}
	for name, c := range map[string]struct {
		wr     SendWR
		remote Access
		cc     ConnectConfig
		want   hwcq.Status
	}{
		"QP without RemoteRead":   {read, RemoteWrite | RemoteAtomic, ConnectConfig{}, hwcq.StatusRemInvReqErr},
		"QP without RemoteAtomic": {add, RemoteWrite | RemoteRead, ConnectConfig{}, hwcq.StatusRemInvReqErr},
		"QP without RemoteWrite":  {SendWR{WRID: 1, Op: OpWrite}, RemoteRead, ConnectConfig{}, hwcq.StatusRemInvReqErr},
		"no responder resources":  {read, allRemote, ConnectConfig{MaxDestRDAtomic: -1}, hwcq.StatusRemInvReqErr},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t, d, endConfig{qp: QPConfig{Remote: c.remote}}, c.cc)
			b.recv(t, 9, 64)
			wr := c.wr
			wr.SGL, wr.RemoteAddr, wr.RKey = []SGE{a.mr.SGE(0, 8)}, b.mr.Addr(), b.mr.RKey()
			require.Equal(t, c.want, a.do(t, wr).Status)
			at, err := a.qp.Query()
			require.NoError(t, err)
			require.Equal(t, StateErr, at.State)
		})
	}
}

// What the library refuses, rxe itself fails, with the QP: the refusal is
// worth it. Written past the check, into the ring.
func TestRXEWrongTransport(t *testing.T) {
	d := needRXE(t)
	for _, c := range []struct {
		tr Transport
		op SendOp
	}{{UC, OpRead}, {UC, OpFetchAdd}, {UC, OpSendInv}, {UD, OpWrite}, {UD, OpRead}} {
		t.Run(c.tr.String()+" "+c.op.String(), func(t *testing.T) {
			e := newEnd(t, d, endConfig{qp: QPConfig{Type: c.tr}})
			self, err := e.qp.Dest()
			require.NoError(t, err)
			require.NoError(t, e.qp.Connect(self, ConnectConfig{}))
			wr := SendWR{WRID: 7, Op: c.op, Flags: Signaled, SGL: []SGE{e.mr.SGE(0, 8)}, RemoteAddr: e.mr.Addr(), RKey: e.mr.RKey()}
			require.Error(t, e.qp.PostSend(&wr))
			p := &e.qp.send
			p.mu.Lock()
			p.ring.writeSend(p.next, &wr, 8, false)
			p.advance()
			p.publish()
			p.mu.Unlock()
			require.Zero(t, e.qp.doorbell())
			wc := e.expect(t, 1)[0]
			require.Contains(t, ownFault(hwcq.StatusLocQPOpErr), wc.Status)
			require.EqualValues(t, 7, wc.WRID)
		})
	}
}
