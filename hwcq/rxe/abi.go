//go:build linux && (amd64 || arm64)

package rxe

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The uverbs ABI: linux include/uapi/rdma/ib_user_verbs.h,
// ib_user_ioctl_cmds.h, rdma_user_ioctl_cmds.h and rdma_user_rxe.h. Layouts
// are equal in 6.1 and 6.12 and the same on amd64 and arm64.

// Write commands: enum ib_uverbs_write_cmds.
const (
	cmdGetContext    = 0
	cmdQueryDevice   = 1
	cmdQueryPort     = 2
	cmdAllocPD       = 3
	cmdDeallocPD     = 4
	cmdRegMR         = 9
	cmdDeregMR       = 13
	cmdCreateChannel = 17
	cmdCreateCQ      = 18
	cmdDestroyCQ     = 20
	cmdReqNotifyCQ   = 23
	cmdCreateQP      = 24
	cmdQueryQP       = 25
	cmdModifyQP      = 26
	cmdDestroyQP     = 27
	cmdPostSend      = 28
)

// Attributes of modify and query QP: enum ib_qp_attr_mask.
const (
	qpState           = 1 << 0
	qpAccessFlags     = 1 << 3
	qpPKeyIndex       = 1 << 4
	qpPort            = 1 << 5
	qpAV              = 1 << 7
	qpPathMTU         = 1 << 8
	qpTimeout         = 1 << 9
	qpRetryCnt        = 1 << 10
	qpRNRRetry        = 1 << 11
	qpRQPSN           = 1 << 12
	qpMaxRDAtomic     = 1 << 13
	qpMinRNRTimer     = 1 << 15
	qpSQPSN           = 1 << 16
	qpMaxDestRDAtomic = 1 << 17
	qpDestQPN         = 1 << 20
)

const (
	qpTypeRC   = 2  // enum ib_qp_type
	sendWRSize = 56 // struct ib_uverbs_send_wr, the least wqe_size of POST_SEND
	cmdHdrSize = 8  // struct ib_uverbs_cmd_hdr
	mmInfoSize = 16 // struct mminfo
	gidEntSize = 32 // struct ib_uverbs_gid_entry
	maxQPN     = 1<<24 - 1
	portNum    = 1 // an rxe device has one port
)

var le = binary.LittleEndian

// mmInfo says where a queue can be mapped: struct mminfo.
type mmInfo struct {
	offset uint64
	size   uint32
}

func getMMInfo(b []byte) mmInfo {
	return mmInfo{offset: le.Uint64(b), size: le.Uint32(b[8:])}
}

// words builds a command body of u32 words after n leading u64s.
func words(lead []uint64, w ...uint32) []byte {
	b := make([]byte, 0, 8*len(lead)+4*len(w))
	for _, v := range lead {
		b = le.AppendUint64(b, v)
	}
	for _, v := range w {
		b = le.AppendUint32(b, v)
	}
	return b
}

// resp is the response pointer at the start of most bodies. The ioctl way
// passes the response separately and the kernel ignores this one.
var resp = []uint64{0}

func encQueryPort(port uint8) []byte { return words(resp, uint32(port), 0) }

func encRegMR(addr, length uint64, pd uint32, access Access) []byte {
	return words([]uint64{0, addr, length, addr}, pd, uint32(access))
}

func encCreateCQ(user uint64, depth, vector uint32, channelFD int32) []byte {
	return words([]uint64{0, user}, depth, vector, uint32(channelFD), 0)
}

func encCreateQP(user uint64, pd, scq, rcq uint32, c QPConfig) []byte {
	var sigAll uint32
	if c.SignalAll {
		sigAll = 1
	}
	return words([]uint64{0, user}, pd, scq, rcq, 0,
		uint32(c.SendDepth), uint32(c.RecvDepth), uint32(c.MaxSGE), uint32(c.MaxSGE),
		uint32(c.Inline), sigAll|qpTypeRC<<8)
}

// qpModify is what Connect and SetError change: struct ib_uverbs_modify_qp.
type qpModify struct {
	handle, mask uint32
	state        State
	access       Access
	remote       Dest
	localPSN     uint32
	sgid         uint8
	mtu          uint8
	timeout      uint8
	retry, rnr   uint8
	minRNR       uint8
	rdAtomic     uint8 // outstanding RDMA reads and atomics, both directions
}

func (m *qpModify) encode() []byte {
	b := make([]byte, 112)
	copy(b, m.remote.GID[:])
	le.PutUint16(b[20:], m.remote.LID)
	b[24] = m.sgid
	b[25] = 64 // hop limit: let it cross routers
	b[30] = 1  // is_global: RoCE always has a GRH
	b[31] = portNum
	le.PutUint32(b[64:], m.handle)
	le.PutUint32(b[68:], m.mask)
	le.PutUint32(b[76:], m.remote.PSN)
	le.PutUint32(b[80:], m.localPSN)
	le.PutUint32(b[84:], m.remote.QPN)
	le.PutUint32(b[88:], uint32(m.access))
	b[96] = uint8(m.state)
	b[98] = m.mtu
	b[101] = m.rdAtomic
	b[102] = m.rdAtomic
	b[103] = m.minRNR
	b[104] = portNum
	b[105] = m.timeout
	b[106] = m.retry
	b[107] = m.rnr
	return b
}

