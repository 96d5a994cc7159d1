//go:build !linux

package eventfd

import (
	"fmt"

	"github.com/evdengine/evd/hwcq"
)

var errStub = fmt.Errorf("eventfd: %w: there is no eventfd on this system, only on Linux", hwcq.ErrNotSupported)

// CQ is a completion queue over an eventfd, which is on Linux only.
type CQ struct{ hwcq.CQ }

// New returns an error that matches hwcq.ErrNotSupported.
func New(cfg Config) (*CQ, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return nil, errStub
}

// FD returns -1.
func (c *CQ) FD() int { return -1 }

// Signal returns an error that matches hwcq.ErrNotSupported.
func (c *CQ) Signal(uint64) error { return errStub }
