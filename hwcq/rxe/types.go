package rxe

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"
)

// GID is a global identifier: for RoCE v2 an IP address, an IPv4 one in its
// ::ffff:a.b.c.d form.
type GID [16]byte

// Addr returns g as an IP address, IPv4 where it is one.
func (g GID) Addr() netip.Addr { return netip.AddrFrom16(g).Unmap() }

// IsIPv4 tells whether g is an IPv4-mapped address.
func (g GID) IsIPv4() bool { return netip.AddrFrom16(g).Is4In6() }

// IsZero tells whether g is all zero, which no usable GID is.
func (g GID) IsZero() bool { return g == GID{} }

func (g GID) String() string { return netip.AddrFrom16(g).String() }

// wire is the 32 hex digits of the exchange message.
func (g GID) wire() string { return hex.EncodeToString(g[:]) }

// GIDType says which protocol a GID belongs to: enum ib_uverbs_gid_type.
type GIDType uint32

// GID types.
const (
	GIDTypeIB GIDType = iota
	GIDTypeRoCEv1
	GIDTypeRoCEv2
)

func (t GIDType) String() string {
	switch t {
	case GIDTypeIB:
		return "IB"
	case GIDTypeRoCEv1:
		return "RoCE v1"
	case GIDTypeRoCEv2:
		return "RoCE v2"
	}
	return fmt.Sprintf("GID type %d", uint32(t))
}

// GIDEntry is one entry of a port's GID table.
type GIDEntry struct {
	GID     GID
	Index   int // position in the table, what QP attributes refer to
	Port    int
	Type    GIDType
	IfIndex int // network interface behind it, 0 if none
}

// Dest is how one end of an RC connection is addressed by the other.
type Dest struct {
	LID uint16 // 0 on RoCE
	QPN uint32 // 24 bits
	PSN uint32 // 24 bits: first packet sequence number that end sends
	GID GID
}

func (d Dest) String() string {
	return fmt.Sprintf("LID 0x%04x, QPN 0x%06x, PSN 0x%06x, GID %s", d.LID, d.QPN, d.PSN, d.GID)
}

// Access says what may be done to a memory region: enum ib_access_flags.
type Access uint32

// Access rights. Reading by the local device is always allowed.
const (
	LocalWrite  Access = 1 << 0 // receives and RDMA reads may write into it
	RemoteWrite Access = 1 << 1 // needs LocalWrite
	RemoteRead  Access = 1 << 2
	// RemoteAtomic allows the peer compare-and-swap and fetch-and-add; needs
	// LocalWrite.
	RemoteAtomic Access = 1 << 3
	BindMW       Access = 1 << 4 // memory windows may be bound to it
)

// State is a queue pair's state: enum ib_qp_state.
type State uint8

// QP states.
const (
	StateReset State = iota
	StateInit
	StateRTR
	StateRTS
	StateSQD
	StateSQE
	StateErr
)

var stateNames = [...]string{"RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// DeviceInfo describes an RDMA device of this host, of any driver.
type DeviceInfo struct {
	Name   string // RDMA device name: "rxe0"
	Node   string // character device: "/dev/infiniband/uverbs0"
	RXE    bool   // driven by rdma_rxe
	NetDev string // network interface below an rxe device
}

// DeviceAttr are a device's limits: struct ib_uverbs_query_device_resp.
type DeviceAttr struct {
	MaxQP, MaxQPWR, MaxSGE, MaxCQ, MaxCQE, MaxMR, MaxPD int

	MaxMRSize                   uint64 // bytes
	MaxQPRDAtomic               int    // ConnectConfig.MaxDestRDAtomic
	MaxQPInitRDAtomic           int    // ConnectConfig.MaxRDAtomic
	MaxMW, MaxAH                int
	MaxSRQ, MaxSRQWR, MaxSRQSGE int

	Ports int
}

// PortState is enum ib_port_state.
type PortState uint8

// PortActive is the state of a port that can send.
const PortActive PortState = 4

func (s PortState) String() string {
	names := [...]string{"NOP", "DOWN", "INIT", "ARMED", "ACTIVE", "ACTIVE_DEFER"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("port state %d", uint8(s))
}

// PortAttr is the state of a port: struct ib_uverbs_query_port_resp.
type PortAttr struct {
	State       PortState
	MaxMTU      int // bytes
	ActiveMTU   int // bytes
	GIDTableLen int
	LinkLayer   uint8 // 2 = Ethernet
}

// QPAttr is what the kernel says about a QP: struct ib_uverbs_query_qp_resp.
type QPAttr struct {
	State      State
	SQDraining bool // in SQD: requests are still being carried out

	DestQPN   uint32
	RQPSN     uint32 // next expected
	SQPSN     uint32 // next to send
	QKey      uint32 // UD
	Access    Access // what the peer may do
	PathMTU   int    // bytes
	SignalAll bool

	// The path to the peer; see ConnectConfig.
	RemoteGID    GID
	SGIDIndex    int
	FlowLabel    uint32
	HopLimit     uint8 // that of the route
	TrafficClass uint8

	MaxRDAtomic     int // own reads and atomics outstanding
	MaxDestRDAtomic int // the peer's
	MinRNRTimer     int // code of IBTA table 46
	AckTimeout      time.Duration
	Retries         int // those left; 7: for ever
	RNRRetries      int // those left; 7: for ever

	SendDepth, RecvDepth int // requests
	SendSGE, RecvSGE     int // pieces of a request
	Inline               int // bytes
}

// SRQAttr is what the kernel says about an SRQ: struct
// ib_uverbs_query_srq_resp.
type SRQAttr struct {
	Depth  int // receives that can be posted
	MaxSGE int // pieces of a receive
	Limit  int // armed limit, 0 if there is none or it was reached
}
