package uring

// The ABI of io_uring: linux include/uapi/linux/io_uring.h. The numbers are the same
// on every architecture that this package runs on.

// System calls.
const (
	sysSetup    = 425
	sysEnter    = 426
	sysRegister = 427
)

// Flags of io_uring_setup: IORING_SETUP_*.
const (
	setupSQPoll       = 1 << 1
	setupCQSize       = 1 << 3
	setupRDisabled    = 1 << 6
	setupSubmitAll    = 1 << 7  // 5.18
	setupCoopTaskrun  = 1 << 8  // 5.19
	setupTaskrunFlag  = 1 << 9  // 5.19
	setupSingleIssuer = 1 << 12 // 6.0
	setupDeferTaskrun = 1 << 13 // 6.1
	setupNoSQArray    = 1 << 16 // 6.6
)

// Features of a ring: IORING_FEAT_*.
const (
	featSingleMmap     = 1 << 0  // 5.4
	featNoDrop         = 1 << 1  // 5.5
	featSubmitStable   = 1 << 2  // 5.5
	featFastPoll       = 1 << 5  // 5.7
	featSQPollNonfixed = 1 << 7  // 5.11
	featExtArg         = 1 << 8  // 5.11
	featCQESkip        = 1 << 11 // 5.17
)

// Flags of io_uring_enter: IORING_ENTER_*.
const (
	enterGetEvents = 1 << 0
	enterSQWakeup  = 1 << 1
)

// Operations of io_uring_register: IORING_REGISTER_*.
const (
	registerEventFD     = 4
	registerProbe       = 8
	registerEnableRings = 12
	registerPbufRing    = 22 // 5.19
	unregisterPbufRing  = 23
	registerSyncCancel  = 24 // 6.0
)

// Offsets for mmap: IORING_OFF_*.
const (
	offSQRing = 0
	offSQEs   = 0x10000000
)

// Bits of the flags word of the submission queue: IORING_SQ_*.
const (
	sqNeedWakeup = 1 << 0
	sqCQOverflow = 1 << 1
	sqTaskrun    = 1 << 2
)

// cqEventFDDisabled is the bit of the flags word of the completion queue that keeps
// the eventfd quiet: IORING_CQ_EVENTFD_DISABLED.
const cqEventFDDisabled = 1 << 0

// Flags of a completion: IORING_CQE_F_*.
const (
	cqeBuffer   = 1 << 0
	cqeMore     = 1 << 1
	cqeNonEmpty = 1 << 2

	cqeBufferShift = 16
)

// Flags of IORING_OP_ASYNC_CANCEL and IORING_REGISTER_SYNC_CANCEL:
// IORING_ASYNC_CANCEL_*.
const (
	cancelAll = 1 << 0
	cancelFD  = 1 << 1
	cancelAny = 1 << 2
)

// Flags of single operations.
const (
	fsyncDataSync   = 1 << 0 // IORING_FSYNC_DATASYNC
	acceptMultishot = 1 << 0 // IORING_ACCEPT_MULTISHOT, 5.19
	recvMultishot   = 1 << 1 // IORING_RECV_MULTISHOT, 6.0
	pollMultishot   = 1 << 0 // IORING_POLL_ADD_MULTI, 5.13
	msgWaitAll      = 0x100  // MSG_WAITALL of recv(2)
)

// messageBit is set in the user_data of messages from other rings, and in that of no
// request.
const messageBit = 1 << 63

// params is struct io_uring_params, 120 bytes.
type params struct {
	sqEntries    uint32
	cqEntries    uint32
	flags        uint32
	sqThreadCPU  uint32
	sqThreadIdle uint32
	features     uint32
	wqFD         uint32
	resv         [3]uint32
	sqOff        sqOffsets
	cqOff        cqOffsets
}

// sqOffsets is struct io_sqring_offsets.
type sqOffsets struct {
	head, tail, mask, entries, flags, dropped, array, resv uint32
	userAddr                                               uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, mask, entries, overflow, cqes, flags, resv uint32
	userAddr                                               uint64
}

// cqe is struct io_uring_cqe, 16 bytes.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

// syncCancel is struct io_uring_sync_cancel_reg, 64 bytes.
type syncCancel struct {
	_       uint64 // addr
	fd      int32
	flags   uint32
	timeout [2]int64
	_       [4]uint64 // opcode and padding
}

// opProbe is struct io_uring_probe with room for every operation, 16 + 256*8 bytes.
type opProbe struct {
	_     uint8 // last_op
	count uint8 // entries of ops that the kernel has filled
	_     [14]byte
	ops   [256]struct {
		op    uint8
		_     uint8
		flags uint16
		_     uint32
	}
}

// opSupported is IO_URING_OP_SUPPORTED.
const opSupported = 1 << 0
