//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/uring"
)

// Defaults and limits of Config.
const (
	DefaultConns      = 1024
	DefaultBuffers    = 256
	DefaultBufferSize = 2048

	maxConns = uring.MaxEntries - backlog

	// backlog is how many accepted connections may be on the completion queue.
	backlog = 64
)

// Config describes a Server.
type Config struct {
	Addr  string      // to listen on, as of net.Listen("tcp", Addr)
	Shape uring.Shape // of the ring

	// Conns is how many connections there may be at once, up to 32704; one more is
	// closed at once. 0 means DefaultConns.
	Conns int

	// Buffers of BufferSize bytes each are shared by all connections; one that finds
	// none waits for its turn. 0 means the defaults.
	Buffers, BufferSize int

	// Log is told of what concerns nobody else; nil: nobody is.
	Log func(format string, args ...any)
}

// Server is a running echo server.
//
// Upcalls run on the goroutine that polls the ring, and now and then on a worker
// of the engine: one at a time for each connection, but those of two connections may
// run at once. What they share is under mu.
type Server struct {
	cfg      Config
	addr     net.Addr
	listener *os.File

	ring   *uring.Ring
	bufs   *uring.Buffers
	engine *engine.Engine
	cq     *engine.SharedCQ
	accept acceptor

	last uint32         // owner: the acceptor; the number of the newest connection
	live sync.WaitGroup // the acceptor and the connections

	mu       sync.Mutex
	closing  bool
	conns    map[uint32]*conn // by number
	out      int              // buffers that connections have
	starving []*conn          // connections that wait for a buffer, and for nothing else
}

// Listen starts a server.
func Listen(cfg Config) (_ *Server, err error) {
	if cfg.Conns == 0 {
		cfg.Conns = DefaultConns
	}
	if cfg.Conns < 1 || cfg.Conns > maxConns {
		return nil, fmt.Errorf("%d connections: must be 1..%d", cfg.Conns, maxConns)
	}
	if cfg.Buffers == 0 {
		cfg.Buffers = DefaultBuffers
	}
	if cfg.BufferSize == 0 {
		cfg.BufferSize = DefaultBufferSize
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	s := &Server{cfg: cfg, conns: make(map[uint32]*conn)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := s.listen(); err != nil {
		return nil, err
	}
	// As many entries as requests can be in flight, so that Submit always has room:
	// one for each connection and one of the acceptor. The completion queue, of twice
	// that, also holds what a multishot accept finds.
	if s.ring, err = uring.Open(uring.Config{Entries: cfg.Conns + backlog, Shape: cfg.Shape}); err != nil {
		return nil, err
	}
	if s.bufs, err = s.ring.NewBuffers(uring.BuffersConfig{Count: cfg.Buffers, Size: cfg.BufferSize}); err != nil {
		return nil, err
	}
	if s.engine, err = engine.New(engine.Config{AsyncUpcall: s.trouble}); err != nil {
		return nil, err
	}
	// From here on a ring with an owner has one: the shared queue's poller.
	if s.cq, err = s.engine.NewSharedCQ(engine.SharedCQConfig{CQ: s.ring, Mode: engine.ModeEvent, Batch: 64}); err != nil {
		return nil, err
	}
	if err := s.accept.start(s); err != nil {
		return nil, err
	}
	return s, nil
}

// listen makes the listening socket. Package net knows all about addresses; what is
// kept is the descriptor, which io_uring wants in blocking mode.
func (s *Server) listen() error {
	l, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return err
	}
	defer l.Close()
	s.addr = l.Addr()
	if s.listener, err = l.(*net.TCPListener).File(); err != nil {
		return err
	}
	return unix.SetNonblock(int(s.listener.Fd()), false)
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// Close ends all connections, and returns when everything is released. To be called
// once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closing = true // no more connections
	starving := s.starving
	s.starving = nil
	// Requests that wait for a peer end at once. A connection closes its descriptor
	// under mu, so the number is that of no other file.
	err := unix.Shutdown(int(s.listener.Fd()), unix.SHUT_RDWR)
	for _, c := range s.conns {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // fails if the peer was faster
	}
	s.mu.Unlock()
	for _, c := range starving {
		c.finish()
	}
	s.live.Wait()
	return errors.Join(err, s.release())
}

// release frees what there is, in the order in which one uses the other.
func (s *Server) release() error {
	var errs []error
	if s.accept.evd != nil {
		errs = append(errs, s.accept.evd.Close())
	}
	if s.cq != nil {
		errs = append(errs, s.cq.Close())
	}
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	if s.ring != nil {
		errs = append(errs, s.ring.Close()) // the buffers too
	}
	if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	return errors.Join(errs...)
}

// trouble is called with what goes wrong in the engine and no call can return.
func (s *Server) trouble(u *engine.Upcall) {
	for _, ev := range u.Events() {
		s.cfg.Log("engine: %v, %d times", ev.Number, ev.Count())
	}
}

// submit hands over a request of queue pair number qp, which the credit is for. The
// engine gives the credit back with the completion.
func (s *Server) submit(q uring.Request, qp uint32, credit *engine.Credits) error {
	q.QPNum = qp
	if err := credit.Acquire(1); err != nil {
		return err
	}
	if _, err := s.ring.Submit([]uring.Request{q}); err != nil {
		return errors.Join(err, credit.Release(1))
	}
	return nil
}

// took takes note of a buffer that a connection has got.
func (s *Server) took() {
	s.mu.Lock()
	s.out++
	s.mu.Unlock()
}

// giveBack returns a buffer, for which somebody may be waiting.
func (s *Server) giveBack(id uint32) {
	if err := s.bufs.Return(id); err != nil {
		s.cfg.Log("buffer %d: %v", id, err)
	}
	s.mu.Lock()
	s.out--
	var next *conn
	if len(s.starving) > 0 {
		next, s.starving = s.starving[0], s.starving[1:]
	}
	s.mu.Unlock()
	if next != nil {
		next.receive()
	}
}

// starve has a connection that found no buffer receive when there is one.
func (s *Server) starve(c *conn) {
	s.mu.Lock()
	closing, now := s.closing, s.out < s.cfg.Buffers // now: one came back meanwhile
	if !closing && !now {
		s.starving = append(s.starving, c)
	}
	s.mu.Unlock()
	switch {
	case closing:
		c.finish()
	case now:
		c.receive()
	}
}
