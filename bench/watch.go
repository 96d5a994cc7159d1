package bench

import "time"

// Watch is told of a run while it goes on. The zero value watches nothing.
type Watch struct {
	// Progress is called each Every (0: never) with the interval that has just
	// ended, from a goroutine of its own, and not any more once Run returns. It must
	// not block for long: the next one waits for it.
	Every    time.Duration
	Progress func(Progress)

	// Breached is called for the first latency above Breach (0: none), from the
	// goroutine that recorded it, with that latency in nanoseconds.
	Breach   time.Duration
	Breached func(ns int64)
}

// Progress is how far a run is.
type Progress struct {
	Phase    string // "warm-up", "measure" or "stop"
	Done     uint64 // measured operations so far
	Elapsed  time.Duration
	Interval Interval // the last one
	SoFar    Summary  // of all that was measured, as of now
}
