// Package eventfd is a completion queue over a Linux eventfd: whoever can add
// to the counter (another process, C code, a KVM guest, a vhost or VFIO device)
// posts to an EVD with it. See eventfd(2).
//
// Signals coalesce, as they do in the counter: what was added since the last
// Poll is one completion, with the sum in ByteLen. Nothing is lost.
//
// On other systems [New] returns an error that matches [hwcq.ErrNotSupported].
package eventfd

import "github.com/evdengine/evd/internal/param"

// Config describes a CQ. The zero value makes an eventfd of its own.
type Config struct {
	// FD is an eventfd to use, with EFD_NONBLOCK; it may have EFD_SEMAPHORE,
	// then each Poll brings one signal. It is duplicated: the caller's stays
	// the caller's. 0 means: make one, which CQ.FD tells.
	FD int

	// WRID is that of the completions.
	WRID uint64

	// QPNum is that of the completions: free for the user.
	QPNum uint32
}

// Validate reports what New would refuse without a look at the descriptor.
func (c Config) Validate() error {
	if c.FD < 0 {
		return param.Invalid("eventfd: New", "FD", c.FD, "an eventfd, or 0 to make one")
	}
	return nil
}
