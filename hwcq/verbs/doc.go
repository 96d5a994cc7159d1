// Package verbs is the driver for every RDMA device that rdma-core supports:
// it goes through libibverbs, and offers its completion queues as [hwcq.CQ].
// For soft-RoCE package rxe does the same in pure Go, and faster.
//
// It is compiled in with
//
//	go build -tags verbs
//
// on Linux with cgo, a C compiler and libibverbs (Debian: gcc, libibverbs-dev).
// In any other build the package compiles, and every entry returns an error
// that matches [hwcq.ErrNotSupported] and says so.
//
// Start with [Open], then [Device.OpenCQ], [Device.OpenPD], [PD.OpenQP] and
// [PD.Reg]. Requests, addresses and their constants are those of package rxe,
// its exchange too: a program can treat the queue pairs of both packages alike.
//
// # Cost
//
// A call into C costs some 50 ns before it has done anything, so whatever can
// is done many at a time: a Poll takes up to 64 completions off the hardware
// and keeps those that it was not asked for; a list of requests is one call;
// [CQ.Arm] arms and looks again in one call, as does [CQ.PollOrArm]. An empty
// poll still costs the call: who spins beside other work should poll less often,
// or arm after a few empty polls, as the engine's adaptive mode does.
//
// # Ownership
//
// Close what was opened in this order: QP, then CQ; MR, then its Buffer and
// its PD; the Device last. A Close that comes too early returns
// [hwcq.ErrBusy] and changes nothing. [Device.Close] closes whatever is left,
// in the right order. Each Close is idempotent and may run beside any other
// method: the others return [hwcq.ErrClosed], or nothing.
//
// # Credentials
//
// Providers may use the kernel's write interface, which accepts commands only
// from threads with the credentials that the device was opened with: after
// syscall.Setuid, Setgid or Setgroups they fail with EACCES. Change
// credentials before Open.
package verbs
