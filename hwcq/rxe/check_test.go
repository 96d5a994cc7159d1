//go:build linux && (amd64 || arm64)

package rxe

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// Requests of each operation, legal where the transport has it.
func everyOp() map[SendOp]SendWR {
	eight := []SGE{{Addr: 0xa0, Length: 8, LKey: 6}}
	pd := &PD{}
	mw := &MW{pd: pd}
	mw.rkey.Store(0x123456ff)
	ud := SendWR{AH: &AH{pd: pd, num: 7}, RemoteQPN: 0x1234, RemoteQKey: 0x5678}
	send := SendWR{Op: OpSend, SGL: eight, AH: ud.AH, RemoteQPN: ud.RemoteQPN, RemoteQKey: ud.RemoteQKey}
	imm := send
	imm.Op, imm.Imm = OpSendImm, 0x0badcafe
	return map[SendOp]SendWR{
		OpWrite:       {Op: OpWrite, SGL: eight, RemoteAddr: 0xcafe, RKey: 99},
		OpWriteImm:    {Op: OpWriteImm, SGL: eight, RemoteAddr: 0xcafe, RKey: 99, Imm: 0x0badcafe},
		OpSend:        send,
		OpSendImm:     imm,
		OpRead:        {Op: OpRead, SGL: eight, RemoteAddr: 0xcafe, RKey: 99},
		OpCompareSwap: {Op: OpCompareSwap, SGL: eight, RemoteAddr: 0xcaf8, RKey: 99, CompareAdd: 11, Swap: 12},
		OpFetchAdd:    {Op: OpFetchAdd, SGL: eight, RemoteAddr: 0xcaf8, RKey: 99, CompareAdd: 11},
		OpLocalInv:    {Op: OpLocalInv, Invalidate: 0x77},
		OpBindMW:      {Op: OpBindMW, Bind: &Bind{MW: mw, MR: &MR{lkey: 0x44}, Addr: 0xb000, Length: 0x20, Access: RemoteRead}},
		OpSendInv:     {Op: OpSendInv, SGL: eight, Invalidate: 0x77},
	}
}

func newTypedProducer(t testing.TB, tr Transport, wr SendWR) (*producer, *fakeRing) {
	p, f := newFakeProducer(t, 8, 0)
	p.transport, p.maxMsg, p.windows = tr, 1024, &windows{}
	if wr.AH != nil {
		p.pd = wr.AH.pd
	}
	copy(f.slotBytes(0), bytes.Repeat([]byte{0xee}, 512))
	return p, f
}

// What a transport has is what the InfiniBand specification gives it (table
// 47, less what rxe cannot do). The rest is refused, naming what is allowed.
func TestOpsByTransport(t *testing.T) {
	has := map[Transport]map[SendOp]bool{
		RC: {OpWrite: true, OpWriteImm: true, OpSend: true, OpSendImm: true, OpRead: true, OpCompareSwap: true, OpFetchAdd: true, OpLocalInv: true, OpBindMW: true, OpSendInv: true},
		UC: {OpWrite: true, OpWriteImm: true, OpSend: true, OpSendImm: true, OpBindMW: true},
		UD: {OpSend: true, OpSendImm: true},
	}
	for tr, ok := range has {
		for op, wr := range everyOp() {
			p, f := newTypedProducer(t, tr, wr)
			n, err := p.postSends([]SendWR{wr}, 64)
			if ok[op] {
				require.NoError(t, err, "%s on %s", op, tr)
				require.Equal(t, 1, n)
				continue
			}
			require.ErrorIs(t, err, param.ErrInvalid, "%s on %s", op, tr)
			require.ErrorContains(t, err, op.String())
			require.ErrorContains(t, err, tr.String())
			require.Zero(t, n)
			require.Zero(t, f.r.prod.Load(), "nothing reaches the device")
		}
	}
}

