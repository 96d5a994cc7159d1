//go:build linux && amd64 && !explore

package uring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// storeRelease stores v to a word that the kernel reads: after everything that was read
// and written before. On this architecture a plain store is that; an atomic one is a full
// barrier besides, which costs as much as the rest of a poll.
func storeRelease(p *atom.Uint32, v uint32) { *(*uint32)(unsafe.Pointer(p)) = v }
