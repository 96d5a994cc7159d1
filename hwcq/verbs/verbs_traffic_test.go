//go:build verbs && cgo && linux

package verbs

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// eachInterface runs a test over both ways of polling.
func eachInterface(t *testing.T, test func(t *testing.T, d *Device, c CQConfig)) {
	d := needRXE(t)
	for _, how := range []Interface{InterfacePlain, InterfaceExtended} {
		t.Run(how.String(), func(t *testing.T) { test(t, d, CQConfig{Interface: how}) })
	}
}

// Every operation, and what both ends see of it.
func TestVerbsOps(t *testing.T) {
	eachInterface(t, func(t *testing.T, d *Device, c CQConfig) {
		const all = rxe.RemoteWrite | rxe.RemoteRead | rxe.RemoteAtomic
		a, b := newPair(t, d, endConfig{cq: c, qp: QPConfig{Inline: 64, Remote: all, MaxSGE: 2}, mem: 64 << 10}, rxe.ConnectConfig{MaxRDAtomic: 4, MaxDestRDAtomic: 4})
		require.Equal(t, c.Interface == InterfaceExtended, a.cq.Extended())
		src, dst := a.buf.Bytes(), b.buf.Bytes()
		for i := range src {
			src[i], dst[i] = byte(i*7), byte(i*13)
		}
		id := uint64(100)
		do := func(wr rxe.SendWR, op hwcq.Opcode) {
			t.Helper()
			id++
			wr.WRID = id
			wr.Flags |= rxe.Signaled
			wr.RKey = b.mr.RKey()
			require.NoError(t, a.qp.PostSend(&wr))
			wc := a.expect(t, 1)[0]
			require.Equal(t, hwcq.StatusSuccess, wc.Status, "%s", wr.Op)
			require.Equal(t, op, wc.Opcode)
			require.Equal(t, id, wc.WRID)
			require.Equal(t, a.qp.Num(), wc.QPNum)
		}
		at := func(off int) uint64 { return b.mr.Addr() + uint64(off) }

		b.recv(t, 1, 64)
		do(rxe.SendWR{Op: rxe.OpSend, SGL: []rxe.SGE{a.mr.SGE(0, 8), a.mr.SGE(100, 8)}}, hwcq.OpSend)
		wc := b.expect(t, 1)[0]
		require.EqualValues(t, 16, wc.ByteLen)
		require.Zero(t, wc.Flags&^hwcq.FlagGRH)
		require.Equal(t, append(append([]byte{}, src[:8]...), src[100:108]...), dst[:16])

		b.recv(t, 2, 64)
		do(rxe.SendWR{Op: rxe.OpSendImm, Imm: 0x01020304, Flags: rxe.Inline, InlineData: []byte("inline")}, hwcq.OpSend)
		wc = b.expect(t, 1)[0]
		require.Equal(t, hwcq.FlagWithImm, wc.Flags&^hwcq.FlagGRH)
		require.EqualValues(t, 0x01020304, wc.Imm)
		require.Equal(t, "inline", string(dst[:wc.ByteLen]))

		do(rxe.SendWR{Op: rxe.OpWrite, SGL: []rxe.SGE{a.mr.SGE(0, 3000)}, RemoteAddr: at(8192)}, hwcq.OpRDMAWrite)
		require.Equal(t, src[:3000], dst[8192:11192])

		b.recv(t, 3, 64)
		do(rxe.SendWR{Op: rxe.OpWriteImm, Imm: 0xfffefdfc, SGL: []rxe.SGE{a.mr.SGE(0, 3000)}, RemoteAddr: at(16384)}, hwcq.OpRDMAWrite)
		wc = b.expect(t, 1)[0]
		require.Equal(t, hwcq.OpRecvRDMAWrite, wc.Opcode)
		require.EqualValues(t, 0xfffefdfc, wc.Imm)
		require.EqualValues(t, 3000, wc.ByteLen)

		do(rxe.SendWR{Op: rxe.OpRead, SGL: []rxe.SGE{a.mr.SGE(1000, 5000)}, RemoteAddr: at(30001)}, hwcq.OpRDMARead)
		require.Equal(t, dst[30001:35001], src[1000:6000])

		word := dst[4096:4104]
		binary.NativeEndian.PutUint64(word, 40)
		old := func() uint64 { return binary.NativeEndian.Uint64(src[16:]) }
		do(rxe.SendWR{Op: rxe.OpFetchAdd, CompareAdd: 2, SGL: []rxe.SGE{a.mr.SGE(16, 8)}, RemoteAddr: at(4096)}, hwcq.OpFetchAdd)
		require.EqualValues(t, 40, old())
		do(rxe.SendWR{Op: rxe.OpCompareSwap, CompareAdd: 42, Swap: 7, SGL: []rxe.SGE{a.mr.SGE(16, 8)}, RemoteAddr: at(4096)}, hwcq.OpCompSwap)
		require.EqualValues(t, 42, old())
		require.EqualValues(t, 7, binary.NativeEndian.Uint64(word))

		q, err := a.qp.Query()
		require.NoError(t, err)
		require.Equal(t, rxe.StateRTS, q.State)
		require.Equal(t, b.qp.Num(), q.DestQPN)
		require.Equal(t, 4, q.MaxRDAtomic)
		require.Equal(t, all, q.Access)
	})
}

