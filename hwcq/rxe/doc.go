// Package rxe is a verbs driver for soft-RoCE, the software RDMA device of
// Linux (kernel module rdma_rxe), in pure Go: no cgo and no libibverbs. It
// speaks the kernel's uverbs ABI, maps the queues that the kernel shares with
// user space, and offers them as [hwcq.CQ].
//
// Start with [Open], then [Device.OpenCQ], [Device.OpenPD], [PD.OpenQP] and
// [PD.Reg]. [ExchangeServer] and [ExchangeClient] bring a QP up against
// ibv_rc_pingpong or against each other; [ConnectPair] joins two QPs of one
// process.
//
// # Ownership
//
// Close what was opened in this order: QP, then CQ; MR, then its Buffer and
// its PD; the Device last. A Close that comes too early returns
// [hwcq.ErrBusy] and changes nothing. [Device.Close] closes whatever is left,
// in the right order. Each Close is idempotent and may run beside any other
// method: the others return [hwcq.ErrClosed] (or nothing, where they have no
// error) and never touch memory that is gone.
//
// # Credentials
//
// A process may change its ids (syscall.Setuid, Setgid, Setgroups) before or after
// Open. The kernel then refuses the faster form of the hot commands (arm, post): the
// device goes over to the slower one, an ioctl, with the first command that is
// refused, and stays with it.
//
// # Platforms
//
// Linux on amd64 and arm64, kernels 6.1 and 6.12 (others untested).
// Elsewhere the package compiles and every entry returns an error that
// matches [hwcq.ErrNotSupported].
package rxe
