package uring

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/internal/param"
)

// Limits of a group of buffers.
const (
	MaxBuffers    = 32768   // io_uring/kbuf.c: a ring of 65536 could not tell full from empty
	MaxBufferSize = 1 << 30 // bytes of one
)

// BuffersConfig describes a group of buffers: see [Ring.NewBuffers].
type BuffersConfig struct {
	// Group is the number of the group, the caller's choice, unique in its ring.
	Group uint16

	// Count is how many buffers there are, 1..MaxBuffers. Their ids are 0..Count-1.
	Count int

	// Size is how many bytes each of them has, 1..MaxBufferSize.
	Size int
}

// Validate reports every problem of the configuration at once. The errors match
// param.ErrInvalid.
func (c BuffersConfig) Validate() error {
	const op = "uring: NewBuffers"
	var errs []error
	if c.Count < 1 || c.Count > MaxBuffers {
		errs = append(errs, param.Invalid(op, "Count", c.Count, fmt.Sprintf("1..%d", MaxBuffers)))
	}
	if c.Size < 1 || c.Size > MaxBufferSize {
		errs = append(errs, param.Invalid(op, "Size", c.Size, fmt.Sprintf("1..%d", MaxBufferSize)))
	}
	return errors.Join(errs...)
}
