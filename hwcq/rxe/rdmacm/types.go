package rdmacm

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/evdengine/evd/internal/param"
)

// ErrCorrupt is returned when the kernel answered with something that cannot be.
var ErrCorrupt = errors.New("rdmacm: corrupt answer from the kernel")

// EventType says what happened to an ID: enum rdma_cm_event_type.
type EventType uint32

// Event types. Those without a number here are of multicast.
const (
	AddrResolved    EventType = 0  // of ResolveAddr
	AddrError       EventType = 1  // of ResolveAddr
	RouteResolved   EventType = 2  // of ResolveRoute
	RouteError      EventType = 3  // of ResolveRoute
	ConnectRequest  EventType = 4  // on a listener: Event.New is the caller's
	ConnectResponse EventType = 5  // the peer has accepted: bring the QP up, then Establish
	ConnectError    EventType = 6  // connecting failed
	Unreachable     EventType = 7  // the peer did not answer in time
	Rejected        EventType = 8  // Event.Status is the reason
	Established     EventType = 9  // to the accepting side
	Disconnected    EventType = 10 // either side has said goodbye, or died
	DeviceRemoval   EventType = 11 // close the ID
	AddrChange      EventType = 14
	TimewaitExit    EventType = 15 // packets of the connection have died out: its QP number is free

	// ChannelFailed is not the kernel's: no more events come to the ID, as its
	// channel cannot read them; see Channel.Err.
	ChannelFailed EventType = 0x10000
)

var eventNames = [...]string{
	"address resolved", "address error", "route resolved", "route error", "connect request",
	"connect response", "connect error", "unreachable", "rejected", "established", "disconnected",
	"device removal", "multicast join", "multicast error", "address change", "timewait exit",
}

func (t EventType) String() string {
	if t == ChannelFailed {
		return "channel failed"
	}
	if int(t) < len(eventNames) {
		return eventNames[t]
	}
	return fmt.Sprintf("event %d", uint32(t))
}

// Reasons of a rejection, IBTA table 119 (enum ib_cm_rej_reason).
const (
	ReasonNoListener = 8  // nobody listens there
	ReasonConsumer   = 28 // the peer's program said no
)

// Event is something that happened to an ID.
type Event struct {
	Type   EventType
	Status int32 // a negative errno, or the reason of Rejected; 0 where there is none
	Peer   Param // ConnectRequest, ConnectResponse, Established: what the peer gave
	New    *ID   // ConnectRequest: to be accepted, rejected or closed
}

// Most bytes of private data that the messages carry, in port space TCP.
const (
	MaxConnectData = 56
	MaxAcceptData  = 196
	MaxRejectData  = 148
)

// Param is what the two sides of a connection tell each other: struct
// rdma_ucm_conn_param.
type Param struct {
	// QPNum is the number of the queue pair, 24 bits.
	QPNum uint32

	// PrivateData is the program's own. What comes from the peer has been
	// filled up with zeros to the size of the message.
	PrivateData []byte

	// ResponderResources and InitiatorDepth are how many RDMA reads and atomics
	// may be under way towards this side, and from it.
	ResponderResources, InitiatorDepth uint8

	// Retries is how often an unanswered packet is sent again, 0..7; with rxe 7
	// is for ever. The accepting side uses the caller's.
	Retries uint8

	// RNRRetries is how often a send is repeated to a peer without a receive,
	// 0..7, 7 for ever: it is for the peer's sends.
	RNRRetries uint8
}

func (p *Param) check(op string, maxData int) error {
	switch {
	case p.QPNum > 0xffffff:
		return param.Invalid(op, "QPNum", p.QPNum, "24 bits")
	case len(p.PrivateData) > maxData:
		return param.Invalid(op, "PrivateData", fmt.Sprintf("%d bytes", len(p.PrivateData)), fmt.Sprintf("at most %d", maxData))
	case p.Retries > 7:
		return param.Invalid(op, "Retries", p.Retries, "0..7")
	case p.RNRRetries > 7:
		return param.Invalid(op, "RNRRetries", p.RNRRetries, "0..7")
	}
	return nil
}

// Route is where an ID's connection goes along.
type Route struct {
	Device        string // RDMA device, "rxe0"; "" before it is known
	Port          int    // of the device
	Local, Remote netip.AddrPort
}

// Handler gets the events of an ID, one at a time, on the channel's goroutine.
// It should return soon; it may call any method of the ID and of the channel.
type Handler func(id *ID, ev Event)
