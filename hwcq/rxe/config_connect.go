package rxe

import (
	"errors"
	"time"

	"github.com/evdengine/evd/internal/param"
)

// ConnectConfig is for [QP.Connect]. The zero value is what ibv_rc_pingpong
// uses.
type ConnectConfig struct {
	// SGID is the local GID to send from, which must be the one announced to the
	// peer ([QP.DestFor]): an entry of the table, or its Index alone. Zero: the
	// device's default GID.
	SGID GIDEntry

	// TrafficClass is the DSCP and ECN bits of the IP header. (There is no hop
	// limit and no service level here: Linux takes the route's hop limit, and
	// rxe has no levels.)
	TrafficClass uint8
	// FlowLabel, 20 bits, chooses the UDP source port (6.12); 0: by the QPNs.
	FlowLabel uint32

	MTU int // path MTU in bytes: 256, 512, 1024, 2048 or 4096; 0: 1024. At most the port's active MTU

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

	// MaxRDAtomic is how many own reads and atomics may be outstanding, others
	// wait: 1..DeviceAttr.MaxQPRDAtomic, rounded up to a power of two; 0: 1. At
	// most the peer's MaxDestRDAtomic.
	MaxRDAtomic int
	// MaxDestRDAtomic is how many of the peer may be: likewise. -1: none, they
	// fail.
	MaxDestRDAtomic int
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
	if c.MaxRDAtomic == 0 {
		c.MaxRDAtomic = 1
	}
	if c.MaxDestRDAtomic == 0 {
		c.MaxDestRDAtomic = 1
	}
}

// WithDefaults returns c with every zero replaced by the default that it means,
// but for SGID.
func (c ConnectConfig) WithDefaults() ConnectConfig {
	c.setDefaults()
	return c
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
	if c.FlowLabel > maxFlowLabel {
		bad("FlowLabel", c.FlowLabel, "0..1048575")
	}
	if c.MaxRDAtomic < 1 || c.MaxRDAtomic > 255 {
		bad("MaxRDAtomic", c.MaxRDAtomic, "1..255 and at most the device's limit, or 0 for 1")
	}
	if c.MaxDestRDAtomic < -1 || c.MaxDestRDAtomic > 255 {
		bad("MaxDestRDAtomic", c.MaxDestRDAtomic, "1..255 and at most the device's limit, or 0 for 1, or -1 for none")
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

const maxFlowLabel = 1<<20 - 1

// AHConfig is for [PD.OpenAH].
type AHConfig struct {
	Remote GID // where to; required

	// SGID is the local GID to send from. Zero: the device's default GID.
	SGID GIDEntry

	TrafficClass uint8  // as in ConnectConfig
	FlowLabel    uint32 // as in ConnectConfig
}

// Validate reports all that OpenAH would refuse in c.
func (c AHConfig) Validate() error {
	const op = "rxe: OpenAH"
	var errs []error
	bad := func(name string, v any, allowed string) {
		errs = append(errs, param.Invalid(op, name, v, allowed))
	}
	if c.Remote.IsZero() {
		bad("Remote", c.Remote, "the peer's GID")
	}
	if c.SGID.Index < 0 || c.SGID.Index > 255 {
		bad("SGID.Index", c.SGID.Index, "0..255: the ABI has 8 bits for it")
	}
	if c.FlowLabel > maxFlowLabel {
		bad("FlowLabel", c.FlowLabel, "0..1048575")
	}
	return errors.Join(errs...)
}
