//go:build verbs && cgo && linux

package verbs

// #include "evd_verbs.h"
import "C"

import (
	"syscall"
	"unsafe"

	"github.com/evdengine/evd/hwcq/rxe"
)

type cQP = C.struct_ibv_qp

// The pieces of requests are handed over as they are.
var _ [unsafe.Sizeof(C.struct_ibv_sge{})]byte = [unsafe.Sizeof(rxe.SGE{})]byte{}

// capacity is what a queue pair has room for.
type capacity struct{ sends, recvs, pieces, inline int }

func openQP(pd *cPD, send, recv *cCQ, id uint64, signalAll bool, want capacity) (qp *cQP, has capacity, err error) {
	c := C.struct_ibv_qp_cap{
		max_send_wr: C.uint32_t(want.sends), max_recv_wr: C.uint32_t(want.recvs),
		max_send_sge: C.uint32_t(want.pieces), max_recv_sge: C.uint32_t(want.pieces),
		max_inline_data: C.uint32_t(want.inline),
	}
	err = errnoOf(C.evd_qp_open(pd, send, recv, C.uint64_t(id), cBool(signalAll), &c, &qp))
	return qp, capacity{
		sends: int(c.max_send_wr), recvs: int(c.max_recv_wr),
		pieces: int(min(c.max_send_sge, c.max_recv_sge)), inline: int(c.max_inline_data),
	}, err
}

func destroyQP(qp *cQP) error { return errnoOf(C.ibv_destroy_qp(qp)) }

func numberOf(qp *cQP) uint32 { return uint32(qp.qp_num) }

func initQP(qp *cQP, port int, access rxe.Access) error {
	return errnoOf(C.evd_qp_init(qp, C.int(port), C.int(access)))
}

func errorQP(qp *cQP) error { return errnoOf(C.evd_qp_error(qp)) }

func connectQP(qp *cQP, p path) error {
	c := C.struct_evd_path{
		qpn: C.uint32_t(p.remote.QPN), psn: C.uint32_t(p.remote.PSN), local_psn: C.uint32_t(p.local),
		lid: C.uint16_t(p.remote.LID), global: C.uint8_t(cBool(p.global)), port: C.uint8_t(p.port),
		sgid: C.uint8_t(p.sgid), mtu: C.uint8_t(mtuCode(p.c.MTU)),
		atomics: C.uint8_t(p.c.MaxRDAtomic), dest_atomics: C.uint8_t(p.c.MaxDestRDAtomic),
		timeout: C.uint8_t(ackCode(p.c.AckTimeout)), retries: C.uint8_t(retryCount(p.c.Retries)),
		rnr_retries: C.uint8_t(retryCount(p.c.RNRRetries)), rnr_timer: C.uint8_t(p.c.MinRNRTimer),
		hop_limit: hops, traffic_class: C.uint8_t(p.c.TrafficClass), flow_label: C.uint32_t(p.c.FlowLabel),
	}
	for i, b := range p.remote.GID {
		c.gid[i] = C.uint8_t(b)
	}
	return errnoOf(C.evd_qp_connect(qp, &c))
}

// hops is how many routers a packet may pass where the device looks at that.
const hops = 64

