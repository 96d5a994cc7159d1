package rxe

import "fmt"

// AsyncType is the kind of an asynchronous event: enum ib_event_type of linux
// include/rdma/ib_verbs.h.
type AsyncType uint32

// Asynchronous events. rxe is known to raise those marked so.
const (
	AsyncCQErr       AsyncType = 0  // rxe: one per completion dropped by a full CQ
	AsyncQPFatal     AsyncType = 1  // a queue pair is in error
	AsyncQPReqErr    AsyncType = 2  // the same: a request was invalid
	AsyncQPAccessErr AsyncType = 3  // the same: an access was
	AsyncCommEst     AsyncType = 4  // something came for a QP that is not in RTS yet
	AsyncSQDrained   AsyncType = 5  // rxe: the send queue of a QP in SQD is empty
	AsyncDeviceFatal AsyncType = 8  // the device is gone, or waits for its users to leave
	AsyncPortActive  AsyncType = 9  // rxe: its network interface is up
	AsyncPortErr     AsyncType = 10 // rxe: its network interface is down
	AsyncSRQErr      AsyncType = 14 // a shared receive queue is in error
	AsyncSRQLimit    AsyncType = 15 // rxe: it has fewer receives than its limit
	AsyncLastWQE     AsyncType = 16 // rxe: a QP in error has taken its last receive from its SRQ
	AsyncGIDChange   AsyncType = 18 // the GID table has changed
)

var asyncNames = map[AsyncType]string{
	AsyncCQErr: "CQ error", AsyncQPFatal: "QP fatal", AsyncQPReqErr: "QP request error",
	AsyncQPAccessErr: "QP access error", AsyncCommEst: "communication established",
	AsyncSQDrained: "send queue drained", AsyncDeviceFatal: "device fatal",
	AsyncPortActive: "port active", AsyncPortErr: "port error", AsyncSRQErr: "SRQ error",
	AsyncSRQLimit: "SRQ limit reached", AsyncLastWQE: "last WQE reached", AsyncGIDChange: "GID change",
}

func (t AsyncType) String() string {
	if s, ok := asyncNames[t]; ok {
		return s
	}
	return fmt.Sprintf("async event %d", uint32(t))
}

// ofObject tells whether events of this type are about an object, which their element
// names: not about a port or the device. (6 and 7 are path migration, of QPs.)
func (t AsyncType) ofObject() bool {
	return t <= 7 || t >= AsyncSRQErr && t <= AsyncLastWQE
}

// ofQP tells whether the type says that a QP is in error.
func (t AsyncType) ofQP() bool { return t >= AsyncQPFatal && t <= AsyncQPAccessErr }

// AsyncEvent is an event that belongs to no work request. At most one of CQ,
// QP and SRQ is set; none for events of a port or the device, and for those of
// an object that was closed meanwhile.
type AsyncEvent struct {
	Type AsyncType
	CQ   *CQ
	QP   *QP
	SRQ  *SRQ
	Port int // port events only
}
