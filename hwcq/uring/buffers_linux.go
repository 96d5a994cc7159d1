package uring

// Buffers is a group of buffers.
type Buffers struct{ conf BuffersConfig }

// Group is the number of the group.
func (b *Buffers) Group() uint16 { return b.conf.Group }
