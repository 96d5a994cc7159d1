// Package conn makes connections of RDMA queue pairs, and the engine's events of
// what happens to them. It owns the queue pair and the [engine.Endpoint] of each
// connection.
//
// There are two [Manager]s, of the same shape. [OpenCM] uses the kernel's RDMA
// connection manager, as librdmacm's programs do. [NewExchange] uses the TCP
// exchange of rdma-core's pingpong programs, and between two of its own keeps
// the TCP connection, over which the end of a peer is seen.
//
// # Events
//
// [Manager.Dial] and [Request.Accept] return at once; how it ends comes to the
// Connect EVD of Config.Endpoint, as one event:
//
//   - Established;
//   - PeerRejected: the peer's program said no;
//   - NonPeerRejected: nobody listens there;
//   - Unreachable: the address leads nowhere, or setting up failed on the way;
//   - TimedOut: Config.Timeout passed;
//   - AcceptCompletionError: to the accepting side, whatever came between.
//
// After Established exactly one of Disconnected and Broken follows. It is
// Disconnected if this side or the peer called [Conn.Disconnect], and Broken if a
// request failed, the peer's process died or the device was removed. The CM says
// goodbye for processes that die: with it a dead peer shows as Broken only
// where a request fails of it first, else as Disconnected. Before either
// event the queue pair has been moved to the error state: what was posted
// completes with a flush. [Conn.Close] makes no event.
//
// A [Listener] posts ConnectionRequest events, of stream CR; [Listener.Request]
// finds the [Request] of one.
//
// # Exchange
//
// The C programs close the TCP connection after the exchange, and ours must not
// take that for their end. So our server greets over it when the exchange is
// complete, and our client greets back; only then there is Established. Who has
// not been greeted expects no more of the TCP connection: the death of a peer
// that is a C program, or that dies in that moment, shows only in requests that
// fail.
package conn
