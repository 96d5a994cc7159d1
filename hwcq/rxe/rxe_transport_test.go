//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func TestRXEUC(t *testing.T) {
	d := needRXE(t)
	c := endConfig{qp: QPConfig{Type: UC, Remote: RemoteWrite, Inline: 32}, mem: 64 << 10}
	a, b := newPair(t, d, c, ConnectConfig{})
	require.Equal(t, UC, a.qp.Transport())
	src, dst := a.buf.Bytes(), b.buf.Bytes()
	for i := range src {
		src[i] = byte(i * 7)
	}
	// Larger than a packet.
	b.recv(t, 1, 9000)
	a.ok(t, SendWR{WRID: 2, Op: OpSendImm, Imm: 77, SGL: []SGE{a.mr.SGE(0, 9000)}}, hwcq.OpSend)
	wc := b.expect(t, 1)[0]
	require.Equal(t, hwcq.StatusSuccess, wc.Status)
	require.EqualValues(t, 77, wc.Imm)
	require.EqualValues(t, 9000, wc.ByteLen)
	require.Equal(t, src[:9000], dst[:9000])

	b.recv(t, 3, 0)
	a.ok(t, SendWR{WRID: 4, Op: OpWriteImm, Imm: 78, SGL: []SGE{a.mr.SGE(100, 5000)}, RemoteAddr: b.mr.Addr() + 20000, RKey: b.mr.RKey()}, hwcq.OpRDMAWrite)
	wc = b.expect(t, 1)[0]
	require.Equal(t, hwcq.OpRecvRDMAWrite, wc.Opcode)
	require.EqualValues(t, 78, wc.Imm)
	require.Equal(t, src[100:5100], dst[20000:25000])

	// What finds no receive vanishes, and the sender does not learn it. What
	// comes after arrives.
	a.ok(t, SendWR{WRID: 5, Op: OpSend, SGL: []SGE{a.mr.SGE(0, 8)}}, hwcq.OpSend)
	at, err := b.qp.Query()
	require.NoError(t, err)
	require.Equal(t, StateRTS, at.State)
	b.recv(t, 6, 64)
	for !b.cq.Pending() { // the message before may still be on its way
		a.ok(t, SendWR{WRID: 7, Op: OpSend, Flags: Inline, InlineData: []byte("later")}, hwcq.OpSend)
	}
	require.EqualValues(t, 6, b.expect(t, 1)[0].WRID)
}

// udEnd is a UD QP ready to send, and a handle of its own address, which is
// that of all QPs of the device.
func newUDEnd(t testing.TB, d *Device, c QPConfig) (*end, *AH) {
	t.Helper()
	c.Type = UD
	e := newEnd(t, d, endConfig{qp: c, mem: 64 << 10})
	require.NoError(t, e.qp.Connect(Dest{}, ConnectConfig{}))
	g, err := d.DefaultGID()
	require.NoError(t, err)
	ah, err := e.pd.OpenAH(AHConfig{Remote: g.GID})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ah.Close()) })
	return e, ah
}