// short is the error of a response that is not as long as it must be.
func short(what string, b []byte, want int) error {
	return fmt.Errorf("%w: %s: %d bytes, want %d", ErrCorrupt, what, len(b), want)
}

func decQueryDevice(b []byte) (DeviceAttr, error) {
	if len(b) < 176 {
		return DeviceAttr{}, short("query device", b, 176)
	}
	u := func(off int) int { return int(le.Uint32(b[off:])) }
	return DeviceAttr{
		MaxQP: u(52), MaxQPWR: u(56), MaxSGE: u(64), MaxCQ: u(72), MaxCQE: u(76),
		MaxMR: u(80), MaxPD: u(84), Ports: int(b[171]),
	}, nil
}

func decQueryPort(b []byte) (PortAttr, error) {
	if len(b) < 40 {
		return PortAttr{}, short("query port", b, 40)
	}
	return PortAttr{
		GIDTableLen: int(le.Uint32(b[16:])), State: PortState(b[26]),
		MaxMTU: mtuBytes(b[27]), ActiveMTU: mtuBytes(b[28]), LinkLayer: b[37],
	}, nil
}

func decQueryQP(b []byte) (QPAttr, error) {
	if len(b) < 128 {
		return QPAttr{}, short("query QP", b, 128)
	}
	return QPAttr{
		RQPSN: le.Uint32(b[88:]), SQPSN: le.Uint32(b[92:]), DestQPN: le.Uint32(b[96:]),
		State: State(b[108]), PathMTU: mtuBytes(b[110]),
	}, nil
}

// decGIDs reads n entries of a QUERY_GID_TABLE answer.
func decGIDs(b []byte, n uint64) ([]GIDEntry, error) {
	if n > uint64(len(b)/gidEntSize) {
		return nil, fmt.Errorf("%w: %d GIDs in %d bytes", ErrCorrupt, n, len(b))
	}
	gids := make([]GIDEntry, n)
	for i := range gids {
		e := b[i*gidEntSize:]
		gids[i] = GIDEntry{
			GID: GID(e[:16]), Index: int(le.Uint32(e[16:])), Port: int(le.Uint32(e[20:])),
			Type: GIDType(le.Uint32(e[24:])), IfIndex: int(le.Uint32(e[28:])),
		}
	}
	return gids, nil
}

// cqCreated is the answer to CREATE_CQ.
type cqCreated struct {
	handle, depth uint32
	ring          mmInfo
}

func decCreateCQ(core, driver []byte) (cqCreated, error) {
	if len(core) < 8 || len(driver) < mmInfoSize {
		return cqCreated{}, short("create CQ", core, 8)
	}
	return cqCreated{handle: le.Uint32(core), depth: le.Uint32(core[4:]), ring: getMMInfo(driver)}, nil
}

// qpCreated is the answer to CREATE_QP.
type qpCreated struct {
	handle, qpn                                    uint32
	sendDepth, recvDepth, sendSGE, recvSGE, inline uint32
	rq, sq                                         mmInfo
}

func decCreateQP(core, driver []byte) (qpCreated, error) {
	if len(core) < 32 || len(driver) < 2*mmInfoSize {
		return qpCreated{}, short("create QP", core, 32)
	}
	return qpCreated{
		handle: le.Uint32(core), qpn: le.Uint32(core[4:]),
		sendDepth: le.Uint32(core[8:]), recvDepth: le.Uint32(core[12:]),
		sendSGE: le.Uint32(core[16:]), recvSGE: le.Uint32(core[20:]), inline: le.Uint32(core[24:]),
		rq: getMMInfo(driver), sq: getMMInfo(driver[mmInfoSize:]), // receive queue first
	}, nil
}

// asyncDesc is one event read from the async fd: struct
// ib_uverbs_async_event_desc.
type asyncDesc struct {
	element uint64 // user handle, or the port number
	kind    AsyncType
}

func decAsync(b []byte) (asyncDesc, error) {
	if len(b) < 16 {
		return asyncDesc{}, short("async event", b, 16)
	}
	return asyncDesc{element: le.Uint64(b), kind: AsyncType(le.Uint32(b[8:]))}, nil
}

// hotCommand writes a whole write() command into dst: header, then body.
func hotCommand(dst []byte, cmd uint32, body []byte, outWords uint16) int {
	n := cmdHdrSize + len(body)
	le.PutUint32(dst, cmd)
	le.PutUint16(dst[4:], uint16(n/4))
	le.PutUint16(dst[6:], outWords)
	copy(dst[cmdHdrSize:], body)
	return n
}

// ackCode is the exponent n of the shortest timeout that is at least d.
func ackCode(d time.Duration) uint8 {
	n := uint8(1)
	for n < 31 && ackUnit<<n < d {
		n++
	}
	return n
}

// retryCount maps the public retry numbers, in which 0 means the default, to
// the ABI's.
func retryCount(n int) uint8 {
	if n < 0 {
		return 0
	}
	return uint8(n)
}