func queryQP(qp *cQP) (rxe.QPAttr, error) {
	var a C.struct_ibv_qp_attr
	if err := errnoOf(C.evd_qp_query(qp, &a)); err != nil {
		return rxe.QPAttr{}, err
	}
	grh := a.ah_attr.grh
	return rxe.QPAttr{
		State: rxe.State(a.qp_state), SQDraining: a.sq_draining != 0,
		DestQPN: uint32(a.dest_qp_num), RQPSN: uint32(a.rq_psn), SQPSN: uint32(a.sq_psn),
		Access: rxe.Access(a.qp_access_flags), PathMTU: mtuBytes(int(a.path_mtu)),
		RemoteGID: rxe.GID(grh.dgid), SGIDIndex: int(grh.sgid_index), FlowLabel: uint32(grh.flow_label),
		HopLimit: uint8(grh.hop_limit), TrafficClass: uint8(grh.traffic_class),
		MaxRDAtomic: int(a.max_rd_atomic), MaxDestRDAtomic: int(a.max_dest_rd_atomic), MinRNRTimer: int(a.min_rnr_timer),
		AckTimeout: ackUnit << uint(a.timeout), Retries: int(a.retry_cnt), RNRRetries: int(a.rnr_retry),
		SendDepth: int(a.cap.max_send_wr), RecvDepth: int(a.cap.max_recv_wr),
		SendSGE: int(a.cap.max_send_sge), RecvSGE: int(a.cap.max_recv_sge), Inline: int(a.cap.max_inline_data),
	}, nil
}

// sendList and recvList are requests on their way to C. Their memory has no
// pointers that the collector must know: the pieces are registered memory, and
// inline data is copied to memory outside the heap, a slot for each request.
//
// Owner: who holds the queue's lock.
type sendList struct {
	wr     [batch]C.struct_evd_send
	n      int
	sges   []rxe.SGE
	inline []byte // mapped; nil if requests have none
	slot   int    // bytes a request in it
}

type recvList struct {
	wr   [batch]C.struct_evd_recv
	n    int
	sges []rxe.SGE
}

func (l *sendList) reset() { l.n, l.sges = 0, l.sges[:0] }
func (l *recvList) reset() { l.n, l.sges = 0, l.sges[:0] }

// add appends a request that was found right.
func (l *sendList) add(wr *rxe.SendWR) {
	w := &l.wr[l.n]
	*w = C.struct_evd_send{
		wr_id: C.uint64_t(wr.WRID), opcode: C.uint32_t(wr.Op), flags: C.uint32_t(wr.Flags),
		remote_addr: C.uint64_t(wr.RemoteAddr), rkey: C.uint32_t(wr.RKey), imm: C.uint32_t(wr.Imm),
		compare_add: C.uint64_t(wr.CompareAdd), swap: C.uint64_t(wr.Swap),
	}
	if wr.Op == rxe.OpSendInv {
		w.imm = C.uint32_t(wr.Invalidate) // one field of struct ibv_send_wr
	}
	if wr.Flags&rxe.Inline != 0 {
		if len(wr.InlineData) > 0 {
			to := l.inline[l.n*l.slot:][:l.slot]
			copy(to, wr.InlineData)
			w.pieces = 1
			l.sges = append(l.sges, rxe.SGE{Addr: uint64(uintptr(unsafe.Pointer(&to[0]))), Length: uint32(len(wr.InlineData))})
		}
	} else {
		w.pieces = C.uint32_t(len(wr.SGL))
		l.sges = append(l.sges, wr.SGL...)
	}
	l.n++
}

func (l *recvList) add(wr *rxe.RecvWR) {
	l.wr[l.n] = C.struct_evd_recv{wr_id: C.uint64_t(wr.WRID), pieces: C.uint32_t(len(wr.SGL))}
	l.n++
	l.sges = append(l.sges, wr.SGL...)
}

// post hands the list over, and returns how many were taken; errno is about the
// next.
func (l *sendList) post(qp *cQP) (n int, errno syscall.Errno) {
	return taken(C.evd_post_send(qp, &l.wr[0], C.int(l.n), cSGEs(l.sges)))
}

func (l *recvList) post(qp *cQP) (n int, errno syscall.Errno) {
	return taken(C.evd_post_recv(qp, &l.wr[0], C.int(l.n), cSGEs(l.sges)))
}

func cSGEs(s []rxe.SGE) *C.struct_ibv_sge {
	return (*C.struct_ibv_sge)(unsafe.Pointer(unsafe.SliceData(s)))
}

func taken(r C.uint64_t) (int, syscall.Errno) { return int(r >> 32), syscall.Errno(uint32(r)) }
