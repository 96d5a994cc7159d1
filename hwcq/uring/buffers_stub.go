//go:build !linux || !(amd64 || arm64)

package uring

// Buffers is a group of buffers of a Ring. It exists on Linux only.
type Buffers struct{}

// NewBuffers returns an error matching [hwcq.ErrNotSupported].
func (*Ring) NewBuffers(BuffersConfig) (*Buffers, error) { return nil, errPlatform }

// Group is not reached: there are no Buffers.
func (*Buffers) Group() uint16 { return 0 }

// Bytes is not reached: there are no Buffers.
func (*Buffers) Bytes(uint32, int) []byte { return nil }

// Return is not reached: there are no Buffers.
func (*Buffers) Return(...uint32) error { return errPlatform }

// Close is not reached: there are no Buffers.
func (*Buffers) Close() error { return errPlatform }

func (r *Ring) closing() bool { return true }

func (*Buffers) kernelGroup() uint16 { return 0 }
