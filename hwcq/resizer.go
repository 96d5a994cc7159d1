package hwcq

// Resizer is implemented by CQs whose capacity can be changed.
type Resizer interface {
	// Resize makes the CQ hold at least depth completions: Capabilities().Depth
	// tells how many. What is in it stays in it, in order; whether it is armed
	// does not change.
	// Errors, with which nothing changes: an invalid depth, less than what is in
	// it included (param.ErrInvalid); ErrClosed.
	// Concurrency: as Poll, and not beside it: the goroutine that polls resizes.
	// Everything else may be called meanwhile.
	Resize(depth int) error
}
