package rxe

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/internal/param"
)

// Config is for [Open].
type Config struct {
	// Device is the RDMA device name, such as "rxe0". Empty: the first rxe
	// device, by name.
	Device string

	// OnAsync, if set, is called for each asynchronous event, one at a time,
	// on a goroutine of the device. It must return soon: dropped completions
	// are not counted ([CQ.Overruns]) while it runs. It may call Close of
	// anything. The engine hears of what concerns its CQs without it
	// ([hwcq.AsyncNotifier]).
	OnAsync func(AsyncEvent)
}

// Validate reports whether Open would accept c.
func (c Config) Validate() error {
	if !validName(c.Device) {
		return param.Invalid("rxe: Open", "Device", c.Device, "an RDMA device name, or empty for the first rxe device")
	}
	return nil
}

// validName keeps a name from leaving its directory in sysfs.
func validName(s string) bool {
	if len(s) > 63 { // IB_DEVICE_NAME_MAX 64, with its NUL
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == '/' || c >= 0x7f {
			return false
		}
	}
	return s != "." && s != ".."
}

// CQConfig is for [Device.OpenCQ].
type CQConfig struct {
	// Depth is how many completions must fit, 1..DeviceAttr.MaxCQE. 0: 1023. rxe rounds
	// up to a power of two less one; [CQ.Capabilities] tells the result. Give
	// it at least the sum of the depths of the queues that complete into it:
	// a completion that finds the CQ full is lost.
	Depth int

	// MaxDepth is what CQ.Resize may reach, Depth..DeviceAttr.MaxCQE. 0: Depth. It costs
	// address space, no memory.
	MaxDepth int

	// Vector is the completion vector, 0..NumCompVectors-1. rxe ignores it.
	Vector int

	// Wait says how the CQ's event source sleeps.
	Wait WaitMethod

	// Channel is a completion channel that the CQ shares with others, of the same
	// device: see [Device.OpenChannel]. Wait must be WaitAuto then. nil: the CQ has
	// one of its own.
	Channel *Channel
}

// WaitMethod says how an event source sleeps.
type WaitMethod uint8

// Wait methods.
const (
	// WaitAuto is WaitRead if that proves to work, else WaitPoll.
	WaitAuto WaitMethod = iota
	// WaitRead: a blocking read, one system call per event. Wake goes through
	// a queue pair of its own, which costs some kernel memory per CQ and makes
	// Wake slower.
	WaitRead
	// WaitPoll: ppoll on the channel and an eventfd, two or three system
	// calls per event.
	WaitPoll
	// WaitRuntime: the Go runtime's poller (epoll) waits, and the goroutine parks like
	// any other: a CQ that is idle has no thread in the kernel. An event that finds
	// the goroutine asleep costs epoll's wake-up and the scheduler's beside the read,
	// so it comes later than with WaitRead, on one processor most of all; and a
	// process that is busy sees it when the scheduler looks. For many CQs that seldom
	// have something. Wake is cheap, and needs no queue pair.
	WaitRuntime
)

func (m WaitMethod) String() string {
	switch m {
	case WaitAuto:
		return "auto"
	case WaitRead:
		return "read"
	case WaitPoll:
		return "poll"
	case WaitRuntime:
		return "runtime"
	}
	return fmt.Sprintf("wait method %d", uint8(m))
}

func (c *CQConfig) setDefaults() {
	if c.Depth == 0 {
		c.Depth = 1023
	}
	if c.MaxDepth == 0 {
		c.MaxDepth = c.Depth
	}
}

// Validate reports what OpenCQ would refuse in c on any device.
func (c CQConfig) Validate() error {
	const op = "rxe: OpenCQ"
	c.setDefaults()
	var errs []error
	if c.Depth < 1 {
		errs = append(errs, param.Invalid(op, "Depth", c.Depth, "1 or more and at most the device's limit, or 0 for 1023"))
	}
	if c.MaxDepth < c.Depth {
		errs = append(errs, param.Invalid(op, "MaxDepth", c.MaxDepth, fmt.Sprintf("%d (Depth) or more and at most the device's limit, or 0 for Depth", c.Depth)))
	}
	if c.Vector < 0 {
		errs = append(errs, param.Invalid(op, "Vector", c.Vector, "0 or more"))
	}
	if c.Wait > WaitRuntime {
		errs = append(errs, param.Invalid(op, "Wait", c.Wait, "WaitAuto, WaitRead, WaitPoll or WaitRuntime"))
	} else if c.Channel != nil && c.Wait != WaitAuto {
		errs = append(errs, param.Invalid(op, "Wait", c.Wait, "WaitAuto, because Channel is set"))
	}
	return errors.Join(errs...)
}

