package hwcq

import "strconv"

// WC is a work completion. Its layout is that of struct ib_uverbs_wc in
// linux include/uapi/rdma/ib_user_verbs.h (48 bytes), so that a driver over a
// mapped ring copies it in one move.
//
// When Status is not StatusSuccess only WRID, Status, VendorErr and QPNum are
// meaningful.
type WC struct {
	WRID      uint64 // the cookie given with the work request
	Status    Status
	Opcode    Opcode
	VendorErr uint32
	ByteLen   uint32
	Imm       uint32 // immediate data or invalidated rkey, as it came from the wire
	QPNum     uint32
	SrcQP     uint32
	Flags     WCFlags
	PKeyIndex uint16
	SLID      uint16
	SL        uint8
	DLIDPath  uint8
	Port      uint8
	_         uint8
}

// Status is the result of a work request: enum ib_wc_status of linux
// include/rdma/ib_verbs.h.
type Status uint32

// Work completion statuses.
const (
	StatusSuccess Status = iota
	StatusLocLenErr
	StatusLocQPOpErr
	StatusLocEECOpErr
	StatusLocProtErr
	StatusWRFlushErr
	StatusMWBindErr
	StatusBadRespErr
	StatusLocAccessErr
	StatusRemInvReqErr
	StatusRemAccessErr
	StatusRemOpErr
	StatusRetryExcErr
	StatusRNRRetryExcErr
	StatusLocRDDViolErr
	StatusRemInvRDReqErr
	StatusRemAbortErr
	StatusInvEECNErr
	StatusInvEECStateErr
	StatusFatalErr
	StatusRespTimeoutErr
	StatusGeneralErr
)

var statusNames = [...]string{
	"success", "local length error", "local QP operation error",
	"local EEC operation error", "local protection error", "WR flushed",
	"memory window bind error", "bad response", "local access error",
	"remote invalid request", "remote access error", "remote operation error",
	"transport retry count exceeded", "RNR retry count exceeded",
	"local RDD violation", "remote invalid RD request", "remote aborted",
	"invalid EE context number", "invalid EE context state", "fatal error",
	"response timeout", "general error",
}

func (s Status) String() string {
	if s < Status(len(statusNames)) { // not int(s), which 32 bits can make negative
		return statusNames[s]
	}
	return "status " + strconv.FormatUint(uint64(s), 10)
}

// Opcode is the operation that completed: enum ib_wc_opcode.
type Opcode uint32

// Work completion opcodes.
const (
	OpSend          Opcode = 0
	OpRDMAWrite     Opcode = 1
	OpRDMARead      Opcode = 2
	OpCompSwap      Opcode = 3
	OpFetchAdd      Opcode = 4
	OpBindMW        Opcode = 5
	OpLocalInv      Opcode = 6
	OpRecv          Opcode = 128
	OpRecvRDMAWrite Opcode = 129 // receive consumed by an RDMA WRITE with immediate
)

func (o Opcode) String() string {
	switch o {
	case OpSend:
		return "send"
	case OpRDMAWrite:
		return "rdma_write"
	case OpRDMARead:
		return "rdma_read"
	case OpCompSwap:
		return "comp_swap"
	case OpFetchAdd:
		return "fetch_add"
	case OpBindMW:
		return "bind_mw"
	case OpLocalInv:
		return "local_inv"
	case OpRecv:
		return "recv"
	case OpRecvRDMAWrite:
		return "recv_rdma_with_imm"
	}
	return "opcode " + strconv.FormatUint(uint64(o), 10)
}

// WCFlags are the bits of WC.Flags: enum ib_wc_flags.
type WCFlags uint32

// Work completion flags.
const (
	FlagGRH         WCFlags = 1 << 0
	FlagWithImm     WCFlags = 1 << 1
	FlagWithInvalid WCFlags = 1 << 2
)
