//go:build !seeded

package bench

// seeded is a slow-down on purpose, see seeded.go. There is none in this build.
type seeded struct{}

const seededVersion = ""

func (seeded) upcall(*Clock)                        {}
func (seeded) latency(_ *Clock, _, now Ticks) Ticks { return now }
