// Package rdmacm is the kernel's RDMA connection manager (kernel module
// rdma_ucm) in pure Go, for the queue pairs of package rxe: it finds the way to
// an IP address, carries connection requests with a little data of the user's,
// and says goodbye. It speaks the ABI of /dev/infiniband/rdma_cm (linux
// include/uapi/rdma/rdma_user_cm.h) and so interoperates with librdmacm's
// programs.
//
// Start with [Open], then [Channel.NewID]. The caller of a connection goes
// through [ID.ResolveAddr], [ID.ResolveRoute], [ID.Connect] and
// [ID.Establish], each after the event that the step before ended with; a
// listener through [ID.Bind] and [ID.Listen], and [ID.Accept] or [ID.Reject] on
// the ID that a [ConnectRequest] brings. Package conn does all this, and makes
// the engine's events of it.
//
// # Credentials
//
// All commands are write() calls, there is no other way in, and the kernel
// accepts them only from a thread with the credentials object that the device
// was opened with. So one thread of a channel's own opens it and makes all
// calls, and a program may change its credentials before Open. After a
// syscall.Setuid, Setgid or Setgroups that follows Open, even to the same ids,
// every command fails with an error that says so and matches EACCES, and no
// event comes any more ([Channel.Err]): open a new channel.
//
// # Dead peers
//
// When a process dies the kernel says goodbye for it: its peer gets
// [Disconnected], as after an orderly end. Only requests that were under way
// fail in a way that tells. (A host that dies says nothing at all.)
package rdmacm