func TestRXEUD(t *testing.T) {
	d := needRXE(t)
	a, ah := newUDEnd(t, d, QPConfig{Inline: 64})
	b, _ := newUDEnd(t, d, QPConfig{QKey: 0x2222})
	port, err := d.QueryPort()
	require.NoError(t, err)
	mtu := port.ActiveMTU
	src, dst := a.buf.Bytes(), b.buf.Bytes()
	for i := range src {
		src[i] = byte(i * 7)
	}
	to := SendWR{WRID: 1, Op: OpSendImm, Imm: 0x11223344, AH: ah, RemoteQPN: b.qp.Num(), RemoteQKey: 0x2222}

	for _, n := range []int{0, 1, 1000, mtu} {
		b.recv(t, 2, GRHLen+n)
		wr := to
		wr.SGL = []SGE{a.mr.SGE(0, n)}
		a.ok(t, wr, hwcq.OpSend)
		wc := b.expect(t, 1)[0]
		require.Equal(t, hwcq.StatusSuccess, wc.Status)
		require.Equal(t, hwcq.OpRecv, wc.Opcode)
		require.EqualValues(t, GRHLen+n, wc.ByteLen)
		require.Equal(t, a.qp.Num(), wc.SrcQP)
		require.Equal(t, hwcq.FlagGRH|hwcq.FlagWithImm, wc.Flags)
		require.EqualValues(t, 0x11223344, wc.Imm)
		require.Equal(t, src[:n], dst[GRHLen:GRHLen+n])
		g, err := d.DefaultGID()
		require.NoError(t, err)
		require.Equal(t, g.GID, GRHSource(dst))
	}
	long := to
	long.SGL = []SGE{a.mr.SGE(0, mtu+1)}
	require.ErrorIs(t, a.qp.PostSend(&long), param.ErrInvalid)

	say := func(text string, f func(*SendWR)) {
		wr := to
		wr.Flags, wr.InlineData = Inline, []byte(text)
		f(&wr)
		a.ok(t, wr, hwcq.OpSend)
	}
	heard := func() string { return string(dst[GRHLen:b.expect(t, 1)[0].ByteLen]) }
	good := func(*SendWR) {}
	// Dropped, and the sender does not learn it: another Q_Key, no such QP.
	b.recv(t, 3, 1000)
	say("Q_Key", func(w *SendWR) { w.RemoteQKey = 0x2223 })
	say("no QP", func(w *SendWR) { w.RemoteQPN = 0xfffffe })
	say("good", good)
	require.Equal(t, "good", heard())
	require.False(t, b.cq.Pending())
	// No receive: likewise, unless it is still on its way when there is one.
	say("no receive", good)
	for text := ""; text != "good"; {
		b.recv(t, 3, 1000)
		say("good", good)
		text = heard()
		require.Contains(t, []string{"no receive", "good"}, text)
	}

	// An answer to whoever it was.
	back, err := b.pd.OpenAH(AHConfig{Remote: GRHSource(dst), TrafficClass: 0x20, FlowLabel: 5})
	require.NoError(t, err)
	a.recv(t, 4, 1000)
	b.ok(t, SendWR{Op: OpSend, AH: back, RemoteQPN: a.qp.Num(), RemoteQKey: DefaultQKey}, hwcq.OpSend)
	require.EqualValues(t, GRHLen, a.expect(t, 1)[0].ByteLen)
	grh := a.buf.Bytes()[:GRHLen]
	require.EqualValues(t, 0x45, grh[20], "an IPv4 header")
	require.EqualValues(t, 0x20, grh[21], "TOS")
	require.NoError(t, back.Close())
	require.NoError(t, back.Close())

	at, err := b.qp.Query()
	require.NoError(t, err)
	require.Equal(t, StateRTS, at.State)
	require.EqualValues(t, 0x2222, at.QKey)

	// A handle that is gone.
	require.Contains(t, ownFault(hwcq.StatusLocQPOpErr), b.do(t, SendWR{Op: OpSend, AH: &AH{pd: b.pd, num: back.num}}).Status)
}

// Datagrams of two QPs into one SRQ, and the refusals of an AH.
func TestRXEUDWithSRQ(t *testing.T) {
	d := needRXE(t)
	a, ah := newUDEnd(t, d, QPConfig{Inline: 64})
	e := newEnd(t, d, endConfig{})
	srq, err := e.pd.OpenSRQ(SRQConfig{Limit: 1})
	require.NoError(t, err)
	var qps [2]*QP
	for i := range qps {
		qps[i], err = e.pd.OpenQP(QPConfig{Type: UD, SendCQ: e.cq, SRQ: srq})
		require.NoError(t, err)
		require.NoError(t, qps[i].Connect(Dest{}, ConnectConfig{}))
	}
	for i := range 10 {
		require.NoError(t, srq.PostRecv(&RecvWR{WRID: uint64(i), SGL: []SGE{e.mr.SGE(0, 100)}}))
		a.ok(t, SendWR{Op: OpSend, Flags: Inline, InlineData: []byte{1}, AH: ah, RemoteQPN: qps[i%2].Num(), RemoteQKey: DefaultQKey}, hwcq.OpSend)
		wc := e.expect(t, 1)[0]
		require.EqualValues(t, i, wc.WRID)
		require.Equal(t, qps[i%2].Num(), wc.QPNum)
	}
	for _, q := range qps {
		require.NoError(t, q.Close())
	}
	require.NoError(t, srq.Close())

	_, err = e.pd.OpenAH(AHConfig{})
	require.ErrorIs(t, err, param.ErrInvalid)
	other, err := e.pd.OpenAH(AHConfig{Remote: GID{10: 0xff, 11: 0xff, 12: 10, 13: 99, 14: 0, 15: 1}})
	require.NoError(t, err)
	require.ErrorIs(t, a.qp.PostSend(&SendWR{Op: OpSend, AH: other}), param.ErrInvalid, "of another PD")
	require.ErrorIs(t, e.pd.Close(), hwcq.ErrBusy)
	require.NoError(t, other.Close())
}
