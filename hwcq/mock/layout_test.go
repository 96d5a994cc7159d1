//go:build !explore

package mock

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"github.com/evdengine/evd/internal/pad"
)

// The header is that of struct rxe_queue_buf, linux
// include/uapi/rdma/rdma_user_rxe.h: indices at 128 and 256, data at 384.
func TestHeaderLayout(t *testing.T) {
	var h header
	assert.EqualValues(t, 0, unsafe.Offsetof(h.log2ElemSize))
	assert.EqualValues(t, 4, unsafe.Offsetof(h.mask))
	assert.EqualValues(t, 128, unsafe.Offsetof(h.prod))
	assert.EqualValues(t, 256, unsafe.Offsetof(h.cons))
	assert.EqualValues(t, 384, unsafe.Sizeof(h))
}

// apart fails unless at least a line lies between the end of a and b.
func apart(t *testing.T, what string, aOff, aSize, bOff uintptr) {
	t.Helper()
	assert.GreaterOrEqual(t, bOff, aOff+aSize+pad.Size, what)
}

func TestWritersApart(t *testing.T) {
	var c CQ
	apart(t, "read-mostly, header", unsafe.Offsetof(c.faults), unsafe.Sizeof(c.faults), unsafe.Offsetof(c.hdr)+unsafe.Offsetof(c.hdr.prod))
	apart(t, "consumer index, poller", unsafe.Offsetof(c.hdr)+unsafe.Offsetof(c.hdr.cons), 0, unsafe.Offsetof(c.pol))
	apart(t, "poller, hardware", unsafe.Offsetof(c.pol), unsafe.Sizeof(c.pol), unsafe.Offsetof(c.hw))
	apart(t, "hardware, arm word", unsafe.Offsetof(c.hw), unsafe.Sizeof(c.hw), unsafe.Offsetof(c.arm))
	apart(t, "arm word, events", unsafe.Offsetof(c.arm), unsafe.Sizeof(c.arm), unsafe.Offsetof(c.ev))
	apart(t, "raised, taken", unsafe.Offsetof(c.ev.raised), unsafe.Sizeof(c.ev.raised), unsafe.Offsetof(c.ev.taken))
	apart(t, "events, cold", unsafe.Offsetof(c.ev), unsafe.Sizeof(c.ev), unsafe.Offsetof(c.seed))

	var q QP
	apart(t, "read-mostly, submitters", unsafe.Offsetof(q.closed), unsafe.Sizeof(q.closed), unsafe.Offsetof(q.sub))
	apart(t, "submitters, prod", unsafe.Offsetof(q.sub), unsafe.Sizeof(q.sub), unsafe.Offsetof(q.prod))
	apart(t, "prod, cons", unsafe.Offsetof(q.prod), unsafe.Sizeof(q.prod), unsafe.Offsetof(q.cons))
	apart(t, "cons, parked", unsafe.Offsetof(q.cons), unsafe.Sizeof(q.cons), unsafe.Offsetof(q.parked))
	apart(t, "parked, device", unsafe.Offsetof(q.parked), unsafe.Sizeof(q.parked), unsafe.Offsetof(q.dev))
}

func TestSlotsAlignedAndGuarded(t *testing.T) {
	for _, n := range []uint32{1, 2, 64, 1024, 4096} {
		s := makeSlots(n)
		assert.EqualValues(t, n, len(s))
		assert.EqualValues(t, n, cap(s))
		assert.Zero(t, uintptr(unsafe.Pointer(&s[0]))%16, "a slot is three moves of 16 bytes")
	}
}
