package engine

import (
	"strconv"

	"github.com/evdengine/evd/hwcq"
)

// Stream is a source of events that an EVD can be fed from; values may be
// or-ed. The numbers are those of DAT_EVD_FLAGS (dat.h, DAT 2.0).
type Stream uint16

// Event streams.
const (
	Software Stream = 0x001 // posted by EVD.Post
	DTO      Stream = 0x020 // completions of data transfers, from a CQ
)

func (s Stream) String() string {
	switch s {
	case 0:
		return "none"
	case Software:
		return "software"
	case DTO:
		return "dto"
	case Software | DTO:
		return "software|dto"
	}
	return "stream 0x" + strconv.FormatUint(uint64(s), 16)
}

// EventNumber says what happened. The numbers are those of DAT_EVENT_NUMBER
// (dat.h, DAT 2.0).
type EventNumber uint32

// Event numbers.
const (
	DTOCompletion EventNumber = 0x00001
	SoftwareEvent EventNumber = 0x10001
)

func (n EventNumber) String() string {
	switch n {
	case DTOCompletion:
		return "dto_completion"
	case SoftwareEvent:
		return "software_event"
	}
	return "event 0x" + strconv.FormatUint(uint64(n), 16)
}

// Event is one event. It is a plain value without pointers: the ring's slots
// are never scanned by the garbage collector. WRID carries the user's cookie;
// keep a table to map cookies to Go values.
//
// For events of stream DTO the fields are those of the work completion; when
// Status is not hwcq.StatusSuccess only WRID, Status, VendorErr and QPNum are
// meaningful. For events of stream Software all fields but Stream, Number and
// EVD are the poster's.
type Event struct {
	WRID      uint64
	Stream    Stream
	CQ        uint16 // index in EVDConfig.CQs of the CQ it came from
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

// eventFromWC decodes a completion of CQ number cq.
func eventFromWC(ev *Event, wc *hwcq.WC, evd uint32, cq uint16) {
	*ev = Event{
		WRID:      wc.WRID,
		Stream:    DTO,
		CQ:        cq,
		Number:    DTOCompletion,
		Status:    wc.Status,
		Opcode:    wc.Opcode,
		VendorErr: wc.VendorErr,
		ByteLen:   wc.ByteLen,
		Imm:       wc.Imm,
		Flags:     wc.Flags,
		QPNum:     wc.QPNum,
		SrcQP:     wc.SrcQP,
		EVD:       evd,
	}
}