// Memory of the Go heap: pinned, sent from and received into.
func TestVerbsGoMemory(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, rxe.ConnectConfig{})
	from, to := make([]byte, 3000), make([]byte, 3000)
	for i := range from {
		from[i] = byte(i * 11)
	}
	ma, err := a.pd.RegBytes(from, 0)
	require.NoError(t, err)
	mb, err := b.pd.RegBytes(to, rxe.LocalWrite)
	require.NoError(t, err)
	require.Equal(t, 3000, mb.Len())
	require.NoError(t, b.qp.PostRecv(&rxe.RecvWR{SGL: []rxe.SGE{mb.SGE(0, 3000)}}))
	require.NoError(t, a.qp.PostSend(&rxe.SendWR{Op: rxe.OpSend, SGL: []rxe.SGE{ma.SGE(0, 3000)}}))
	require.EqualValues(t, 3000, b.expect(t, 1)[0].ByteLen)
	require.Equal(t, from, to)
	require.NoError(t, ma.Close())
	require.NoError(t, ma.Close())
	require.NoError(t, mb.Close())
}

// Failed requests: the status, and nothing stale beside it.
func TestVerbsFailures(t *testing.T) {
	eachInterface(t, func(t *testing.T, d *Device, c CQConfig) {
		a, b := newPair(t, d, endConfig{cq: c}, rxe.ConnectConfig{})
		b.recv(t, 1, 8)
		a.send(t, 2, 64, rxe.Signaled)
		require.Equal(t, hwcq.StatusRemOpErr, a.expect(t, 1)[0].Status)
		require.NotEqual(t, hwcq.StatusSuccess, b.expect(t, 1)[0].Status)
		require.NoError(t, a.qp.SetError())
		a.recv(t, 3, 8)
		require.NoError(t, a.qp.SetError())
		wc := a.expect(t, 1)[0]
		require.Equal(t, hwcq.WC{WRID: 3, Status: hwcq.StatusWRFlushErr, QPNum: a.qp.Num(), VendorErr: wc.VendorErr}, wc)
	})
}

// Lists longer than a call into C takes, a queue that fills up, and a poll
// that wants more than a call brings.
func TestVerbsLists(t *testing.T) {
	eachInterface(t, func(t *testing.T, d *Device, c CQConfig) {
		a, b := newPair(t, d, endConfig{cq: c, qp: QPConfig{SendDepth: 100, RecvDepth: 200}}, rxe.ConnectConfig{})
		recvs := make([]rxe.RecvWR, 4096) // 6.1 does not say how many there is room for
		for i := range recvs {
			recvs[i].WRID = uint64(i)
		}
		n, err := b.qp.PostRecvs(recvs)
		require.ErrorIs(t, err, hwcq.ErrFull)
		require.GreaterOrEqual(t, n, b.qp.RecvDepth())
		require.ErrorIs(t, b.qp.PostRecv(&recvs[0]), hwcq.ErrFull)
		sends := make([]rxe.SendWR, 90)
		for i := range sends {
			sends[i] = rxe.SendWR{WRID: uint64(i), Op: rxe.OpSend, Flags: rxe.Signaled}
		}
		n, err = a.qp.PostSends(sends)
		require.NoError(t, err)
		require.Equal(t, 90, n)
		for i, wc := range a.expect(t, 90) {
			require.EqualValues(t, i, wc.WRID)
		}
		require.Eventually(t, func() bool { return b.cq.Pending() }, patience, 1)
		dst := make([]hwcq.WC, 100)
		got := 0
		require.Eventually(t, func() bool {
			for _, wc := range dst[:b.cq.Poll(dst)] {
				require.EqualValues(t, got, wc.WRID)
				got++
			}
			return got == 90
		}, patience, 1)
	})
}

// PollOrArm brings what is there without arming, and arms an empty CQ.
func TestVerbsPollOrArm(t *testing.T) {
	eachInterface(t, func(t *testing.T, d *Device, c CQConfig) {
		a, b := newPair(t, d, endConfig{cq: c}, rxe.ConnectConfig{})
		dst := make([]hwcq.WC, 2)
		for i := range 50 {
			b.recv(t, uint64(i), 64)
			n, err := b.cq.PollOrArm(dst, false)
			require.NoError(t, err)
			require.Zero(t, n)
			a.send(t, 1, 16, 0)
			b.wait(t)
			b.recv(t, uint64(i), 64)
			a.send(t, 1, 16, 0) // of this one there is no event
			b.untilPending(t)
			b.expect(t, 2)
			b.recv(t, uint64(i), 64)
			a.send(t, 1, 16, 0)
			b.untilPending(t)
			n, err = b.cq.PollOrArm(dst, false)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		b.noEvent(t)
	})
}

// An overrun is counted, and told.
func TestVerbsAsync(t *testing.T) {
	needRXE(t)
	told := make(chan AsyncEvent, 100)
	d, err := Open(Config{OnAsync: func(e AsyncEvent) { told <- e }})
	require.NoError(t, err)
	defer d.Close()
	b, err := openBench(d, CQConfig{Depth: 7})
	require.NoError(t, err)
	depth := b.cq.Capabilities().Depth
	heard := make(chan hwcq.AsyncEvent, 100)
	b.cq.NotifyAsync(func(e hwcq.AsyncEvent) { heard <- e })
	b.peerCQ.NotifyAsync(func(e hwcq.AsyncEvent) { t.Errorf("another CQ heard %v", e.Kind) })
	require.NoError(t, b.overrun(make([]uint64, depth+2)...))
	for range 2 {
		e := <-told
		require.Equal(t, rxe.AsyncCQErr, e.Type)
		require.Equal(t, b.cq, e.CQ)
		require.Nil(t, e.QP)
		require.Equal(t, hwcq.AsyncEvent{Kind: hwcq.AsyncOverrun}, <-heard)
	}
	b.cq.NotifyAsync(nil)
	require.EqualValues(t, 2, b.cq.Overruns())
	require.Equal(t, hwcq.OverrunLossy, b.cq.Capabilities().Overrun)
	_, err = b.cq.Arm(false)
	require.NoError(t, err, "soft-RoCE goes on")
}