// QPConfig is for [PD.OpenQP].
type QPConfig struct {
	Type   Transport // RC, UC or UD
	SendCQ *CQ       // required
	RecvCQ *CQ       // nil: SendCQ

	// SRQ, if set, is where the QP takes its receives from: RecvDepth must be
	// 0, and PostRecv is the SRQ's.
	SRQ *SRQ

	SendDepth int // outstanding sends, 1..DeviceAttr.MaxQPWR; 0: 128. Rounded up by rxe.
	RecvDepth int // posted receives, 1..DeviceAttr.MaxQPWR; 0: 128. Rounded up by rxe.
	MaxSGE    int // pieces per request, 1..DeviceAttr.MaxSGE (32); 0: 1
	Inline    int // bytes that fit into a send request, 0..512

	// SignalAll makes every send complete on the CQ, with or without the
	// Signaled flag.
	SignalAll bool

	// Remote says what the peer may do to memory of this PD through the QP:
	// RemoteWrite, RemoteRead, RemoteAtomic. 0: nothing. RC; UC has only
	// RemoteWrite, UD nothing.
	Remote Access

	// QKey is what the requests of a UD peer must carry. 0: DefaultQKey.
	QKey uint32
}

// DefaultQKey is the Q_Key of UD QPs that are not given one, and that of
// ibv_ud_pingpong.
const DefaultQKey = 0x11111111

// remoteOn is what QPConfig.Remote may have on a transport.
var remoteOn = [transports]Access{RC: RemoteWrite | RemoteRead | RemoteAtomic, UC: RemoteWrite}

func (c *QPConfig) setDefaults() {
	if c.RecvCQ == nil {
		c.RecvCQ = c.SendCQ
	}
	if c.SendDepth == 0 {
		c.SendDepth = 128
	}
	if c.RecvDepth == 0 && c.SRQ == nil {
		c.RecvDepth = 128
	}
	if c.MaxSGE == 0 {
		c.MaxSGE = 1
	}
	if c.QKey == 0 && c.Type == UD {
		c.QKey = DefaultQKey
	}
}

// Validate reports what OpenQP would refuse in c on any device.
func (c QPConfig) Validate() error {
	const op = "rxe: OpenQP"
	c.setDefaults()
	var errs []error
	bad := func(name string, v any, allowed string) {
		errs = append(errs, param.Invalid(op, name, v, allowed))
	}
	if c.SendCQ == nil {
		bad("SendCQ", "nil", "an open CQ")
	}
	if c.SendDepth < 1 {
		bad("SendDepth", c.SendDepth, "1 or more and at most the device's limit, or 0 for 128")
	}
	if c.SRQ != nil && c.RecvDepth != 0 {
		bad("RecvDepth", c.RecvDepth, "0 with an SRQ, which has the receives")
	} else if c.SRQ == nil && c.RecvDepth < 1 {
		bad("RecvDepth", c.RecvDepth, "1 or more and at most the device's limit, or 0 for 128")
	}
	if c.MaxSGE < 1 {
		bad("MaxSGE", c.MaxSGE, "1 or more and at most the device's limit, or 0 for 1")
	}
	if c.Inline < 0 || c.Inline > 512 {
		bad("Inline", c.Inline, "0..512")
	}
	if c.Type >= transports {
		bad("Type", c.Type, "RC, UC or UD")
		return errors.Join(errs...)
	}
	if c.Remote&^remoteOn[c.Type] != 0 {
		bad("Remote", uint32(c.Remote), [transports]string{
			RC: "a combination of RemoteWrite, RemoteRead and RemoteAtomic", UC: "RemoteWrite or nothing on UC", UD: "nothing on UD",
		}[c.Type])
	}
	if c.QKey != 0 && c.Type != UD {
		bad("QKey", c.QKey, "0 on "+c.Type.String())
	}
	return errors.Join(errs...)
}

// SRQConfig is for [PD.OpenSRQ].
type SRQConfig struct {
	Depth  int // posted receives, 1..DeviceAttr.MaxSRQWR; 0: 128. Rounded up by rxe.
	MaxSGE int // pieces per request, 1..DeviceAttr.MaxSRQSGE (27); 0: 1
	Limit  int // armed limit, 0..Depth: see SRQ.SetLimit
}

func (c *SRQConfig) setDefaults() {
	if c.Depth == 0 {
		c.Depth = 128
	}
	if c.MaxSGE == 0 {
		c.MaxSGE = 1
	}
}

// Validate reports what OpenSRQ would refuse in c on any device.
func (c SRQConfig) Validate() error {
	const op = "rxe: OpenSRQ"
	c.setDefaults()
	var errs []error
	bad := func(name string, v any, allowed string) {
		errs = append(errs, param.Invalid(op, name, v, allowed))
	}
	if c.Depth < 1 {
		bad("Depth", c.Depth, "1 or more and at most the device's limit, or 0 for 128")
	}
	if c.MaxSGE < 1 {
		bad("MaxSGE", c.MaxSGE, "1 or more and at most the device's limit, or 0 for 1")
	}
	if c.Limit < 0 || c.Limit > c.Depth {
		bad("Limit", c.Limit, fmt.Sprintf("0..%d, the Depth", c.Depth))
	}
	return errors.Join(errs...)
}
