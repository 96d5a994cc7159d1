// Package pad separates fields that different CPUs write.
package pad

// Size is the separation in bytes. 128 rather than the 64 of a cache line:
// Intel's adjacent-line prefetcher and the big arm64 cores work on pairs.
const Size = 128

// Line goes between two blocks of fields with different writers.
type Line [Size]byte
