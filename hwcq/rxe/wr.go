package rxe

import "fmt"

// SGE is one piece of registered memory.
type SGE struct {
	Addr   uint64 // virtual address, inside the MR
	Length uint32 // bytes
	LKey   uint32
}

// SendOp is what a send request does: enum ib_wr_opcode. Which of them a QP
// takes depends on its Transport: see the constants.
type SendOp uint32

// Send operations.
const (
	OpWrite       SendOp = 0 // RDMA write to RemoteAddr/RKey. RC, UC
	OpWriteImm    SendOp = 1 // the same, and consumes a receive of the peer, which gets Imm. RC, UC
	OpSend        SendOp = 2 // consumes a receive of the peer. RC, UC, UD
	OpSendImm     SendOp = 3 // the same; the peer's completion has Imm. RC, UC, UD
	OpRead        SendOp = 4 // RDMA read from RemoteAddr/RKey into SGL. RC
	OpCompareSwap SendOp = 5 // 8 bytes at RemoteAddr: if CompareAdd then Swap; the old value goes to SGL. RC
	OpFetchAdd    SendOp = 6 // 8 bytes at RemoteAddr: add CompareAdd; the old value goes to SGL. RC
	OpLocalInv    SendOp = 7 // invalidates the own memory window Invalidate; waits for all earlier requests. RC
	OpBindMW      SendOp = 8 // binds a memory window: Bind. RC, UC
	OpSendInv     SendOp = 9 // OpSend, and invalidates the peer's memory window Invalidate. RC
)

func (o SendOp) String() string {
	if int(o) < len(sendOps) {
		return sendOps[o].name
	}
	return fmt.Sprintf("send operation %d", uint32(o))
}

// SendFlags are the bits of SendWR.Flags: enum ib_send_flags.
type SendFlags uint32

// Send flags.
const (
	Fence     SendFlags = 1 << 0 // starts after all earlier reads and atomics are complete; RC
	Signaled  SendFlags = 1 << 1 // completes on the CQ also when it succeeds
	Solicited SendFlags = 1 << 2 // the peer's receive completion, if there is one, is solicited
	Inline    SendFlags = 1 << 3 // the data is copied into the request: see SendWR.InlineData
)

// SendWR is a send request. The zero Op is OpWrite: set it. Fields that the
// operation does not use are not looked at.
type SendWR struct {
	WRID  uint64 // returned in the completion
	Op    SendOp
	Flags SendFlags
	// SGL is gathered in order, or filled by OpRead and the atomics (8 bytes).
	// It must stay registered until completion.
	SGL []SGE
	// InlineData is sent instead of SGL when Flags has Inline. It may be any
	// memory and may be reused as soon as the post returned.
	InlineData []byte
	RemoteAddr uint64 // writes, OpRead, atomics (a multiple of 8)
	RKey       uint32 // writes, OpRead, atomics
	// Imm is the immediate data of OpSendImm and OpWriteImm. The peer's WC.Imm
	// has the same value if both hosts have the same byte order. A C peer that
	// calls ntohl sees the bytes reversed: give it bits.ReverseBytes32.
	Imm        uint32
	Invalidate uint32 // OpSendInv, OpLocalInv: an rkey
	CompareAdd uint64 // OpCompareSwap: compared; OpFetchAdd: added
	Swap       uint64 // OpCompareSwap
	Bind       *Bind  // OpBindMW; may be reused as soon as the post returned

	AH         *AH    // UD: where to; must stay open until completion
	RemoteQPN  uint32 // UD: the QP there
	RemoteQKey uint32 // UD: its Q_Key
}

// Bind says what OpBindMW does: Length bytes from Addr on, inside MR, become
// accessible by MW's rkey. The post gives MW a new rkey; see [MW.RKey].
type Bind struct {
	MW     *MW
	MR     *MR    // has BindMW access
	Addr   uint64 // as SendWR.RemoteAddr of the peer will name it
	Length uint64
	Access Access // RemoteWrite, RemoteRead, RemoteAtomic; writing and atomics need the MR's LocalWrite
}

// RecvWR is a receive request.
type RecvWR struct {
	WRID uint64 // returned in the completion
	// SGL is filled in order; it may be empty for zero-length messages. On a
	// UD QP the first [GRHLen] bytes are not the message's: see there.
	SGL []SGE
}

// GRHLen is how many bytes of a UD receive come before the message. They hold
// the network header of the packet: an IPv6 header, or 20 bytes of nothing
// and an IPv4 header. WC.ByteLen counts them.
// [GRHSource] reads them.
const GRHLen = 40

// GRHSource returns where a datagram came from: the GID to open an AH to, for
// an answer. b is the start of the memory of a UD receive. It is zero if b
// holds no network header.
func GRHSource(b []byte) (g GID) {
	switch {
	case len(b) < GRHLen:
	case b[0]>>4 == 6:
		copy(g[:], b[8:24])
	case b[20]>>4 == 4:
		g[10], g[11] = 0xff, 0xff
		copy(g[12:], b[32:36])
	}
	return g
}

// Transport is the service of a QP: enum ib_qp_type.
type Transport uint8

// Transports.
const (
	// RC: reliable connection. Every request is acknowledged, lost packets
	// are sent again, all operations.
	RC Transport = iota
	// UC: unreliable connection. Messages that lose a packet, or find no
	// receive, vanish; sends and writes only.
	UC
	// UD: unreliable datagram. Each request names its destination; sends only,
	// of one packet.
	UD
	transports
)

func (t Transport) String() string {
	if t < transports {
		return [...]string{"RC", "UC", "UD"}[t]
	}
	return fmt.Sprintf("transport %d", uint8(t))
}

// opInfo is what a send operation is like. rxe does not check the requests of
// user space (it does those of the kernel, by rxe_wr_opcode_info in linux
// drivers/infiniband/sw/rxe/rxe_opcode.c): what it cannot do it fails, with
// the whole QP, and what lies beyond its table it must not see.
type opInfo struct {
	name string
	on   uint8     // bit per Transport
	no   SendFlags // flags it does not take
	use  opUse
}

// opUse is what an operation reads of a request.
type opUse uint8

const (
	useRemote opUse = 1 << iota // RemoteAddr, RKey
	useAtomic                   // CompareAdd, Swap, and 8 bytes of SGL
	useImm
	useInvalidate
	useBind
	useNoData // SGL must be empty
)

const onRC, onUC, onUD = 1 << RC, 1 << UC, 1 << UD

var sendOps = [...]opInfo{
	OpWrite:       {"RDMA write", onRC | onUC, 0, useRemote},
	OpWriteImm:    {"RDMA write with immediate", onRC | onUC, 0, useRemote | useImm},
	OpSend:        {"send", onRC | onUC | onUD, 0, 0},
	OpSendImm:     {"send with immediate", onRC | onUC | onUD, 0, useImm},
	OpRead:        {"RDMA read", onRC, Inline, useRemote},
	OpCompareSwap: {"compare and swap", onRC, Inline, useRemote | useAtomic},
	OpFetchAdd:    {"fetch and add", onRC, Inline, useRemote | useAtomic},
	OpLocalInv:    {"local invalidate", onRC, Inline, useInvalidate | useNoData},
	OpBindMW:      {"bind memory window", onRC | onUC, Inline, useBind | useNoData},
	OpSendInv:     {"send with invalidate", onRC, 0, useInvalidate},
}
