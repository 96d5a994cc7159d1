package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evdengine/evd/internal/param"
)

// Stream is a source of events that an EVD can be fed from; values may be
// or-ed. The numbers are those of DAT_EVD_FLAGS (dat.h, DAT 2.0).
type Stream uint16

// Event streams.
const (
	Software   Stream = 0x001 // posted by EVD.Post
	CR         Stream = 0x010 // connection requests, posted by EVD.PostCM
	DTO        Stream = 0x020 // completions of data transfers, from a CQ
	Connection Stream = 0x040 // connection events: of an Endpoint, or posted by EVD.PostCM
	Bind       Stream = 0x080 // completions of memory window binds, from a CQ
	Async      Stream = 0x100 // async errors: only on the engine's own EVD, Engine.Async

	userStreams = Software | CR | DTO | Connection | Bind
)

var streamNames = []struct {
	s    Stream
	name string
}{{Software, "software"}, {CR, "cr"}, {DTO, "dto"}, {Connection, "connection"}, {Bind, "bind"}, {Async, "async"}}

func (s Stream) String() string {
	if s == 0 {
		return "none"
	}
	var names []string
	for _, n := range streamNames {
		if s&n.s != 0 {
			names = append(names, n.name)
			s &^= n.s
		}
	}
	if s != 0 {
		names = append(names, "stream 0x"+strconv.FormatUint(uint64(s), 16))
	}
	return strings.Join(names, "|")
}

// merges is the provider attribute evd_stream_merging_supported of DAT: which
// streams may feed one EVD together, in the order of streamNames. Everything
// may but async errors: they would share their fate with a consumer who has
// disabled upcalls or does not dequeue.
var merges = [6][6]bool{
	//           sw    cr    dto   conn  bind  async
	/* sw    */ {true, true, true, true, true, false},
	/* cr    */ {true, true, true, true, true, false},
	/* dto   */ {true, true, true, true, true, false},
	/* conn  */ {true, true, true, true, true, false},
	/* bind  */ {true, true, true, true, true, false},
	/* async */ {false, false, false, false, false, false},
}

// StreamsMerge reports whether two streams, one bit each, may feed one EVD. (A
// stream that does not merge with itself cannot be asked for at all: Async.)
func StreamsMerge(a, b Stream) bool {
	i, j := streamIndex(a), streamIndex(b)
	return i >= 0 && j >= 0 && merges[i][j]
}

func streamIndex(s Stream) int {
	for i, n := range streamNames {
		if n.s == s {
			return i
		}
	}
	return -1
}

// checkStreams looks at every pair of streams, each with itself too.
func checkStreams(op string, s Stream) error {
	if s&^(userStreams|Async) != 0 {
		return param.Invalid(op, "Streams", s, "a combination of "+userStreams.String())
	}
	for i, a := range streamNames {
		for _, b := range streamNames[i:] {
			if s&a.s != 0 && s&b.s != 0 && !StreamsMerge(a.s, b.s) {
				return param.Wrong(ErrMerge, op, "Streams", s, fmt.Sprintf("without the pair %v and %v (see StreamsMerge; async errors are on Engine.Async)", a.s, b.s))
			}
		}
	}
	return nil
}

// EventNumber says what happened. Up to 0x10001 the numbers are those of
// DAT_EVENT_NUMBER (dat.h, DAT 2.0), but for 0x88xx, which are this engine's
// own async errors.
type EventNumber uint32

// Event numbers.
const (
	DTOCompletion  EventNumber = 0x00001
	BindCompletion EventNumber = 0x01001

	ConnectionRequest EventNumber = 0x02001

	Established           EventNumber = 0x04001
	PeerRejected          EventNumber = 0x04002
	NonPeerRejected       EventNumber = 0x04003
	AcceptCompletionError EventNumber = 0x04004
	Disconnected          EventNumber = 0x04005
	Broken                EventNumber = 0x04006 // the engine makes it of a bad completion
	TimedOut              EventNumber = 0x04007
	Unreachable           EventNumber = 0x04008

	SoftwareEvent EventNumber = 0x10001
)

// Numbers of async errors. Event.Source tells which EVD it is about (0: a shared CQ,
// whose SharedCQ.ID is the WRID), Event.CQ which of its CQs where that makes sense, Event.Count how often it happened
// since the event before.
const (
	EVDOverflow    EventNumber = 0x08001 // PostCM found the ring full, or more came from a shared CQ than there are credits
	EndpointBroken EventNumber = 0x08003 // a queue pair is in error, says its device; QPNum
	ProviderError  EventNumber = 0x08005 // of the device, or told by EVD.ReportAsync

	ArmFailure    EventNumber = 0x08801 // arming a CQ failed; it is polled and tried again
	CQOverrun     EventNumber = 0x08802 // a CQ dropped completions, or is in error because of it
	UpcallPanic   EventNumber = 0x08803 // an upcall panicked and is disabled; see EVD.LastPanic
	DeviceRemoved EventNumber = 0x08804 // a CQ's device is gone
	LostInterrupt EventNumber = 0x08805 // the watchdog found completions that nobody had been told of
	StuckUpcall   EventNumber = 0x08806 // an upcall runs for longer than Config.StuckAfter
	Unrouted      EventNumber = 0x08807 // a shared CQ had a completion of a number that nobody has joined with
	PortDown      EventNumber = 0x08808 // the port of a CQ's device cannot send any more
	PortUp        EventNumber = 0x08809 // it can again
)

var numberNames = map[EventNumber]string{
	DTOCompletion: "dto_completion", BindCompletion: "rmr_bind_completion", ConnectionRequest: "connection_request",
	Established: "established", PeerRejected: "peer_rejected", NonPeerRejected: "non_peer_rejected",
	AcceptCompletionError: "accept_completion_error", Disconnected: "disconnected", Broken: "broken",
	TimedOut: "timed_out", Unreachable: "unreachable", SoftwareEvent: "software_event",
	EVDOverflow: "evd_overflow", ProviderError: "provider_error", ArmFailure: "arm_failure", CQOverrun: "cq_overrun",
	UpcallPanic: "upcall_panic", DeviceRemoved: "device_removed", LostInterrupt: "lost_interrupt", StuckUpcall: "stuck_upcall",
	Unrouted: "unrouted", EndpointBroken: "endpoint_broken", PortDown: "port_down", PortUp: "port_up",
}

func (n EventNumber) String() string {
	if s, ok := numberNames[n]; ok {
		return s
	}
	return "event 0x" + strconv.FormatUint(uint64(n), 16)
}
