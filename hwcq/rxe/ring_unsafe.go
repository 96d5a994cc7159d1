//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
)

// Layout of a queue shared with the kernel: struct rxe_queue_buf in linux
// include/uapi/rdma/rdma_user_rxe.h.
const (
	ringLog2Off = 0   // log2 of the element size
	ringMaskOff = 4   // slots - 1
	ringProdOff = 128 // producer index
	ringConsOff = 256 // consumer index
	ringDataOff = 384 // first slot
)

// ring is a view of one queue shared with the kernel.
//
// Invariants: mask+1 is a power of two; slots 0..mask lie wholly inside the
// mapping; both indices are kept masked. Empty: prod == cons. Full: one slot
// free, so mask is how many elements fit.
//
// The side that writes an index is its only writer. The kernel publishes with
// smp_store_release and reads with smp_load_acquire (rxe_queue.h); neither
// the race detector nor the Go scheduler knows of it.
type ring struct {
	prod *atomic.Uint32 // completion queue: kernel writes; work queue: we do
	cons *atomic.Uint32 // the other side
	data unsafe.Pointer // slot 0
	mask uint32
	log2 uint8 // slot size
}

// newRing checks the header that the kernel wrote at base, a mapping of size
// bytes whose slots must hold at least elem bytes.
func newRing(base unsafe.Pointer, size, elem uintptr) (ring, error) {
	if size < ringDataOff {
		return ring{}, fmt.Errorf("%w: a ring of %d bytes", ErrCorrupt, size)
	}
	log2 := *(*uint32)(unsafe.Add(base, ringLog2Off))
	mask := *(*uint32)(unsafe.Add(base, ringMaskOff))
	slots := uint64(mask) + 1
	switch {
	case log2 > 16 || uintptr(1)<<log2 < elem:
		return ring{}, fmt.Errorf("%w: ring slots of 2^%d bytes, want at least %d", ErrCorrupt, log2, elem)
	case bits.OnesCount64(slots) != 1 || slots < 2:
		return ring{}, fmt.Errorf("%w: ring of %d slots, want a power of two", ErrCorrupt, slots)
	case uint64(size) < ringDataOff+slots<<log2:
		return ring{}, fmt.Errorf("%w: ring of %d slots of 2^%d bytes in %d bytes", ErrCorrupt, slots, log2, size)
	}
	return ring{
		prod: (*atomic.Uint32)(unsafe.Add(base, ringProdOff)),
		cons: (*atomic.Uint32)(unsafe.Add(base, ringConsOff)),
		data: unsafe.Add(base, ringDataOff),
		mask: mask,
		log2: uint8(log2),
	}, nil
}

// slot returns slot i, which must be masked.
func (r *ring) slot(i uint32) unsafe.Pointer {
	return unsafe.Add(r.data, uintptr(i)<<r.log2)
}

// copyWCs copies n = len(dst) completions from slot cons on. The caller has
// seen that they are there. The 48-byte struct ib_uverbs_wc at the start of
// a slot has the layout of hwcq.WC (asserted by a test).
func (r *ring) copyWCs(dst []hwcq.WC, cons uint32) {
	for i := range dst {
		dst[i] = *(*hwcq.WC)(r.slot((cons + uint32(i)) & r.mask))
	}
}

// Layout of struct rxe_send_wqe, struct rxe_recv_wqe and struct rxe_dma_info.
const (
	swrID       = 0
	swOpcode    = 12
	swFlags     = 16
	swEx        = 20 // immediate data, or the rkey to invalidate
	swRemote    = 24
	swRKey      = 32
	swCompare   = 32 // atomics
	swSwap      = 40
	swAtomRKey  = 48
	swMWAddr    = 24 // memory windows
	swMWLen     = 32
	swMWLKey    = 40 // of the MR
	swMWOldKey  = 44
	swMWNewKey  = 48
	swMWAccess  = 52
	swUDQPN     = 24 // datagrams
	swUDQKey    = 28
	swUDAH      = 36
	swState     = 148
	swIOVA      = 152
	swDMA       = 184
	swDMASize   = 24 // up to the sge list
	sendWQESize = swDMA + swDMASize

	rwrID       = 0
	rwDMA       = 16
	recvWQESize = rwDMA + swDMASize

	sgeSize = 16
)

