//go:build !amd64 || explore || race

package ring

import "github.com/evdengine/evd/internal/atom"

// storeRelease stores v after everything that was read and written before.
func storeRelease(p *atom.Uint64, v uint64) { p.Store(v) }
