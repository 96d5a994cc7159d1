//go:build amd64 || arm64

package uring

// Ring is one io_uring: a [hwcq.CQ] to which requests are submitted.
type Ring struct {
	k    *kernelRing
	conf Config
}

// Open makes a ring.
func Open(c Config) (*Ring, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k, err := openKernelRing(c)
	if err != nil {
		return nil, err
	}
	return &Ring{k: k, conf: c}, nil
}

// FD is the file descriptor of the ring, for io_uring_register and the like. It is the
// ring's: do not close it.
func (r *Ring) FD() int { return r.k.fd }

// Close releases the ring.
func (r *Ring) Close() error { return r.k.release() }