func TestWQEOfEachOp(t *testing.T) {
	slot := func(tr Transport, wr SendWR) []byte {
		p, f := newTypedProducer(t, tr, wr)
		_, err := p.postSends([]SendWR{wr}, 64)
		require.NoError(t, err)
		b := f.slotBytes(0)
		require.EqualValues(t, wr.Op, le.Uint32(b[12:]))
		return b
	}
	ops := everyOp()
	for _, op := range []SendOp{OpWrite, OpWriteImm, OpRead} {
		b := slot(RC, ops[op])
		require.EqualValues(t, 0xcafe, le.Uint64(b[24:]), "remote_addr")
		require.EqualValues(t, 99, le.Uint32(b[32:]), "rkey")
		require.EqualValues(t, 0xcafe, le.Uint64(b[152:]), "iova")
		require.EqualValues(t, 8, le.Uint32(b[184:]), "dma.length")
	}
	for _, op := range []SendOp{OpWriteImm, OpSendImm} {
		require.EqualValues(t, 0x0badcafe, le.Uint32(slot(RC, ops[op])[20:]), "imm_data")
	}
	for _, op := range []SendOp{OpLocalInv, OpSendInv} {
		require.EqualValues(t, 0x77, le.Uint32(slot(RC, ops[op])[20:]), "invalidate_rkey")
	}
	for _, op := range []SendOp{OpCompareSwap, OpFetchAdd} {
		b := slot(RC, ops[op])
		require.EqualValues(t, 0xcaf8, le.Uint64(b[24:]), "remote_addr")
		require.EqualValues(t, 11, le.Uint64(b[32:]), "compare_add")
		require.EqualValues(t, ops[op].Swap, le.Uint64(b[40:]), "swap")
		require.EqualValues(t, 99, le.Uint32(b[48:]), "rkey")
		require.EqualValues(t, 0xcaf8, le.Uint64(b[152:]), "iova")
	}
	b := slot(RC, ops[OpBindMW])
	require.EqualValues(t, 0xb000, le.Uint64(b[24:]), "addr")
	require.EqualValues(t, 0x20, le.Uint64(b[32:]), "length")
	require.EqualValues(t, 0x44, le.Uint32(b[40:]), "mr_lkey")
	require.EqualValues(t, 0x123456ff, le.Uint32(b[44:]), "mw_rkey")
	require.EqualValues(t, 0x12345600, le.Uint32(b[48:]), "rkey: the low byte moved on, the rest is the window's")
	require.EqualValues(t, RemoteRead, le.Uint32(b[52:]), "access")
	require.EqualValues(t, 0x12345600, ops[OpBindMW].Bind.MW.RKey())
	for _, op := range []SendOp{OpSend, OpSendImm} {
		b := slot(UD, ops[op])
		require.EqualValues(t, 0x1234, le.Uint32(b[24:]), "remote_qpn")
		require.EqualValues(t, 0x5678, le.Uint32(b[28:]), "remote_qkey")
		require.EqualValues(t, 7, le.Uint32(b[36:]), "ah_num")
		require.EqualValues(t, ops[op].Imm, le.Uint32(b[20:]), "imm_data")
		require.EqualValues(t, 8, le.Uint32(b[184:]), "dma.length")
	}
	require.Zero(t, le.Uint32(slot(RC, ops[OpSend])[24:]), "no datagram")
}

