package uring

// Shutdown directions: shutdown(2).
const (
	ShutRead  = 0 // SHUT_RD
	ShutWrite = 1 // SHUT_WR
	ShutBoth  = 2 // SHUT_RDWR
)

// Send sends buf on a connected socket (IORING_OP_SEND, Linux 5.6; send(2)). flags are
// MSG_*; MSG_NOSIGNAL is always among them. The result is how many bytes it was; with
// MSG_WAITALL on a stream socket the kernel goes on until it is len(buf), which is at
// most 2^31-1.
func Send(fd int, buf []byte, flags int) Request {
	q := request(OpSend, fd)
	q.use(buf)
	q.opFlags(flags)
	return q
}

// Recv receives into buf from a socket (IORING_OP_RECV, Linux 5.6; recv(2)). flags are
// MSG_*. The result is how many bytes it was, 0 when the peer has shut down. len(buf)
// is at most 2^31-1.
func Recv(fd int, buf []byte, flags int) Request {
	q := request(OpRecv, fd)
	q.use(buf)
	q.opFlags(flags)
	return q
}

// RecvBuffer is [Recv] into one buffer of b, which the kernel takes when data is there.
// So a connection that waits for data occupies no memory. A completion with [FlagBuffer] has
// the data in the buffer WC.Imm of b: see [Buffers]. If b has none left, it fails with
// ENOBUFS (StatusRNRRetryExcErr). It needs what [FeatureBufferRings] stands for, and
// is for the ring of b.
func RecvBuffer(fd int, b *Buffers, flags int) Request {
	q := request(OpRecv, fd)
	q.opFlags(flags)
	q.group = b
	if b == nil {
		q.bad("b", "nil", "the Buffers of the ring")
		return q
	}
	q.sqe.flags, q.sqe.bufIndex = sqeBufferSelect, b.kernelGroup()
	return q
}

// RecvMulti is [RecvBuffer] again and again (Linux 6.0): it completes once for each piece of data, with
// [FlagMore] as long as it goes on. The last completion is one without:
// the end of the stream (0 bytes), an error, or a shortage: ENOBUFS when b has no buffer
// left, or a full completion queue. After a shortage the caller
// returns buffers and submits it anew. MSG_WAITALL is not among the flags.
func RecvMulti(fd int, b *Buffers, flags int) Request {
	q := RecvBuffer(fd, b, flags)
	if flags&msgWaitAll != 0 {
		q.bad("flags", flags, "without MSG_WAITALL (0x100)")
	}
	q.sqe.ioprio = recvMultishot
	return q
}

// Accept takes one connection from a listening socket (IORING_OP_ACCEPT, Linux 5.5;
// accept4(2)). flags are SOCK_CLOEXEC and SOCK_NONBLOCK. The result is the new file
// descriptor, which is the receiver's to close; the ring's Close closes those whose
// completions nobody has polled.
func Accept(fd, flags int) Request {
	q := request(OpAccept, fd)
	q.opFlags(flags)
	return q
}

// AcceptMulti is [Accept] again and again (Linux 5.19): it completes once for each
// connection, with [FlagMore] as long as it goes on. It ends with an error, or a full
// completion queue; the caller submits it anew if it is to go on.
func AcceptMulti(fd, flags int) Request {
	q := Accept(fd, flags)
	q.sqe.ioprio = acceptMultishot
	return q
}

// PollAdd waits until a file is ready for one of the events, which are those of poll(2):
// POLLIN and so on; POLLERR and POLLHUP are always among them (IORING_OP_POLL_ADD,
// Linux 5.1). The result is which events it was.
func PollAdd(fd int, events uint32) Request {
	q := request(OpPollAdd, fd)
	q.sqe.opFlags = events
	return q
}

// PollMulti is [PollAdd] again and again (Linux 5.13): it completes at each change to
// readiness, with [FlagMore] as long as it goes on. It ends with an error, or a full
// completion queue; the caller submits it anew if it is to go on.
func PollMulti(fd int, events uint32) Request {
	q := PollAdd(fd, events)
	q.sqe.len = pollMultishot
	return q
}

// Shutdown ends a direction of a connection: ShutRead, ShutWrite or ShutBoth
// (IORING_OP_SHUTDOWN, Linux 5.11; shutdown(2)). Requests that wait for data
// complete with 0, or fail.
func Shutdown(fd, how int) Request {
	q := request(OpShutdown, fd)
	if how < ShutRead || how > ShutBoth {
		q.bad("how", how, "ShutRead (0), ShutWrite (1) or ShutBoth (2)")
	}
	q.sqe.len = uint32(how)
	return q
}

// opFlags sets the flags that the operation's system call would get.
func (q *Request) opFlags(flags int) {
	if int(int32(flags)) != flags {
		q.bad("flags", flags, "32 bits")
	}
	q.sqe.opFlags = uint32(flags)
}
