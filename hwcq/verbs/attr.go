package verbs

import (
	"time"

	"github.com/evdengine/evd/hwcq/rxe"
)

// DeviceAttr are a device's limits: struct ibv_device_attr.
type DeviceAttr struct {
	MaxQP, MaxQPWR, MaxSGE, MaxCQ, MaxCQE, MaxMR, MaxPD int

	MaxRDAtomic int // reads and atomics that a QP can have under way, at most
	Ports       int
}

// PortAttr is the state of a port: struct ibv_port_attr.
type PortAttr struct {
	State       rxe.PortState
	MaxMTU      int // bytes
	ActiveMTU   int // bytes
	GIDTableLen int
	LID         uint16 // 0 on Ethernet
	LinkLayer   uint8  // 1 = InfiniBand, 2 = Ethernet
}

const linkInfiniBand = 1

// ackUnit is the unit of the ACK timeout, IBTA 9.7.6.1.3.
const ackUnit = 4096 * time.Nanosecond

// ackCode is the smallest code n with 4.096 us * 2^n >= d.
func ackCode(d time.Duration) uint8 {
	n := uint8(1)
	for n < 31 && ackUnit<<n < d {
		n++
	}
	return n
}

// retryCount turns the -1 of a ConnectConfig into none.
func retryCount(n int) uint8 { return uint8(max(n, 0)) }

// mtuBytes is the size in bytes for an enum ibv_mtu, 0 for none.
func mtuBytes(code int) int {
	if code < 1 || code > 5 {
		return 0
	}
	return 128 << code
}

// mtuCode is the reverse; bytes is one of the sizes.
func mtuCode(bytes int) int {
	code := 1
	for code < 5 && mtuBytes(code) < bytes {
		code++
	}
	return code
}
