package uring

import (
	"fmt"

	"github.com/evdengine/evd/hwcq"
)

// Op is an io_uring operation: enum io_uring_op of linux
// include/uapi/linux/io_uring.h.
type Op uint8

// The operations that this package has constructors for.
const (
	OpNop         Op = 0
	OpFsync       Op = 3
	OpPollAdd     Op = 6
	OpTimeout     Op = 11
	OpAccept      Op = 13
	OpAsyncCancel Op = 14
	OpLinkTimeout Op = 15
	OpConnect     Op = 16
	OpClose       Op = 19
	OpRead        Op = 22
	OpWrite       Op = 23
	OpSend        Op = 26
	OpRecv        Op = 27
	OpShutdown    Op = 34
	OpMsgRing     Op = 40
)

var opNames = map[Op]string{
	OpNop: "nop", OpFsync: "fsync", OpPollAdd: "poll", OpTimeout: "timeout", OpAccept: "accept",
	OpAsyncCancel: "cancel", OpLinkTimeout: "link timeout", OpConnect: "connect", OpClose: "close",
	OpRead: "read", OpWrite: "write", OpSend: "send", OpRecv: "recv", OpShutdown: "shutdown", OpMsgRing: "message",
}

func (o Op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// opcodes is where the opcodes of io_uring begin among those of hwcq.WC.
const opcodes hwcq.Opcode = 0x100

// Opcode is what the WC.Opcode of a request's completion is: [hwcq.OpSend] for
// Send, [hwcq.OpRecv] for Recv, and 0x100 plus the number of the operation for the
// others.
func (o Op) Opcode() hwcq.Opcode {
	switch o {
	case OpSend:
		return hwcq.OpSend
	case OpRecv:
		return hwcq.OpRecv
	}
	return opcodes + hwcq.Opcode(o)
}

// opNone is no operation.
const opNone Op = 255

// OpOf is the operation whose completion wc is: the inverse of [Op.Opcode]. It is
// op(255) if wc is not from a ring.
func OpOf(wc hwcq.WC) Op {
	switch o := wc.Opcode; {
	case o == hwcq.OpSend:
		return OpSend
	case o == hwcq.OpRecv:
		return OpRecv
	case o >= opcodes && o < opcodes+hwcq.Opcode(opNone):
		return Op(o - opcodes)
	}
	return opNone
}

// Flags of a completion, beside those of package hwcq.
const (
	// FlagMore: the request is not finished, more completions follow
	// (IORING_CQE_F_MORE).
	FlagMore hwcq.WCFlags = 1 << 16

	// FlagBuffer: the data is in the buffer of a [Buffers] group whose id is
	// WC.Imm (IORING_CQE_F_BUFFER). It is the receiver's until Buffers.Return.
	FlagBuffer hwcq.WCFlags = 1 << 17

	// FlagNonEmpty: the socket had more to read (IORING_CQE_F_SOCK_NONEMPTY).
	FlagNonEmpty hwcq.WCFlags = 1 << 18
)

// Stats are the counters of a ring since Open.
type Stats struct {
	Submitted uint64 // requests that Submit took
	Completed uint64 // of them, those whose last completion was polled
	InFlight  int    // of them, those whose was not; up to Depth

	Enters    uint64 // io_uring_enter calls
	Overflows uint64 // times that the completion queue had overflown and the kernel was asked for the rest
	Lost      uint64 // completions that the kernel lost for want of memory (its overflow counter)
	Strange   uint64 // completions of no request of the ring, which were dropped
}
