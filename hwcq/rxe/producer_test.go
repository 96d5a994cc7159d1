//go:build linux && (amd64 || arm64)

package rxe

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func newFakeProducer(t testing.TB, slots, index uint32) (*producer, *fakeRing) {
	f := newFakeRing(t, slots, 9, index)
	return &producer{ring: f.r, next: index, seen: index, maxSGE: 2}, f
}

func TestSendWQELayout(t *testing.T) {
	p, f := newFakeProducer(t, 4, 3)
	copy(f.slotBytes(3), bytes.Repeat([]byte{0xee}, 512)) // leftovers of the last use
	n, err := p.postSends([]SendWR{{
		WRID: 0x1122334455667788, Op: OpWrite, Flags: Signaled | Solicited,
		SGL:        []SGE{{Addr: 0xa0, Length: 5, LKey: 6}, {Addr: 0xb0, Length: 7, LKey: 8}},
		RemoteAddr: 0xcafe, RKey: 99,
	}}, 0)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.EqualValues(t, 0, f.r.prod.Load(), "wrapped")

	b := f.slotBytes(3)
	require.EqualValues(t, 0x1122334455667788, le.Uint64(b[0:]), "wr_id")
	require.EqualValues(t, 0, le.Uint32(b[12:]), "opcode")
	require.EqualValues(t, 6, le.Uint32(b[16:]), "send_flags")
	require.EqualValues(t, 0xcafe, le.Uint64(b[24:]), "remote_addr")
	require.EqualValues(t, 99, le.Uint32(b[32:]), "rkey")
	require.EqualValues(t, 0, le.Uint32(b[144:]), "status")
	require.EqualValues(t, 0, le.Uint32(b[148:]), "state")
	require.EqualValues(t, 0xcafe, le.Uint64(b[152:]), "iova")
	require.EqualValues(t, 12, le.Uint32(b[184:]), "dma.length")
	require.EqualValues(t, 12, le.Uint32(b[188:]), "dma.resid")
	require.EqualValues(t, 0, le.Uint32(b[192:]), "dma.cur_sge")
	require.EqualValues(t, 2, le.Uint32(b[196:]), "dma.num_sge")
	require.EqualValues(t, 0, le.Uint32(b[200:]), "dma.sge_offset")
	require.EqualValues(t, 0xa0, le.Uint64(b[208:]))
	require.EqualValues(t, 5, le.Uint32(b[216:]))
	require.EqualValues(t, 6, le.Uint32(b[220:]))
	require.EqualValues(t, 0xb0, le.Uint64(b[224:]))
	require.EqualValues(t, 7, le.Uint32(b[232:]))
	require.EqualValues(t, 8, le.Uint32(b[236:]))
}

func TestSendWQEInline(t *testing.T) {
	p, f := newFakeProducer(t, 4, 0)
	data := []byte("inline data")
	_, err := p.postSends([]SendWR{{WRID: 1, Op: OpSend, Flags: Inline, InlineData: data}}, 64)
	require.NoError(t, err)
	b := f.slotBytes(0)
	require.EqualValues(t, 8, le.Uint32(b[16:]), "send_flags")
	require.EqualValues(t, len(data), le.Uint32(b[184:]))
	require.EqualValues(t, len(data), le.Uint32(b[188:]))
	require.EqualValues(t, 0, le.Uint32(b[196:]), "no pieces")
	require.Equal(t, data, b[208:][:len(data)])
}

func TestRecvWQELayout(t *testing.T) {
	p, f := newFakeProducer(t, 4, 1)
	copy(f.slotBytes(1), bytes.Repeat([]byte{0xee}, 512))
	_, err := p.postRecvs([]RecvWR{{WRID: 42, SGL: []SGE{{Addr: 0xa0, Length: 5, LKey: 6}}}})
	require.NoError(t, err)
	b := f.slotBytes(1)
	require.EqualValues(t, 42, le.Uint64(b[0:]))
	require.EqualValues(t, 5, le.Uint32(b[16:]), "dma.length")
	require.EqualValues(t, 5, le.Uint32(b[20:]), "dma.resid")
	require.EqualValues(t, 0, le.Uint32(b[24:]), "dma.cur_sge")
	require.EqualValues(t, 1, le.Uint32(b[28:]), "dma.num_sge")
	require.EqualValues(t, 0, le.Uint32(b[32:]), "dma.sge_offset")
	require.EqualValues(t, 0xa0, le.Uint64(b[40:]))
	require.EqualValues(t, 5, le.Uint32(b[48:]))
	require.EqualValues(t, 6, le.Uint32(b[52:]))
}

// A full queue takes what fits, says so, and goes on when the kernel moved.
func TestProducerFull(t *testing.T) {
	for _, start := range []uint32{0, 5, 7} {
		p, f := newFakeProducer(t, 8, start)
		wrs := make([]SendWR, 10)
		for i := range wrs {
			wrs[i] = SendWR{WRID: uint64(i), Op: OpSend}
		}
		n, err := p.postSends(wrs, 0)
		require.Equal(t, 7, n)
		require.ErrorIs(t, err, hwcq.ErrFull)
		require.EqualValues(t, (start+7)&7, f.r.prod.Load(), "what fits is published")

		f.r.cons.Store((start + 2) & 7)
		n, err = p.postSends(wrs[7:], 0)
		require.Equal(t, 2, n)
		require.ErrorIs(t, err, hwcq.ErrFull)
		require.EqualValues(t, 8, le.Uint64(f.slotBytes((start+8)&7)))

		rn, err := p.postRecvs(make([]RecvWR, 1))
		require.Zero(t, rn)
		require.ErrorIs(t, err, hwcq.ErrFull)
	}
}

// A wild consumer index must not write outside the ring.
func TestProducerWildConsumerIndex(t *testing.T) {
	for _, cons := range []uint32{8, 1000, ^uint32(0)} {
		p, f := newFakeProducer(t, 8, 0)
		f.r.cons.Store(cons)
		n, err := p.postSends(make([]SendWR, 100), 0)
		require.Zero(t, n)
		require.ErrorIs(t, err, ErrCorrupt)
		require.Zero(t, p.next)
	}
}

func TestProducerRefuses(t *testing.T) {
	three := make([]SGE, 3)
	huge := []SGE{{Length: 1 << 30}, {Length: 1 << 30}}
	for name, wr := range map[string]SendWR{
		"operation":   {Op: 10},
		"flags":       {Op: OpSend, Flags: 1 << 9},
		"pieces":      {Op: OpSend, SGL: three},
		"length":      {Op: OpSend, SGL: huge},
		"inline size": {Op: OpSend, Flags: Inline, InlineData: make([]byte, 65)},
	} {
		p, f := newFakeProducer(t, 8, 0)
		n, err := p.postSends([]SendWR{{WRID: 1, Op: OpSend}, wr, {Op: OpSend}}, 64)
		require.ErrorIs(t, err, param.ErrInvalid, name)
		require.Equal(t, 1, n, name)
		require.EqualValues(t, 1, f.r.prod.Load(), name)
	}
	p, _ := newFakeProducer(t, 8, 0)
	_, err := p.postRecvs([]RecvWR{{SGL: three}})
	require.ErrorIs(t, err, param.ErrInvalid)
}
