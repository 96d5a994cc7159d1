//go:build linux && (amd64 || arm64)

package rxe

import (
	"encoding/binary"
	"fmt"
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
	cmdCreateAH      = 5
	cmdDestroyAH     = 8
	cmdRegMR         = 9
	cmdDeregMR       = 13
	cmdAllocMW       = 14
	cmdDeallocMW     = 16
	cmdCreateChannel = 17
	cmdCreateCQ      = 18
	cmdResizeCQ      = 19
	cmdDestroyCQ     = 20
	cmdReqNotifyCQ   = 23
	cmdCreateQP      = 24
	cmdQueryQP       = 25
	cmdModifyQP      = 26
	cmdDestroyQP     = 27
	cmdPostSend      = 28
	cmdCreateSRQ     = 32
	cmdModifySRQ     = 33
	cmdQuerySRQ      = 34
	cmdDestroySRQ    = 35
)

const (
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
		MaxMRSize: le.Uint64(b[24:]), MaxQPRDAtomic: u(88), MaxQPInitRDAtomic: u(100),
		MaxMW: u(120), MaxAH: u(144), MaxSRQ: u(156), MaxSRQWR: u(160), MaxSRQSGE: u(164),
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
