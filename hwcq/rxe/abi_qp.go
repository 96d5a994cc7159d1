//go:build linux && (amd64 || arm64)

package rxe

import "time"

// Attributes of modify and query QP: enum ib_qp_attr_mask.
const (
	qpState           = 1 << 0
	qpAccessFlags     = 1 << 3
	qpPKeyIndex       = 1 << 4
	qpPort            = 1 << 5
	qpQKey            = 1 << 6
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

// qpTypes is enum ib_qp_type.
var qpTypes = [transports]uint32{RC: 2, UC: 3, UD: 4}

func encCreateQP(user uint64, pd, scq, rcq uint32, c QPConfig) []byte {
	kind, srq := qpTypes[c.Type]<<8, uint32(0)
	if c.SignalAll {
		kind |= 1 // sq_sig_all
	}
	if c.SRQ != nil {
		kind |= 1 << 16 // is_srq
		srq = c.SRQ.handle
	}
	return words([]uint64{0, user}, pd, scq, rcq, srq,
		uint32(c.SendDepth), uint32(c.RecvDepth), uint32(c.MaxSGE), uint32(c.MaxSGE),
		uint32(c.Inline), kind)
}

// pathAttr is the way to a peer: struct ib_uverbs_qp_dest and
// ib_uverbs_ah_attr.
type pathAttr struct {
	remote       GID
	sgid, tclass uint8
	flow         uint32
}

// hopLimit lets packets cross routers. Linux (core/verbs.c) puts the route's
// in its place.
const hopLimit = 64

// qpModify is what a modify changes: struct ib_uverbs_modify_qp.
type qpModify struct {
	handle, mask uint32
	state        State
	access       Access
	path         pathAttr
	remote       Dest
	localPSN     uint32
	qkey         uint32
	mtu          uint8
	timeout      uint8
	retry, rnr   uint8
	minRNR       uint8
	initRD       uint8 // own reads and atomics outstanding
	destRD       uint8 // the peer's
}

func (m *qpModify) encode() []byte {
	b := make([]byte, 112)
	copy(b, m.path.remote[:])
	le.PutUint32(b[16:], m.path.flow)
	le.PutUint16(b[20:], m.remote.LID)
	b[24] = m.path.sgid
	b[25] = hopLimit
	b[26] = m.path.tclass
	b[30] = 1 // is_global: RoCE always has a GRH
	b[31] = portNum
	le.PutUint32(b[64:], m.handle)
	le.PutUint32(b[68:], m.mask)
	le.PutUint32(b[72:], m.qkey)
	le.PutUint32(b[76:], m.remote.PSN)
	le.PutUint32(b[80:], m.localPSN)
	le.PutUint32(b[84:], m.remote.QPN)
	le.PutUint32(b[88:], uint32(m.access))
	b[96] = uint8(m.state)
	b[98] = m.mtu
	b[101] = m.initRD
	b[102] = m.destRD
	b[103] = m.minRNR
	b[104] = portNum
	b[105] = m.timeout
	b[106] = m.retry
	b[107] = m.rnr
	return b
}

// encCreateAH is struct ib_uverbs_create_ah.
func encCreateAH(pd uint32, p pathAttr) []byte {
	b := words([]uint64{0, 0}, pd, 0)
	a := make([]byte, 32)
	copy(a, p.remote[:])
	le.PutUint32(a[16:], p.flow)
	a[20], a[21], a[22] = p.sgid, hopLimit, p.tclass
	a[29] = 1 // is_global
	a[30] = portNum
	return append(b, a...)
}

func decQueryQP(b []byte) (QPAttr, error) {
	if len(b) < 128 {
		return QPAttr{}, short("query QP", b, 128)
	}
	u := func(off int) uint32 { return le.Uint32(b[off:]) }
	return QPAttr{
		State: State(b[108]), SQDraining: b[112] != 0,
		RemoteGID: GID(b[:16]), FlowLabel: u(16), SGIDIndex: int(b[24]),
		HopLimit: b[25], TrafficClass: b[26],
		SendDepth: int(u(64)), RecvDepth: int(u(68)), SendSGE: int(u(72)), RecvSGE: int(u(76)), Inline: int(u(80)),
		QKey: u(84), RQPSN: u(88), SQPSN: u(92), DestQPN: u(96), Access: Access(u(100)),
		PathMTU: mtuBytes(b[110]), MaxRDAtomic: int(b[113]), MaxDestRDAtomic: int(b[114]), MinRNRTimer: int(b[115]),
		AckTimeout: ackTime(b[117]), Retries: int(b[118]), RNRRetries: int(b[119]), SignalAll: b[122] != 0,
	}, nil
}

func decQuerySRQ(b []byte) (SRQAttr, error) {
	if len(b) < 16 {
		return SRQAttr{}, short("query SRQ", b, 16)
	}
	return SRQAttr{Depth: int(le.Uint32(b)), MaxSGE: int(le.Uint32(b[4:])), Limit: int(le.Uint32(b[8:]))}, nil
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

// ackTime is the reverse of ackCode; 0 is for ever.
func ackTime(code uint8) time.Duration {
	if code == 0 || code > 31 {
		return 0
	}
	return ackUnit << code
}
