package engine

import (
	"github.com/evdengine/evd/hwcq"
)

// Event is one event. It is a plain value without pointers: the ring's slots
// are never scanned by the garbage collector. WRID carries the user's cookie;
// keep a table to map cookies to Go values.
//
//   - DTO, Bind: the fields are those of the work completion; when Status is
//     not hwcq.StatusSuccess only WRID, Status, VendorErr and QPNum are
//     meaningful.
//   - Connection: Number, QPNum, and the endpoint's Cookie as WRID.
//   - CR, and Connection events given to PostCM: all but EVD are the poster's.
//   - Software: all but Stream, EVD and, if it is 0, Number are the poster's.
//   - Async: Number; CQ; Source and Count; QPNum of EndpointBroken.
type Event struct {
	WRID      uint64
	Stream    Stream
	CQ        uint16 // index in EVDConfig.CQs of the CQ it came from, or that an async error was about, the last time
	Number    EventNumber
	Status    hwcq.Status
	Opcode    hwcq.Opcode
	VendorErr uint32
	ByteLen   uint32 // bytes transferred
	Imm       uint32 // immediate data, when Flags has hwcq.FlagWithImm
	Flags     hwcq.WCFlags
	QPNum     uint32
	SrcQP     uint32
	EVD       uint32 // EVD.ID of the EVD that delivers it
	_         uint32
}

// Source returns the EVD.ID of the EVD that an async error is about, 0 for
// other events.
func (ev *Event) Source() uint32 {
	if ev.Stream != Async {
		return 0
	}
	return ev.SrcQP
}

// Count returns how often an async error happened since the one before of the
// same number and source; 1 for other events.
func (ev *Event) Count() int {
	if ev.Stream != Async {
		return 1
	}
	return int(ev.ByteLen)
}

// WC returns the completion that a DTO or Bind event tells of, for helpers of its
// driver.
func (ev *Event) WC() hwcq.WC {
	return hwcq.WC{
		WRID: ev.WRID, Status: ev.Status, Opcode: ev.Opcode, VendorErr: ev.VendorErr,
		ByteLen: ev.ByteLen, Imm: ev.Imm, Flags: ev.Flags, QPNum: ev.QPNum, SrcQP: ev.SrcQP,
	}
}

// eventFromWC decodes a completion of CQ number cq, and breaks its connection
// if it is that bad.
func (d *EVD) eventFromWC(ev *Event, wc *hwcq.WC, cq uint16) {
	d.decode(ev, wc, cq)
	if wc.Status != hwcq.StatusSuccess && breaks(wc.Status) {
		if ep := d.endpointOf(wc); ep != nil {
			ep.Broken()
		}
	}
}

// decode writes all fields, one by one: a literal is made on the stack and copied in
// wider pieces than it was written in, for which the CPU waits; that took 20 ns.
func (d *EVD) decode(ev *Event, wc *hwcq.WC, cq uint16) {
	ev.WRID = wc.WRID
	ev.Stream, ev.CQ, ev.Number = DTO, cq, DTOCompletion
	ev.Status, ev.Opcode, ev.VendorErr = wc.Status, wc.Opcode, wc.VendorErr
	ev.ByteLen, ev.Imm, ev.Flags = wc.ByteLen, wc.Imm, wc.Flags
	ev.QPNum, ev.SrcQP = wc.QPNum, wc.SrcQP
	ev.EVD = d.id
	// An EVD of both streams tells the two apart by the opcode, which a failed
	// completion does not have: that one is a DTO's.
	if d.bind && (wc.Status == hwcq.StatusSuccess && wc.Opcode == hwcq.OpBindMW || d.streams&DTO == 0) {
		ev.Stream, ev.Number = Bind, BindCompletion
	}
}