// What an operation cannot do is refused, and named.
func TestOpsRefuse(t *testing.T) {
	change := func(op SendOp, f func(*SendWR)) SendWR {
		wr := everyOp()[op]
		if wr.Bind != nil {
			b := *wr.Bind
			wr.Bind = &b
		}
		f(&wr)
		return wr
	}
	other := &AH{pd: &PD{}, num: 1}
	for name, c := range map[string]struct {
		tr   Transport
		wr   SendWR
		want string
	}{
		"unknown operation":   {RC, SendWR{Op: 10}, "send operation 10"},
		"inline read":         {RC, change(OpRead, func(w *SendWR) { w.Flags = Inline }), "without Inline for RDMA read"},
		"inline atomic":       {RC, change(OpFetchAdd, func(w *SendWR) { w.Flags = Inline }), "Flags"},
		"inline bind":         {RC, change(OpBindMW, func(w *SendWR) { w.Flags = Inline }), "Flags"},
		"fence on UC":         {UC, change(OpSend, func(w *SendWR) { w.Flags = Fence }), "Fence"},
		"atomic of 4 bytes":   {RC, change(OpFetchAdd, func(w *SendWR) { w.SGL[0].Length = 4 }), "8 bytes"},
		"atomic without data": {RC, change(OpCompareSwap, func(w *SendWR) { w.SGL = nil }), "8 bytes"},
		"misaligned atomic":   {RC, change(OpCompareSwap, func(w *SendWR) { w.RemoteAddr = 0x1004 }), "multiple of 8"},
		"data to invalidate":  {RC, change(OpLocalInv, func(w *SendWR) { w.SGL = make([]SGE, 1) }), "empty"},
		"data to bind":        {RC, change(OpBindMW, func(w *SendWR) { w.SGL = make([]SGE, 1) }), "empty"},
		"bind nothing":        {RC, change(OpBindMW, func(w *SendWR) { w.Bind = nil }), "Bind"},
		"bind without MR":     {RC, change(OpBindMW, func(w *SendWR) { w.Bind.MR = nil }), "Bind"},
		"bind no bytes":       {RC, change(OpBindMW, func(w *SendWR) { w.Bind.Length = 0 }), "Bind.Length"},
		"bind local write":    {RC, change(OpBindMW, func(w *SendWR) { w.Bind.Access = LocalWrite }), "Bind.Access"},
		"datagram to nowhere": {UD, change(OpSend, func(w *SendWR) { w.AH = nil }), "AH"},
		"foreign AH":          {UD, change(OpSend, func(w *SendWR) { w.AH = other }), "AH"},
		"25-bit QPN":          {UD, change(OpSend, func(w *SendWR) { w.RemoteQPN = 1 << 24 }), "RemoteQPN"},
		"long datagram":       {UD, change(OpSend, func(w *SendWR) { w.SGL[0].Length = 1025 }), "at most 1024 bytes"},
	} {
		p, f := newTypedProducer(t, c.tr, everyOp()[OpSend])
		if c.wr.AH != nil && c.wr.AH != other {
			p.pd = c.wr.AH.pd
		}
		n, err := p.postSends([]SendWR{c.wr}, 64)
		require.ErrorIs(t, err, param.ErrInvalid, name)
		require.ErrorContains(t, err, c.want, name)
		require.Zero(t, n, name)
		require.Zero(t, f.r.prod.Load(), name)
	}
}

// One that was closed may be another's by its number.
func TestClosedAHIsRefused(t *testing.T) {
	ah := &AH{pd: &PD{}, num: 7}
	send := SendWR{Op: OpSend, AH: ah}
	p, f := newTypedProducer(t, UD, send)
	n, err := p.postSends([]SendWR{send}, 64)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	ah.closed.Store(true)
	n, err = p.postSends([]SendWR{send}, 64)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.Zero(t, n)
	require.EqualValues(t, 1, f.r.prod.Load())
}

// A window belongs to the QP it was first bound on, and holds it.
func TestWindowHoldsItsQP(t *testing.T) {
	a, b := windows{born: 5}, windows{born: 5}
	m := &MW{id: 6}
	require.NoError(t, m.bindOn(&a))
	require.NoError(t, m.bindOn(&a), "again")
	require.ErrorIs(t, m.bindOn(&b), param.ErrInvalid)
	require.ErrorIs(t, a.use.close("close QP", func() error { return nil }), hwcq.ErrBusy)
	m.closed = true
	require.ErrorIs(t, m.bindOn(&a), hwcq.ErrClosed)
	a.use.release()
	require.NoError(t, a.use.close("close QP", func() error { return nil }))
	require.ErrorIs(t, (&MW{id: 7}).bindOn(&a), hwcq.ErrClosed)
	require.ErrorIs(t, (&MW{id: 4}).bindOn(&b), param.ErrInvalid, "older than the QP")
}

func TestSendsDoNotAllocate(t *testing.T) {
	for op, wr := range everyOp() {
		tr := RC
		if wr.AH != nil {
			tr = UD
		}
		p, f := newTypedProducer(t, tr, wr)
		wrs := []SendWR{wr}
		fail := 0
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if _, err := p.postSends(wrs, 64); err != nil {
				fail++
			}
			f.r.cons.Store(f.r.prod.Load())
		}), op)
		require.Zero(t, fail, op)
	}
}

func TestNames(t *testing.T) {
	require.Equal(t, "RDMA read", OpRead.String())
	require.Equal(t, "send operation 99", SendOp(99).String())
	require.Equal(t, "RC UC UD transport 3", fmt.Sprint(RC, UC, UD, Transport(3)))
}
