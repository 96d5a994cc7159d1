package mock

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// WR is a work request for a loopback QP.
type WR struct {
	WRID      uint64       // comes back in the WC
	Opcode    hwcq.Opcode  // comes back in the WC
	ByteLen   uint32       // comes back in the WC
	Imm       uint32       // comes back in the WC
	Flags     hwcq.WCFlags // comes back in the WC
	Status    hwcq.Status  // how the request ends; not StatusSuccess: a failed completion
	Solicited bool         // the completion is a solicited one
}

// QPConfig describes a loopback QP. The zero value has a goroutine that
// completes every request at once.
type QPConfig struct {
	// QPNum is put into every completion.
	QPNum uint32

	// Depth is how many requests may be submitted and not yet completed,
	// 1..MaxDepth, rounded up to a power of two; 0: the CQ's depth.
	Depth int

	// Inline completes a request within Submit, on the caller's goroutine:
	// the device costs next to nothing and nothing crosses a CPU. It excludes
	// Service, Pipelined and Fill, and Depth is not used.
	Inline bool

	// Service is how long the device works on a request.
	Service Dist

	// Pipelined devices work on all requests at the same time, but complete
	// them in order. Others begin one when the one before is completed.
	Pipelined bool

	// Batch is the most completions published by one store of the producer
	// index, 1..256; 0 means 32.
	Batch int

	// Overrun lets completions overrun a full CQ. By default the device
	// waits for room, and an inline QP refuses with ErrFull.
	Overrun bool

	// IdleSpins is how many turns (of about 100 ns, each offering the
	// processor to others) the device's goroutine looks for work before it
	// parks, 0..1<<30; 0 means 20000 and NeverSpin means park at once. While
	// it spins Submit needs no wake-up.
	IdleSpins int

	// Seed is mixed with the CQ's for the draws from Service.
	Seed uint64

	// Fill, if set, is called with each completion just before it is
	// published, on the device's goroutine, and may change it: for example
	// put a time stamp in. It must not call the CQ's Close or the QP's.
	Fill func(wc *hwcq.WC) `json:"-"`
}

// NeverSpin as QPConfig.IdleSpins parks an idle device at once.
const NeverSpin = -1

const (
	defaultBatch = 32
	maxBatch     = 256
	// defaultIdleSpins: about 2 ms on an otherwise idle CPU.
	defaultIdleSpins = 20000
)

// Validate reports every problem of the configuration at once.
func (c QPConfig) Validate() error {
	const op = "mock: NewQP"
	errs := []error{checkDepth(op, c.Depth), c.Service.validate(op, "Service")}
	if c.Batch < 0 || c.Batch > maxBatch {
		errs = append(errs, param.Invalid(op, "Batch", c.Batch, "0 (default 32) or 1..256"))
	}
	if c.IdleSpins < NeverSpin || c.IdleSpins > 1<<30 {
		errs = append(errs, param.Invalid(op, "IdleSpins", c.IdleSpins, "NeverSpin (-1), 0 (default 20000) or 1..1073741824"))
	}
	if c.Inline {
		if c.Service.Kind != DistNone {
			errs = append(errs, param.Invalid(op, "Service", c.Service.Kind, "none when Inline is set"))
		}
		if c.Pipelined {
			errs = append(errs, param.Invalid(op, "Pipelined", true, "false when Inline is set"))
		}
		if c.Fill != nil {
			errs = append(errs, param.Invalid(op, "Fill", "a function", "nil when Inline is set"))
		}
	}
	return errors.Join(errs...)
}
