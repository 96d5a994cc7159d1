//go:build race

package mock

// guard detects two goroutines in a single-owner method. It is plain memory
// that the race detector does not see, on purpose: an atomic would order the
// callers, and so hide a hand-over without synchronisation from the detector.
// An overlap too short for this guard is left to the detector too.
type guard struct{ busy bool }

//go:norace
func (g *guard) enter(rule string) {
	if g.busy {
		panic("mock: " + rule)
	}
	g.busy = true
}

//go:norace
func (g *guard) leave() { g.busy = false }
