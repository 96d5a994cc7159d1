//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// conn is one connection. It receives into a buffer that the kernel chooses, sends
// that back, and receives again: so it has one request in flight, or none while it
// waits for a buffer, and who has not read his echo is not read from.
//
// Its fields are owned by whoever got the completion of that request.
type conn struct {
	s       *Server
	id      uint32 // its queue pair number on the shared queue
	fd      int
	evd     *engine.EVD
	credits *engine.Credits

	buf  uint32 // the buffer it has, while rest is not empty
	rest []byte // of the buffer, what is still to be sent
}

// open makes a connection of a descriptor that was accepted.
func (s *Server) open(fd int) {
	c := &conn{s: s, fd: fd}
	if err := c.join(); err != nil {
		s.cfg.Log("refuse a connection: %v", err)
		if c.evd != nil {
			_ = c.evd.Close() // has never had an event
		}
		_ = unix.Close(fd)
		return
	}
	s.live.Add(1) // the acceptor is alive: Close is still waiting
	s.mu.Lock()
	refuse := s.closing || len(s.conns) == s.cfg.Conns // Close has looked at the connections
	s.conns[c.id] = c
	s.mu.Unlock()
	if refuse {
		c.finish()
		return
	}
	c.receive()
}

// join gives the connection its EVD, and a place on the shared queue.
func (c *conn) join() (err error) {
	s := c.s
	if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	s.last++ // only the acceptor opens connections
	if s.last == acceptQP {
		s.last++
	}
	c.id = s.last
	c.evd, err = s.engine.NewEVD(engine.EVDConfig{
		Name: fmt.Sprintf("conn%d", c.id), Streams: engine.DTO, Dispatch: engine.DispatchInline, Policy: engine.SingleInstance,
		Capacity: 1, Batch: 1,
		Upcall: c.upcall,
	})
	if err != nil {
		return err
	}
	// One credit: one request in flight.
	c.credits, err = c.evd.Join(s.cq, c.id, 1)
	return err
}

func (c *conn) upcall(u *engine.Upcall) {
	wc := u.Events()[0].WC()
	n, err := uring.Result(wc)
	switch {
	case uring.OpOf(wc) == uring.OpRecv:
		c.received(wc, n, err)
	default:
		c.sent(n, err)
	}
}

func (c *conn) receive() {
	if err := c.s.submit(uring.RecvBuffer(c.fd, c.s.bufs, 0), c.id, c.credits); err != nil {
		c.s.cfg.Log("connection %d: %v", c.id, err)
		c.finish()
	}
}

func (c *conn) received(wc hwcq.WC, n int, err error) {
	switch {
	case wc.Flags&uring.FlagBuffer != 0:
		c.s.took()
		c.buf, c.rest = wc.Imm, c.s.bufs.Bytes(wc.Imm, n)
		c.send()
	case err == unix.ENOBUFS:
		c.s.starve(c)
	default: // the end of the stream, or an error, as ECONNRESET
		c.finish()
	}
}

func (c *conn) send() {
	if err := c.s.submit(uring.Send(c.fd, c.rest, 0), c.id, c.credits); err != nil {
		c.s.cfg.Log("connection %d: %v", c.id, err)
		c.s.giveBack(c.buf)
		c.finish()
	}
}

func (c *conn) sent(n int, err error) {
	if err == nil {
		c.rest = c.rest[n:]
		if len(c.rest) > 0 {
			c.send() // it was short
			return
		}
	}
	c.s.giveBack(c.buf)
	if err != nil { // the peer does not read any more
		c.finish()
		return
	}
	c.receive()
}

// finish ends the connection. Nothing is in flight.
func (c *conn) finish() {
	s := c.s
	s.mu.Lock()
	delete(s.conns, c.id)
	_ = unix.Close(c.fd) // under mu: see Close
	s.mu.Unlock()
	// An EVD cannot be closed from its own upcall, and this may be one.
	go func() {
		defer s.live.Done()
		if err := c.evd.Close(); err != nil {
			s.cfg.Log("connection %d: %v", c.id, err)
		}
	}()
}
