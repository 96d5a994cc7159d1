package hwcq_test

import (
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"github.com/evdengine/evd/hwcq"
)

// The layout of struct ib_uverbs_wc, linux include/uapi/rdma/ib_user_verbs.h.
func TestWCLayout(t *testing.T) {
	var w hwcq.WC
	assert.EqualValues(t, 48, unsafe.Sizeof(w))
	for _, f := range []struct {
		name            string
		offset, size    uintptr
		wantOff, wantSz uintptr
	}{
		{"wr_id", unsafe.Offsetof(w.WRID), unsafe.Sizeof(w.WRID), 0, 8},
		{"status", unsafe.Offsetof(w.Status), unsafe.Sizeof(w.Status), 8, 4},
		{"opcode", unsafe.Offsetof(w.Opcode), unsafe.Sizeof(w.Opcode), 12, 4},
		{"vendor_err", unsafe.Offsetof(w.VendorErr), unsafe.Sizeof(w.VendorErr), 16, 4},
		{"byte_len", unsafe.Offsetof(w.ByteLen), unsafe.Sizeof(w.ByteLen), 20, 4},
		{"ex.imm_data", unsafe.Offsetof(w.Imm), unsafe.Sizeof(w.Imm), 24, 4},
		{"qp_num", unsafe.Offsetof(w.QPNum), unsafe.Sizeof(w.QPNum), 28, 4},
		{"src_qp", unsafe.Offsetof(w.SrcQP), unsafe.Sizeof(w.SrcQP), 32, 4},
		{"wc_flags", unsafe.Offsetof(w.Flags), unsafe.Sizeof(w.Flags), 36, 4},
		{"pkey_index", unsafe.Offsetof(w.PKeyIndex), unsafe.Sizeof(w.PKeyIndex), 40, 2},
		{"slid", unsafe.Offsetof(w.SLID), unsafe.Sizeof(w.SLID), 42, 2},
		{"sl", unsafe.Offsetof(w.SL), unsafe.Sizeof(w.SL), 44, 1},
		{"dlid_path_bits", unsafe.Offsetof(w.DLIDPath), unsafe.Sizeof(w.DLIDPath), 45, 1},
		{"port_num", unsafe.Offsetof(w.Port), unsafe.Sizeof(w.Port), 46, 1},
	} {
		assert.Equal(t, f.wantOff, f.offset, "offset of %s", f.name)
		assert.Equal(t, f.wantSz, f.size, "size of %s", f.name)
	}
}

// Numbers and order of enum ib_wc_status, linux include/rdma/ib_verbs.h.
func TestStatusString(t *testing.T) {
	want := []struct {
		s    hwcq.Status
		text string
	}{
		{hwcq.StatusSuccess, "success"},
		{hwcq.StatusLocLenErr, "local length error"},
		{hwcq.StatusLocQPOpErr, "local QP operation error"},
		{hwcq.StatusLocEECOpErr, "local EEC operation error"},
		{hwcq.StatusLocProtErr, "local protection error"},
		{hwcq.StatusWRFlushErr, "WR flushed"},
		{hwcq.StatusMWBindErr, "memory window bind error"},
		{hwcq.StatusBadRespErr, "bad response"},
		{hwcq.StatusLocAccessErr, "local access error"},
		{hwcq.StatusRemInvReqErr, "remote invalid request"},
		{hwcq.StatusRemAccessErr, "remote access error"},
		{hwcq.StatusRemOpErr, "remote operation error"},
		{hwcq.StatusRetryExcErr, "transport retry count exceeded"},
		{hwcq.StatusRNRRetryExcErr, "RNR retry count exceeded"},
		{hwcq.StatusLocRDDViolErr, "local RDD violation"},
		{hwcq.StatusRemInvRDReqErr, "remote invalid RD request"},
		{hwcq.StatusRemAbortErr, "remote aborted"},
		{hwcq.StatusInvEECNErr, "invalid EE context number"},
		{hwcq.StatusInvEECStateErr, "invalid EE context state"},
		{hwcq.StatusFatalErr, "fatal error"},
		{hwcq.StatusRespTimeoutErr, "response timeout"},
		{hwcq.StatusGeneralErr, "general error"},
	}
	for i, w := range want {
		assert.EqualValues(t, i, w.s, w.text)
		assert.Equal(t, w.text, w.s.String())
	}
	next := hwcq.Status(len(want))
	assert.Equal(t, "status "+strconv.Itoa(len(want)), next.String(), "one more status than this test knows")
	assert.Equal(t, "status 4294967295", hwcq.Status(1<<32-1).String())
}

// Numbers of enum ib_wc_opcode, linux include/rdma/ib_verbs.h.
func TestOpcodeString(t *testing.T) {
	want := map[uint32]string{
		0: "send", 1: "rdma_write", 2: "rdma_read", 3: "comp_swap", 4: "fetch_add",
		5: "bind_mw", 6: "local_inv", 128: "recv", 129: "recv_rdma_with_imm",
	}
	for _, o := range []hwcq.Opcode{
		hwcq.OpSend, hwcq.OpRDMAWrite, hwcq.OpRDMARead, hwcq.OpCompSwap, hwcq.OpFetchAdd,
		hwcq.OpBindMW, hwcq.OpLocalInv, hwcq.OpRecv, hwcq.OpRecvRDMAWrite,
	} {
		assert.Equal(t, want[uint32(o)], o.String())
		delete(want, uint32(o))
	}
	assert.Empty(t, want)
	assert.Equal(t, "opcode 7", hwcq.Opcode(7).String())
}

// Bits of enum ib_wc_flags, linux include/rdma/ib_verbs.h.
func TestWCFlags(t *testing.T) {
	assert.EqualValues(t, 1, hwcq.FlagGRH)
	assert.EqualValues(t, 2, hwcq.FlagWithImm)
	assert.EqualValues(t, 4, hwcq.FlagWithInvalid)
}
