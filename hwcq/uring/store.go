//go:build linux && (arm64 || (explore && amd64))

package uring

import "github.com/evdengine/evd/internal/atom"

// storeRelease stores v to a word that the kernel reads: after everything that was read
// and written before.
func storeRelease(p *atom.Uint32, v uint32) { p.Store(v) }
