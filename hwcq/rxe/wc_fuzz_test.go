//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
)

// FuzzWC has the kernel write any bytes into any slot: what comes out is what
// struct ib_uverbs_wc says of them, whatever the slots' size.
func FuzzWC(f *testing.F) {
	bytes := make([]byte, 48)
	for i := range bytes {
		bytes[i] = byte(i + 1)
	}
	f.Add(bytes, uint8(3), uint8(0), uint32(0))
	f.Add(bytes[:7], uint8(1), uint8(1), uint32(1))
	f.Add([]byte{}, uint8(6), uint8(3), ^uint32(0))
	f.Add([]byte{8: 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint8(2), uint8(0), uint32(2))
	f.Fuzz(func(t *testing.T, raw []byte, logSlots, moreLog uint8, at uint32) {
		slots := uint32(2) << (logSlots % 7)
		ring := newFakeRing(t, slots, 6+moreLog%4, at&(slots-1))
		c := ring.consumer(at & (slots - 1))
		slot := ring.slotBytes(c.next)
		for i := range slot {
			slot[i] = 0xa5
		}
		copy(slot, raw)
		b := append([]byte(nil), slot...)
		ring.r.prod.Store((c.next + 1) & ring.r.mask)
		if !c.pending() {
			t.Fatal("nothing is pending")
		}
		var got [2]hwcq.WC
		if n := c.Poll(got[:]); n != 1 || c.pending() || c.Poll(got[1:]) != 0 {
			t.Fatalf("%d completions of one", n)
		}
		want := hwcq.WC{
			WRID: le.Uint64(b), Status: hwcq.Status(le.Uint32(b[8:])), Opcode: hwcq.Opcode(le.Uint32(b[12:])),
			VendorErr: le.Uint32(b[16:]), ByteLen: le.Uint32(b[20:]), Imm: le.Uint32(b[24:]), QPNum: le.Uint32(b[28:]),
			SrcQP: le.Uint32(b[32:]), Flags: hwcq.WCFlags(le.Uint32(b[36:])), PKeyIndex: le.Uint16(b[40:]),
			SLID: le.Uint16(b[42:]), SL: b[44], DLIDPath: b[45], Port: b[46],
		}
		if got[0] != want { // compares the named fields
			t.Fatalf("got %+v, want %+v", got[0], want)
		}
		if got[0].Status.String() == "" || got[0].Opcode.String() == "" {
			t.Fatalf("%d or %d has no name", got[0].Status, got[0].Opcode)
		}
	})
}

// FuzzRingHeader has the kernel write any header: it is refused, or every slot
// lies in the mapping.
func FuzzRingHeader(f *testing.F) {
	f.Add(uint32(7), uint32(31), uint16(8192), uint16(48))
	f.Add(uint32(6), uint32(0), uint16(8192), uint16(48))
	f.Add(uint32(7), uint32(63), uint16(8192), uint16(48))
	f.Add(uint32(64), ^uint32(0), uint16(8192), uint16(0))
	f.Add(uint32(16), uint32(1), uint16(383), uint16(208))
	f.Add(uint32(0), uint32(1), uint16(386), uint16(1))
	f.Fuzz(func(t *testing.T, log2, mask uint32, size, elem uint16) {
		m, err := mapAnon(1 << 16)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Unmap()
		put32(m.Base, ringLog2Off, log2)
		put32(m.Base, ringMaskOff, mask)
		r, err := newRing(m.Base, uintptr(size), uintptr(elem))
		if err != nil {
			return
		}
		end := uintptr(r.slot(r.mask)) - uintptr(m.Base) + 1<<r.log2
		if end > uintptr(size) || uintptr(1)<<r.log2 < uintptr(elem) || r.mask&(r.mask+1) != 0 || r.mask == 0 {
			t.Fatalf("2^%d, mask %x in %d bytes accepted: the last slot ends at %d", log2, mask, size, end)
		}
		if unsafe.Pointer(r.prod) == unsafe.Pointer(r.cons) {
			t.Fatal("one index")
		}
	})
}

// FuzzAsync has the kernel write any event: it goes to the one who asked, with
// what is known of it, or is refused.
func FuzzAsync(f *testing.F) {
	f.Add(make([]byte, 16))
	f.Add([]byte{1, 8: 9, 15: 0})
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []AsyncEvent
		d := &Device{onAsync: func(e AsyncEvent) { got = append(got, e) }}
		desc, err := decAsync(b)
		if err != nil {
			if len(b) >= 16 {
				t.Fatal(err)
			}
			return
		}
		d.dispatch(desc)
		if len(got) != 1 || got[0].Type != desc.kind || got[0].CQ != nil || got[0].QP != nil {
			t.Fatalf("%+v became %+v", desc, got)
		}
	})
}
