// Package uring is a completion queue over io_uring, the asynchronous I/O
// interface of Linux, in pure Go: no cgo and no liburing. A [Ring] is one
// io_uring and one [hwcq.CQ]: requests are submitted to it, and their
// completions are work completions.
//
// Start with [Open], then [Ring.Submit] of what [Read], [Send], [Accept] and the
// other constructors make.
//
// # Two shapes
//
// [Portable] is a plain ring. Any goroutine submits, in its own thread; the ring's
// eventfd is in the runtime's poller, so that an idle ring costs no thread. It is
// right for files, for mixed work, and wherever completions are not the bottleneck.
//
// [Owner] is a ring of one thread (IORING_SETUP_SINGLE_ISSUER and
// IORING_SETUP_DEFER_TASKRUN), that of the engine's poller, which also runs the
// inline upcalls: the fastest shape for many small socket operations. It is a
// [hwcq.ThreadBound]. Submit works from any goroutine: what others submit, the
// owner hands to the kernel.
//
// # Memory
//
// The kernel reads and writes a request's buffer until its last completion (the
// one without [FlagMore]) has been polled. The ring keeps a Go buffer alive and pinned
// ([runtime.Pinner]) that long, which costs an allocation; memory of [Ring.Alloc] and
// of a [Buffers] group is outside the Go heap, costs nothing, and is gone when the
// ring is closed. The contents belong to the kernel meanwhile: not reading or writing
// them is the caller's part.
//
// # Closing
//
// The EVDs first, then the engine, then the ring ([Ring.Close]), which cancels what is in
// flight and takes its memory with it. The file of a request is closed after its
// last completion. Completions that were not polled are gone; connections that were
// accepted by them are closed.
//
// # Platforms
//
// Linux 6.1 and later on amd64 and arm64. [Probe] says what this kernel has. Elsewhere
// the package compiles and [Open] returns an error that matches
// [hwcq.ErrNotSupported].
package uring
