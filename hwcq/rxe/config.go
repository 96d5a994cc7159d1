package rxe

import (
	"errors"
	"fmt"
	"time"

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
	// Depth is how many completions must fit, 1..32767. 0: 1023. rxe rounds
	// up to a power of two less one; [CQ.Capabilities] tells the result. Give
	// it at least the sum of the depths of the queues that complete into it:
	// a completion that finds the CQ full is lost.
	Depth int

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
}

// Validate reports all that OpenCQ would refuse in c.
func (c CQConfig) Validate() error {
	const op = "rxe: OpenCQ"
	c.setDefaults()
	var errs []error
	if c.Depth < 1 || c.Depth > 32767 {
		errs = append(errs, param.Invalid(op, "Depth", c.Depth, "1..32767, or 0 for 1023"))
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
	SendCQ *CQ // required
	RecvCQ *CQ // nil: SendCQ

	SendDepth int // outstanding sends, 1..16384; 0: 128. Rounded up by rxe.
	RecvDepth int // posted receives, 1..16384; 0: 128. Rounded up by rxe.
	MaxSGE    int // pieces per request, 1..32; 0: 1
	Inline    int // bytes that fit into a send request, 0..512

	// SignalAll makes every send complete on the CQ, with or without the
	// Signaled flag.
	SignalAll bool

	// Remote says what the peer may do to memory of this PD through the QP:
	// RemoteWrite, RemoteRead. 0: nothing.
	Remote Access
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

// Validate reports all that OpenQP would refuse in c.
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
	if c.SendDepth < 1 || c.SendDepth > 16384 {
		bad("SendDepth", c.SendDepth, "1..16384, or 0 for 128")
	}
	if c.RecvDepth < 1 || c.RecvDepth > 16384 {
		bad("RecvDepth", c.RecvDepth, "1..16384, or 0 for 128")
	}
	if c.MaxSGE < 1 || c.MaxSGE > 32 {
		bad("MaxSGE", c.MaxSGE, "1..32, or 0 for 1")
	}
	if c.Inline < 0 || c.Inline > 512 {
		bad("Inline", c.Inline, "0..512")
	}
	if c.Remote&^(RemoteWrite|RemoteRead) != 0 {
		bad("Remote", uint32(c.Remote), "a combination of RemoteWrite and RemoteRead")
	}
	return errors.Join(errs...)
}

// ConnectConfig is for [QP.Connect]. The zero value is what ibv_rc_pingpong
// uses.
type ConnectConfig struct {
	// SGID is the local GID to send from. Zero: the device's default GID,
	// which must then be the one announced to the peer.
	SGID GIDEntry

	MTU int // path MTU in bytes: 256, 512, 1024, 2048 or 4096; 0: 1024

	// AckTimeout is how long the first retransmission waits. It is rounded up
	// to 4.096 us * 2^n, n = 1..31. 0: n = 14, 67 ms.
	AckTimeout time.Duration

	// Retries is how often an unanswered packet is sent again before the
	// request fails: 1..7, 7 meaning for ever (rxe). 0: 7. -1: not at all.
	Retries int

	// RNRRetries is how often a send is repeated to a peer that has no
	// receive posted: 1..7, 7 meaning for ever. 0: 7. -1: not at all.
	RNRRetries int

	MinRNRTimer int // code 1..31 of IBTA table 46; 0: 12 (0.64 ms)
}

func (c *ConnectConfig) setDefaults() {
	if c.MTU == 0 {
		c.MTU = 1024
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = ackUnit << 14
	}
	if c.Retries == 0 {
		c.Retries = 7
	}
	if c.RNRRetries == 0 {
		c.RNRRetries = 7
	}
	if c.MinRNRTimer == 0 {
		c.MinRNRTimer = 12
	}
}

// Validate reports all that Connect would refuse in c.
func (c ConnectConfig) Validate() error {
	const op = "rxe: Connect"
	c.setDefaults()
	var errs []error
	bad := func(name string, v any, allowed string) {
		errs = append(errs, param.Invalid(op, name, v, allowed))
	}
	if c.SGID.Index < 0 || c.SGID.Index > 255 {
		bad("SGID.Index", c.SGID.Index, "0..255: the ABI has 8 bits for it")
	}
	if mtuCode(c.MTU) == 0 {
		bad("MTU", c.MTU, "256, 512, 1024, 2048 or 4096, or 0 for 1024")
	}
	if c.AckTimeout < 0 || c.AckTimeout > ackUnit<<31 {
		bad("AckTimeout", c.AckTimeout, "0 (67 ms) to 8796 s")
	}
	if c.Retries < -1 || c.Retries > 7 {
		bad("Retries", c.Retries, "-1 (none) to 7 (for ever), or 0 for 7")
	}
	if c.RNRRetries < -1 || c.RNRRetries > 7 {
		bad("RNRRetries", c.RNRRetries, "-1 (none) to 7 (for ever), or 0 for 7")
	}
	if c.MinRNRTimer < 1 || c.MinRNRTimer > 31 {
		bad("MinRNRTimer", c.MinRNRTimer, "1..31, or 0 for 12")
	}
	return errors.Join(errs...)
}

// ackUnit is the unit of the ACK timeout, IBTA 9.7.6.1.3.
const ackUnit = 4096 * time.Nanosecond

// mtuCode is enum ib_mtu for a size in bytes, 0 if there is none.
func mtuCode(bytes int) uint8 {
	for code := uint8(1); code <= 5; code++ {
		if bytes == mtuBytes(code) {
			return code
		}
	}
	return 0
}

// mtuBytes is the reverse of mtuCode.
func mtuBytes(code uint8) int {
	if code < 1 || code > 5 {
		return 0
	}
	return 128 << code
}
