package verbs

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// DeviceInfo describes an RDMA device that libibverbs can open.
type DeviceInfo struct {
	Name string // "mlx5_0", "rxe0"
	Node string // character device: "/dev/infiniband/uverbs0"
}

// Config is for [Open].
type Config struct {
	// Device is the RDMA device name, such as "mlx5_0". Empty: the first device.
	Device string

	// Port is the port that queue pairs use, 1..255. 0: 1.
	Port int

	// OnAsync, if set, is called for each asynchronous event, one at a time, on
	// a goroutine of the device. It must return soon. It may call Close of
	// anything.
	OnAsync func(AsyncEvent)
}

// Validate reports all that Open would refuse in c whatever the host.
func (c Config) Validate() error {
	const op = "verbs: Open"
	var errs []error
	if !validName(c.Device) {
		errs = append(errs, param.Invalid(op, "Device", c.Device, "an RDMA device name, or empty for the first device"))
	}
	if c.Port < 0 || c.Port > 255 {
		errs = append(errs, param.Invalid(op, "Port", c.Port, "1..255, or 0 for 1"))
	}
	return errors.Join(errs...)
}

func validName(s string) bool {
	if len(s) > 63 { // IBV_SYSFS_NAME_MAX 64, with its NUL
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == '/' || c >= 0x7f {
			return false
		}
	}
	return s != "." && s != ".."
}

// AsyncEvent is an event that belongs to no work request. At most one of CQ
// and QP is set; neither for events of a port or the device, and for those of
// an object that was closed meanwhile.
type AsyncEvent struct {
	Type rxe.AsyncType // enum ibv_event_type, which has the kernel's numbers
	CQ   *CQ
	QP   *QP
	Port int // port events only
}

// CQConfig is for [Device.OpenCQ].
type CQConfig struct {
	// Depth is how many completions must fit, from 1 to the device's MaxCQE. 0:
	// 1023. The provider rounds up; [CQ.Capabilities] tells the result. Give it
	// at least the sum of the depths of the queues that complete into it: most
	// devices put an overrun CQ in error for good.
	Depth int

	// Vector is the completion vector (interrupt), 0..NumCompVectors-1.
	Vector int

	// Wait says how the CQ's event source sleeps: rxe.WaitPoll (and WaitAuto)
	// in one call that polls the channel and an eventfd, or rxe.WaitRuntime
	// through the Go runtime's poller. There is no WaitRead: nothing would get
	// the reader out.
	Wait rxe.WaitMethod

	// Interface says how the CQ is polled.
	Interface Interface
}

// Interface is one of the two ways in which libibverbs polls a CQ.
type Interface uint8

// Interfaces.
const (
	// InterfaceAuto is the extended one where the provider has it and it is
	// the faster, else the plain one.
	InterfaceAuto Interface = iota
	// InterfacePlain: ibv_create_cq and ibv_poll_cq. Every provider has it.
	InterfacePlain
	// InterfaceExtended: ibv_create_cq_ex, whose reader takes of a completion
	// only what is wanted. OpenCQ returns hwcq.ErrNotSupported where the
	// provider lacks it.
	InterfaceExtended
)

func (i Interface) String() string {
	switch i {
	case InterfaceAuto:
		return "auto"
	case InterfacePlain:
		return "plain"
	case InterfaceExtended:
		return "extended"
	}
	return fmt.Sprintf("interface %d", uint8(i))
}

func (c *CQConfig) setDefaults() {
	if c.Depth == 0 {
		c.Depth = 1023
	}
}

// Validate reports all that OpenCQ would refuse in c whatever the device.
func (c CQConfig) Validate() error {
	const op = "verbs: OpenCQ"
	c.setDefaults()
	var errs []error
	if c.Depth < 1 || c.Depth > maxDepth {
		errs = append(errs, param.Invalid(op, "Depth", c.Depth, "1..16777215, or 0 for 1023"))
	}
	if c.Vector < 0 {
		errs = append(errs, param.Invalid(op, "Vector", c.Vector, "0 or more"))
	}
	if c.Wait != rxe.WaitAuto && c.Wait != rxe.WaitPoll && c.Wait != rxe.WaitRuntime {
		errs = append(errs, param.Invalid(op, "Wait", c.Wait, "WaitAuto, WaitPoll or WaitRuntime"))
	}
	if c.Interface > InterfaceExtended {
		errs = append(errs, param.Invalid(op, "Interface", c.Interface, "InterfaceAuto, InterfacePlain or InterfaceExtended"))
	}
	return errors.Join(errs...)
}

// maxDepth bounds what is handed to C as an int; devices have less.
const maxDepth = 1<<24 - 1

// QPConfig is for [PD.OpenQP].
type QPConfig struct {
	SendCQ *CQ // required
	RecvCQ *CQ // nil: SendCQ

	SendDepth int // outstanding sends, 1..MaxQPWR of the device; 0: 128
	RecvDepth int // posted receives, 1..MaxQPWR; 0: 128
	MaxSGE    int // pieces per request, 1..MaxSGE of the device; 0: 1
	Inline    int // bytes that fit into a send request, 0..1024

	// SignalAll makes every send complete on the CQ, with or without the
	// Signaled flag.
	SignalAll bool

	// Remote says what the peer may do to memory of this PD through the QP:
	// rxe.RemoteWrite, RemoteRead, RemoteAtomic. 0: nothing.
	Remote rxe.Access
}

func (c *QPConfig) setDefaults() {
	if c.RecvCQ == nil {
		c.RecvCQ = c.SendCQ
	}
	if c.SendDepth == 0 {
		c.SendDepth = 128
	}
	if c.RecvDepth == 0 {
		c.RecvDepth = 128
	}
	if c.MaxSGE == 0 {
		c.MaxSGE = 1
	}
}

const (
	maxInline = 1024
	maxPieces = 256
)

// Validate reports all that OpenQP would refuse in c whatever the device.
func (c QPConfig) Validate() error {
	const op = "verbs: OpenQP"
	c.setDefaults()
	var errs []error
	bad := func(name string, v any, allowed string) {
		errs = append(errs, param.Invalid(op, name, v, allowed))
	}
	if c.SendCQ == nil {
		bad("SendCQ", "nil", "an open CQ")
	}
	if c.SendDepth < 1 || c.SendDepth > maxDepth {
		bad("SendDepth", c.SendDepth, "1..16777215, or 0 for 128")
	}
	if c.RecvDepth < 1 || c.RecvDepth > maxDepth {
		bad("RecvDepth", c.RecvDepth, "1..16777215, or 0 for 128")
	}
	if c.MaxSGE < 1 || c.MaxSGE > maxPieces {
		bad("MaxSGE", c.MaxSGE, "1..256, or 0 for 1")
	}
	if c.Inline < 0 || c.Inline > maxInline {
		bad("Inline", c.Inline, "0..1024")
	}
	if c.Remote&^(rxe.RemoteWrite|rxe.RemoteRead|rxe.RemoteAtomic) != 0 {
		bad("Remote", uint32(c.Remote), "a combination of RemoteWrite, RemoteRead and RemoteAtomic")
	}
	return errors.Join(errs...)
}
