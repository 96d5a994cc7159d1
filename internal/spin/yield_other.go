//go:build !linux

package spin

// Yield does nothing on this platform.
func Yield() {}
