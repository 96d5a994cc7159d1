package main

import (
	"errors"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

const (
	maxConns = 64 // one more is rejected
	perConn  = 8  // messages of one connection that may be here at once
)

// Server echoes. Its state belongs to the upcall, of which there is one at a time.
type Server struct {
	local
	evd      *engine.EVD
	listener *conn.Listener
	ready    chan struct{}        // closed when listener is set, or never will be
	conns    [maxConns]*conn.Conn // by cookie
	log      func(format string, args ...any)
}

// Listen starts a server at addr, "IP:port".
func Listen(addr string, log func(format string, args ...any)) (*Server, error) {
	s := &Server{log: log, ready: make(chan struct{})}
	err := s.open(maxConns*perConn, s.hangUpAll)
	if err != nil {
		return nil, err
	}
	s.evd, err = s.engine.NewEVD(engine.EVDConfig{
		Name: "echo", Streams: engine.CR | engine.Connection | engine.DTO,
		CQs: []hwcq.CQ{s.cq}, Policy: engine.SingleInstance, Upcall: s.upcall,
	})
	if err == nil {
		s.listener, err = s.cm.Listen(addr, conn.ListenConfig{Requests: s.evd})
	}
	close(s.ready)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.undo = append(s.undo, s.listener.Close)
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr() }

// Close ends all connections.
func (s *Server) Close() error { return s.close() }

func (s *Server) upcall(u *engine.Upcall) {
	for _, ev := range u.Events() {
		switch ev.Stream {
		case engine.CR:
			s.request(&ev)
		case engine.Connection:
			if ev.Number != engine.Established {
				s.hangUp(int(ev.WRID), ev.Number)
			}
		case engine.DTO:
			s.completed(&ev)
		}
	}
}

// A work request's cookie is the number of its message's place, which belongs to
// connection place/perConn, and whether it was sent or received.
const sent = 1 << 32

func (s *Server) request(ev *engine.Event) {
	<-s.ready // the first may come before Listen has returned
	if s.listener == nil {
		return // which failed
	}
	r := s.listener.Request(ev)
	if r == nil {
		return // the listener has been closed
	}
	for i, c := range s.conns {
		if c == nil {
			s.accept(i, r)
			return
		}
	}
	_ = r.Reject([]byte("too many connections"))
}

func (s *Server) accept(i int, r *conn.Request) {
	c, err := r.Accept(conn.Config{
		Engine: s.engine, PD: s.pd,
		QP:       rxe.QPConfig{SendCQ: s.cq, SendDepth: perConn, RecvDepth: perConn},
		Endpoint: engine.EndpointConfig{Recv: s.evd, Request: s.evd, Connect: s.evd, Cookie: uint64(i)},
		Prepare: func(c *conn.Conn) error {
			for place := i * perConn; place < (i+1)*perConn; place++ {
				if err := s.receive(c, place); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		s.log("from %s: %v", r.Peer(), err)
		return
	}
	s.conns[i] = c
}

func (s *Server) receive(c *conn.Conn, place int) error {
	return c.QP().PostRecv(&rxe.RecvWR{WRID: uint64(place), SGL: s.sge(place, messageSize)})
}

// completed sends a message back that has come, and makes room for another when
// one has gone. Flushed ones are of a connection that has ended.
func (s *Server) completed(ev *engine.Event) {
	place := int(ev.WRID &^ sent)
	c := s.conns[place/perConn]
	if ev.Status != hwcq.StatusSuccess || c == nil || c.QP().Num() != ev.QPNum {
		return
	}
	var err error
	if ev.WRID&sent != 0 {
		err = s.receive(c, place)
	} else {
		err = c.QP().PostSend(&rxe.SendWR{WRID: uint64(place) | sent, Op: rxe.OpSend, Flags: rxe.Signaled, SGL: s.sge(place, int(ev.ByteLen))})
	}
	if err != nil {
		s.log("connection %d: %v", place/perConn, err)
	}
}

func (s *Server) hangUp(i int, why engine.EventNumber) {
	if err := s.conns[i].Close(); err != nil {
		s.log("connection %d: %v", i, err)
	}
	s.conns[i] = nil
	s.log("connection %d: %v", i, why)
}

// hangUpAll is for the end, when no upcall runs any more.
func (s *Server) hangUpAll() error {
	var errs []error
	for _, c := range s.conns {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
