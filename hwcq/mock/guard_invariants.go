//go:build invariants && !race

package mock

import "github.com/evdengine/evd/internal/atom"

// guard detects two goroutines in a single-owner method.
type guard struct{ busy atom.Uint32 }

func (g *guard) enter(rule string) {
	if !g.busy.CompareAndSwap(0, 1) {
		panic("mock: " + rule)
	}
}

func (g *guard) leave() { g.busy.Store(0) }
