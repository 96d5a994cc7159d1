//go:build !linux || !(amd64 || arm64)

package uring

import (
	"fmt"
	"runtime"

	"github.com/evdengine/evd/hwcq"
)

var errPlatform = fmt.Errorf("uring: not supported on this platform (%s/%s): %w", runtime.GOOS, runtime.GOARCH, hwcq.ErrNotSupported)

// Ring is one io_uring. It exists on Linux only; see [Open].
type Ring struct{}

var (
	_ hwcq.CQ          = (*Ring)(nil)
	_ hwcq.ThreadBound = (*Ring)(nil)
)

// Open returns an error matching [hwcq.ErrNotSupported], or what is wrong with the
// configuration.
func Open(c Config) (*Ring, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return nil, errPlatform
}

// The methods below are never reached: nothing here returns a Ring. They keep programs
// that use the package compiling.

func (r *Ring) Submit(reqs []Request) (n int, err error)      { return 0, errPlatform }
func (r *Ring) Alloc(n int) ([]byte, error)                   { return nil, errPlatform }
func (r *Ring) Poll(dst []hwcq.WC) int                        { return 0 }
func (r *Ring) Pending() bool                                 { return false }
func (r *Ring) Arm(solicitedOnly bool) (missed bool, e error) { return false, errPlatform }
func (r *Ring) Events() hwcq.EventSource                      { return noEvents{} }
func (r *Ring) Capabilities() hwcq.Capabilities               { return hwcq.Capabilities{Driver: "uring"} }
func (r *Ring) ThreadBound() bool                             { return false }
func (r *Ring) Bind() error                                   { return errPlatform }
func (r *Ring) Unbind() error                                 { return errPlatform }
func (r *Ring) Stats() Stats                                  { return Stats{} }
func (r *Ring) FD() int                                       { return -1 }
func (r *Ring) Close() error                                  { return nil }

type noEvents struct{}

func (noEvents) Wait() (bool, error)    { return false, errPlatform }
func (noEvents) TryWait() (bool, error) { return false, errPlatform }
func (noEvents) Wake()                  {}
