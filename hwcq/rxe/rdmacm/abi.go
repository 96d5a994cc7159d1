//go:build linux && (amd64 || arm64)

package rdmacm

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The ABI of /dev/infiniband/rdma_cm: linux include/uapi/rdma/rdma_user_cm.h.
// Layouts are equal in 6.1 and 6.12 and the same on amd64 and arm64.

// Commands: enum in rdma_user_cm.h.
const (
	cmdCreateID     = 0
	cmdDestroyID    = 1
	cmdResolveRoute = 4
	cmdConnect      = 6
	cmdListen       = 7
	cmdAccept       = 8
	cmdReject       = 9
	cmdDisconnect   = 10
	cmdInitQPAttr   = 11
	cmdGetEvent     = 12
	cmdSetOption    = 14
	cmdQuery        = 19
	cmdBind         = 20
	cmdResolveAddr  = 21
)

const (
	hdrSize     = 8      // struct rdma_ucm_cmd_hdr
	portTCP     = 0x0106 // RDMA_PS_TCP
	qpTypeRC    = 2      // enum ib_qp_type
	addrSize    = 128    // struct __kernel_sockaddr_storage
	maxData     = 256    // RDMA_MAX_PRIVATE_DATA
	paramSize   = 272    // struct rdma_ucm_conn_param
	eventSize   = 336    // struct rdma_ucm_event_resp
	queryAddr   = 0      // RDMA_USER_CM_QUERY_ADDR
	querySize   = 280    // struct rdma_ucm_query_addr_resp
	optLevelID  = 0      // RDMA_OPTION_ID
	optAckTimer = 3      // RDMA_OPTION_ID_ACK_TIMEOUT
)

var le = binary.LittleEndian

// words builds a body of u32 words after n leading u64s.
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

// putHeader begins a command whose body has in bytes and its answer out.
func putHeader(dst []byte, cmd uint32, in, out int) {
	le.PutUint32(dst, cmd)
	le.PutUint16(dst[4:], uint16(in))
	le.PutUint16(dst[6:], uint16(out))
}

func encCreateID(uid, answer uint64) []byte {
	return words([]uint64{uid, answer}, portTCP|qpTypeRC<<16, 0)
}

// putAddr writes a as a struct sockaddr_in or sockaddr_in6 and returns its size.
func putAddr(dst []byte, a netip.AddrPort) uint16 {
	ip := a.Addr().Unmap()
	binary.BigEndian.PutUint16(dst[2:], a.Port())
	if ip.Is4() {
		le.PutUint16(dst, unix.AF_INET)
		v4 := ip.As4()
		copy(dst[4:], v4[:])
		return unix.SizeofSockaddrInet4
	}
	le.PutUint16(dst, unix.AF_INET6)
	v6 := ip.As16()
	copy(dst[8:], v6[:])
	return unix.SizeofSockaddrInet6
}

// getAddr is the reverse; an address of another family gives the zero one.
func getAddr(b []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(b[2:])
	switch le.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port)
	}
	return netip.AddrPort{}
}

func encBind(id uint32, a netip.AddrPort) []byte {
	b := make([]byte, 8+addrSize)
	le.PutUint32(b, id)
	le.PutUint16(b[4:], putAddr(b[8:], a))
	return b
}

// encResolveAddr leaves the source to the kernel if it is the zero AddrPort.
func encResolveAddr(id uint32, from, to netip.AddrPort, ms uint32) []byte {
	b := make([]byte, 16+2*addrSize)
	le.PutUint32(b, id)
	le.PutUint32(b[4:], ms)
	if from.IsValid() {
		le.PutUint16(b[8:], putAddr(b[16:], from))
	}
	le.PutUint16(b[10:], putAddr(b[16+addrSize:], to))
	return b
}

// appendParam appends a struct rdma_ucm_conn_param.
func appendParam(b []byte, p *Param) []byte {
	n := len(b)
	b = append(b, make([]byte, paramSize)...)
	s := b[n:]
	le.PutUint32(s, p.QPNum)
	copy(s[8:8+maxData], p.PrivateData)
	s[264] = uint8(len(p.PrivateData))
	s[266], s[267] = p.ResponderResources, p.InitiatorDepth
	s[269], s[270] = p.Retries, p.RNRRetries
	s[271] = 1 // valid
	return b
}

func encConnect(id uint32, p *Param) []byte {
	return append(appendParam(nil, p), words(nil, id, 0)...)
}

// encAccept with a nil p tells the peer that its acceptance has arrived.
func encAccept(uid uint64, id uint32, p *Param) []byte {
	b := words([]uint64{uid})
	if p == nil {
		b = append(b, make([]byte, paramSize)...)
	} else {
		b = appendParam(b, p)
	}
	return append(b, words(nil, id, 0)...)
}

func encReject(id uint32, data []byte) []byte {
	b := make([]byte, 8+maxData)
	le.PutUint32(b, id)
	b[4] = uint8(len(data))
	copy(b[8:], data)
	return b
}

// rawEvent is a struct rdma_ucm_event_resp.
type rawEvent struct {
	uid uint64 // of the ID; of the listener for a request
	id  uint32 // the kernel's; of the new ID for a request
	Event
}

func decEvent(b []byte) (rawEvent, error) {
	if len(b) < eventSize-12 { // without reserved word and ECE
		return rawEvent{}, fmt.Errorf("%w: an event of %d bytes, want %d", ErrCorrupt, len(b), eventSize)
	}
	e := rawEvent{uid: le.Uint64(b), id: le.Uint32(b[8:])}
	e.Type, e.Status = EventType(le.Uint32(b[12:])), int32(le.Uint32(b[16:]))
	s := b[20:]
	e.Peer = Param{
		QPNum: le.Uint32(s) & 0xffffff, PrivateData: append([]byte(nil), s[8:8+int(s[264])]...),
		ResponderResources: s[266], InitiatorDepth: s[267], Retries: s[269] & 7, RNRRetries: s[270] & 7,
	}
	if int(e.Type) >= len(eventNames) {
		return rawEvent{}, fmt.Errorf("%w: event type %d", ErrCorrupt, uint32(e.Type))
	}
	return e, nil
}

// rawRoute is a struct rdma_ucm_query_addr_resp.
type rawRoute struct {
	guid          [8]byte
	port          uint8
	local, remote netip.AddrPort
}

func decRoute(b []byte) (rawRoute, error) {
	if len(b) < 16+2*addrSize {
		return rawRoute{}, fmt.Errorf("%w: a route of %d bytes, want %d", ErrCorrupt, len(b), querySize)
	}
	return rawRoute{
		guid: [8]byte(b[:8]), port: b[8],
		local: getAddr(b[16:]), remote: getAddr(b[16+addrSize:]),
	}, nil
}
