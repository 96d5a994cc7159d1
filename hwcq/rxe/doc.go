// Package rxe is a verbs driver for soft-RoCE, the software RDMA device of
// Linux (kernel module rdma_rxe), in pure Go: no cgo and no libibverbs. It
// speaks the kernel's uverbs ABI, maps the queues that the kernel shares with
// user space, and offers them as [hwcq.CQ].
//
// Start with [Open], then [Device.OpenCQ], [Device.OpenPD], [PD.OpenQP] and
// [PD.Reg] or [PD.RegBytes]. A QP is reliable, unreliable or for datagrams ([Transport]); what
// it carries is a [SendOp]: sends and RDMA writes with and without immediate
// data, reads, atomics, and binding and invalidating memory windows ([MW]).
// Receives are the QP's own or those of an [SRQ]. [ExchangeServer] and [ExchangeClient] bring a QP up against
// ibv_rc_pingpong or against each other; [ConnectPair] joins two QPs of one
// process.
//
// # Ownership
//
// Close what was opened in this order: MW, QP, then CQ, SRQ and AH; MR, then
// its Buffer and its PD; the Device last. A Close that comes too early returns
// [hwcq.ErrBusy] and changes nothing. [Device.Close] closes whatever is left,
// in the right order. Each Close is idempotent and may run beside any other
// method: the others return [hwcq.ErrClosed] (or nothing, where they have no
// error) and never touch memory that is gone.
//
// # Channels
//
// A CQ has a completion channel of its own, which is fastest: see [WaitMethod]. Very
// many CQs that seldom have something share one ([Device.OpenChannel]).
//
// # Asynchronous events
//
// The device's events reach [Config.OnAsync], and, as far as they concern a CQ, whoever
// listens to it ([hwcq.AsyncNotifier]): the engine does, and makes async errors of them.
// When the device is removed ("rdma link del", "ip link del") the kernel takes its node
// away and then waits for all who have it open. So [CQ.Arm] and the waits return
// [hwcq.ErrRemoved] from then on; completions that are there can be polled; close the
// device, and the removal goes on. Where the system does not let the process listen for
// that (no netlink sockets) a removal shows only on kernels that take open devices away.
//
// # Credentials
//
// A process may change its ids (syscall.Setuid, Setgid, Setgroups) before or after
// Open. The kernel then refuses the faster form of the hot commands (arm, post): the
// device goes over to the slower one, an ioctl, with the first command that is
// refused, and stays with it.
//
// # What the kernel does not do
//
// rxe does not check a request before it fails the whole QP for it, and says
// of a datagram that it dropped as too long that it was sent; so requests are
// checked here, and refused naming what is allowed. What is known to be wrong
// in 6.1 or 6.12 is worked around where it is met: [QP.Reset], [QP.Drain],
// [SRQ.Resize], [MW]. Reliable writes that wait for the peer's memory (FLUSH,
// ATOMIC WRITE; 6.12 only) and multicast are not offered.
//
// # Platforms
//
// Linux on amd64 and arm64, kernels 6.1 and 6.12 (others untested).
// Elsewhere the package compiles and every entry returns an error that
// matches [hwcq.ErrNotSupported].
package rxe
