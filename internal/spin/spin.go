// Package spin has the CPU's hint for spin-wait loops.
package spin

// Pause tells the CPU that this is a spin-wait loop (PAUSE on amd64, YIELD on
// arm64, nothing elsewhere): some 30 ns in which a sibling hardware thread
// gets the core's resources.
func Pause() { pause() }
