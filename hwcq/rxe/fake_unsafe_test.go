//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// fakeRing is a queue in plain memory with a kernel's side that the test
// plays.
type fakeRing struct {
	m mapping
	r ring
}

// newFakeRing has slots slots of 1<<log2 bytes; both indices start at index.
func newFakeRing(t testing.TB, slots uint32, log2 uint8, index uint32) *fakeRing {
	t.Helper()
	m, err := mapAnon(ringDataOff + uintptr(slots)<<log2)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Unmap() })
	put32(m.Base, ringLog2Off, uint32(log2))
	put32(m.Base, ringMaskOff, slots-1)
	r, err := newRing(m.Base, m.Size, 1)
	require.NoError(t, err)
	r.prod.Store(index)
	r.cons.Store(index)
	return &fakeRing{m: m, r: r}
}

// complete does what rxe_cq_post does; false: the queue is full.
func (f *fakeRing) complete(wc hwcq.WC) bool {
	prod := f.r.prod.Load()
	if (prod+1)&f.r.mask == f.r.cons.Load() {
		return false
	}
	*(*hwcq.WC)(f.r.slot(prod)) = wc
	f.r.prod.Store((prod + 1) & f.r.mask)
	return true
}

// slotBytes is slot i as bytes.
func (f *fakeRing) slotBytes(i uint32) []byte {
	return unsafe.Slice((*byte)(f.r.slot(i)), 1<<f.r.log2)
}

func TestWCLayout(t *testing.T) {
	var wc hwcq.WC
	require.EqualValues(t, 48, unsafe.Sizeof(wc), "struct ib_uverbs_wc")
	for name, off := range map[string][2]uintptr{
		"WRID": {unsafe.Offsetof(wc.WRID), 0}, "Status": {unsafe.Offsetof(wc.Status), 8},
		"Opcode": {unsafe.Offsetof(wc.Opcode), 12}, "VendorErr": {unsafe.Offsetof(wc.VendorErr), 16},
		"ByteLen": {unsafe.Offsetof(wc.ByteLen), 20}, "Imm": {unsafe.Offsetof(wc.Imm), 24},
		"QPNum": {unsafe.Offsetof(wc.QPNum), 28}, "SrcQP": {unsafe.Offsetof(wc.SrcQP), 32},
		"Flags": {unsafe.Offsetof(wc.Flags), 36}, "PKeyIndex": {unsafe.Offsetof(wc.PKeyIndex), 40},
		"SLID": {unsafe.Offsetof(wc.SLID), 42}, "SL": {unsafe.Offsetof(wc.SL), 44},
		"DLIDPath": {unsafe.Offsetof(wc.DLIDPath), 45}, "Port": {unsafe.Offsetof(wc.Port), 46},
	} {
		require.Equal(t, off[1], off[0], name)
	}
}

func TestNewRingRefusesNonsense(t *testing.T) {
	m, err := mapAnon(8192)
	require.NoError(t, err)
	defer m.Unmap()
	for name, c := range map[string]struct {
		log2, mask uint32
		size, elem uintptr
	}{
		"no room for the header":     {7, 7, 100, 48},
		"slots too small":            {5, 7, 8192, 48},
		"slots absurd":               {40, 7, 8192, 48},
		"not a power of two":         {6, 6, 8192, 48},
		"one slot":                   {6, 0, 8192, 48},
		"larger than the mapping":    {7, 63, 8192, 48},
		"mask of all ones":           {7, ^uint32(0), 8192, 48},
		"one slot past the mapping":  {7, 63, ringDataOff + 63<<7, 48},
		"shift that would overflow":  {64, 7, 8192, 48},
		"slots smaller than the WQE": {7, 7, 8192, 208},
	} {
		put32(m.Base, ringLog2Off, c.log2)
		put32(m.Base, ringMaskOff, c.mask)
		_, err := newRing(m.Base, c.size, c.elem)
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
	put32(m.Base, ringLog2Off, 7)
	put32(m.Base, ringMaskOff, 31)
	r, err := newRing(m.Base, ringDataOff+32<<7, 48)
	require.NoError(t, err)
	require.EqualValues(t, 31, r.mask)
}