func put32(p unsafe.Pointer, off uintptr, v uint32) { *(*uint32)(unsafe.Add(p, off)) = v }
func put64(p unsafe.Pointer, off uintptr, v uint64) { *(*uint64)(unsafe.Add(p, off)) = v }

// writeSend fills the slot at index i. The caller has checked the request
// (checkSend), so that it fits the slot.
func (r *ring) writeSend(i uint32, wr *SendWR, length uint32, datagram bool) {
	p := r.slot(i)
	clear(unsafe.Slice((*byte)(p), sendWQESize)) // state must be wqe_state_posted, 0
	put64(p, swrID, wr.WRID)
	put32(p, swOpcode, uint32(wr.Op))
	put32(p, swFlags, uint32(wr.Flags))
	if use := sendOps[wr.Op].use; use != 0 {
		putOp(p, wr, use)
	}
	if datagram {
		putDatagram(p, wr)
	}
	if wr.Flags&Inline != 0 {
		putDMA(unsafe.Add(p, swDMA), nil, length)
		copy(unsafe.Slice((*byte)(unsafe.Add(p, sendWQESize)), len(wr.InlineData)), wr.InlineData)
		return
	}
	putDMA(unsafe.Add(p, swDMA), wr.SGL, length)
}

// putOp fills what only some operations have.
func putOp(p unsafe.Pointer, wr *SendWR, use opUse) {
	switch {
	case use&useAtomic != 0:
		put64(p, swRemote, wr.RemoteAddr)
		put64(p, swCompare, wr.CompareAdd)
		put64(p, swSwap, wr.Swap)
		put32(p, swAtomRKey, wr.RKey)
		put64(p, swIOVA, wr.RemoteAddr)
	case use&useRemote != 0:
		put64(p, swRemote, wr.RemoteAddr)
		put32(p, swRKey, wr.RKey)
		put64(p, swIOVA, wr.RemoteAddr)
	case use&useBind != 0:
		old, rkey := wr.Bind.MW.nextKey()
		put64(p, swMWAddr, wr.Bind.Addr)
		put64(p, swMWLen, wr.Bind.Length)
		put32(p, swMWLKey, wr.Bind.MR.lkey)
		put32(p, swMWOldKey, old)
		put32(p, swMWNewKey, rkey)
		put32(p, swMWAccess, uint32(wr.Bind.Access))
	}
	switch {
	case use&useImm != 0:
		put32(p, swEx, wr.Imm)
	case use&useInvalidate != 0:
		put32(p, swEx, wr.Invalidate)
	}
}

// putDatagram fills where a datagram goes.
func putDatagram(p unsafe.Pointer, wr *SendWR) {
	put32(p, swUDQPN, wr.RemoteQPN)
	put32(p, swUDQKey, wr.RemoteQKey)
	put32(p, swUDAH, wr.AH.num)
}

// clearState makes slot i of a send queue, which no request is in, look like
// one that is posted: 6.12 looks at the state of the slot behind the last
// request, and does not call the queue drained while it finds what the slot's
// last use left there.
func (r *ring) clearState(i uint32) { put32(r.slot(i), swState, 0) }

// writeRecv fills the slot at index i.
func (r *ring) writeRecv(i uint32, wr *RecvWR, length uint32) {
	p := r.slot(i)
	clear(unsafe.Slice((*byte)(p), recvWQESize))
	put64(p, rwrID, wr.WRID)
	putDMA(unsafe.Add(p, rwDMA), wr.SGL, length)
}

// putDMA fills a struct rxe_dma_info and its sge list; the rest of it is
// zero already.
func putDMA(p unsafe.Pointer, sgl []SGE, length uint32) {
	put32(p, 0, length)
	put32(p, 4, length) // resid
	put32(p, 12, uint32(len(sgl)))
	for i := range sgl {
		e := unsafe.Add(p, swDMASize+i*sgeSize)
		put64(e, 0, sgl[i].Addr)
		put32(e, 8, sgl[i].Length)
		put32(e, 12, sgl[i].LKey)
	}
}

// wcSize is the part of a completion slot that is used.
const wcSize = unsafe.Sizeof(hwcq.WC{})

// one1 views *p as a slice of one.
func one1[T any](p *T) []T { return unsafe.Slice(p, 1) }
