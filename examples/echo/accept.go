//go:build linux

package main

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// acceptQP is the acceptor's number on the shared queue; connections have the others.
const acceptQP = 0

// pause is how long the acceptor waits when there are too many open files.
const pause = 50 * time.Millisecond

// acceptor takes connections: one multishot request, which completes for each of
// them. Upcalls of its EVD run one at a time, so it needs no lock.
type acceptor struct {
	s       *Server
	evd     *engine.EVD
	credits *engine.Credits
}

func (a *acceptor) start(s *Server) (err error) {
	a.s = s
	a.evd, err = s.engine.NewEVD(engine.EVDConfig{
		Name: "accept", Streams: engine.DTO, Dispatch: engine.DispatchInline, Policy: engine.SingleInstance,
		Upcall: a.upcall,
	})
	if err != nil {
		return err
	}
	// The request takes one credit, however often it completes: the others are
	// places for those completions.
	if a.credits, err = a.evd.Join(s.cq, acceptQP, backlog); err != nil {
		return err
	}
	s.live.Add(1)
	if err := a.submit(uring.AcceptMulti(int(s.listener.Fd()), unix.SOCK_CLOEXEC)); err != nil {
		s.live.Done()
		return err
	}
	return nil
}

func (a *acceptor) submit(q uring.Request) error { return a.s.submit(q, acceptQP, a.credits) }

func (a *acceptor) upcall(u *engine.Upcall) {
	for i := range u.Events() {
		ev := &u.Events()[i]
		a.completed(ev.WC())
	}
}

func (a *acceptor) completed(wc hwcq.WC) {
	s := a.s
	next := uring.AcceptMulti(int(s.listener.Fd()), unix.SOCK_CLOEXEC)
	fd, err := uring.Result(wc)
	switch {
	case uring.OpOf(wc) == uring.OpTimeout: // the pause is over
	case err == nil:
		s.open(fd)
	case s.isClosing():
	default:
		s.cfg.Log("accept: %v", err) // too many open files, say
		next = uring.Timeout(pause)
	}
	if wc.Flags&uring.FlagMore != 0 {
		return
	}
	if !s.isClosing() {
		err = a.submit(next)
		if err == nil {
			return
		}
		s.cfg.Log("accept no more: %v", err)
	}
	s.live.Done()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}
