//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// As in c/echo.c.
const (
	bufferCount = 256
	bufferSize  = 2048
)

// echo is what c/echo.c is, through an EVD: multishot accept, multishot receive into
// provided buffers, send, on a ring of one thread, on which the upcall runs. It is for
// measuring; the server to read and to copy is examples/echo.
type echo struct {
	ring *uring.Ring
	bufs *uring.Buffers
	rest [bufferCount]span // of a buffer, what is to be sent
	reqs []uring.Request   // to be submitted at the end of the upcall
	end  chan error
}

type span struct{ at, end int }

// listen is a listening socket on a free port of the loopback device.
func listen() (fd, port int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, 128); err != nil {
		return 0, 0, fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, 0, fmt.Errorf("getsockname: %w", err)
	}
	return fd, name.(*unix.SockaddrInet4).Port, nil
}

// echoMain serves until the process is killed.
func echoMain() error {
	fd, port, err := listen()
	if err != nil {
		return err
	}
	ring, err := uring.Open(uring.Config{Entries: 256, Shape: uring.Owner})
	if err != nil {
		return err
	}
	defer ring.Close()
	s := &echo{ring: ring, end: make(chan error, 1), reqs: make([]uring.Request, 0, 512)}
	if s.bufs, err = ring.NewBuffers(uring.BuffersConfig{Count: bufferCount, Size: bufferSize}); err != nil {
		return err
	}
	e, err := engine.New(engine.Config{})
	if err != nil {
		return err
	}
	defer e.Close()
	if _, err = e.NewEVD(engine.EVDConfig{
		CQs: []hwcq.CQ{ring}, Mode: engine.ModeEvent, Dispatch: engine.DispatchInline,
		Policy: engine.SingleInstance, Batch: 128, Upcall: s.upcall,
	}); err != nil {
		return err
	}
	if _, err := ring.Submit([]uring.Request{accepting(fd)}); err != nil {
		return err
	}
	fmt.Println("port", port)
	return <-s.end
}

func accepting(fd int) uring.Request {
	q := uring.AcceptMulti(fd, unix.SOCK_CLOEXEC)
	q.QPNum = uint32(fd)
	return q
}

func (s *echo) receive(fd uint32) {
	q := uring.RecvMulti(int(fd), s.bufs, 0)
	q.QPNum = fd
	s.reqs = append(s.reqs, q)
}

func (s *echo) send(fd, id uint32) {
	r := s.rest[id]
	q := uring.Send(int(fd), s.bufs.Bytes(id, r.end)[r.at:], unix.MSG_WAITALL)
	q.QPNum, q.WRID = fd, uint64(id)
	s.reqs = append(s.reqs, q)
}

func (s *echo) upcall(u *engine.Upcall) {
	s.reqs = s.reqs[:0]
	for i := range u.Events() {
		ev := &u.Events()[i]
		switch ev.Opcode {
		case hwcq.OpRecv:
			s.received(ev)
		case hwcq.OpSend:
			s.sent(ev)
		default:
			s.accepted(ev)
		}
	}
	if n, err := s.ring.Submit(s.reqs); err != nil {
		s.fail(fmt.Errorf("%d of %d submitted: %w", n, len(s.reqs), err))
	}
}

func (s *echo) accepted(ev *engine.Event) {
	n, err := uring.Result(ev.WC())
	if err != nil {
		s.fail(fmt.Errorf("accept: %w", err))
		return
	}
	fd := uint32(n)
	if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		s.fail(fmt.Errorf("setsockopt: %w", err))
	}
	s.receive(fd)
	if ev.Flags&uring.FlagMore == 0 {
		s.reqs = append(s.reqs, accepting(int(ev.QPNum)))
	}
}

func (s *echo) received(ev *engine.Event) {
	switch {
	case ev.Flags&uring.FlagBuffer != 0:
		s.rest[ev.Imm] = span{0, int(ev.ByteLen)}
		s.send(ev.QPNum, ev.Imm)
		if ev.Flags&uring.FlagMore == 0 {
			s.receive(ev.QPNum)
		}
	case ev.VendorErr == uint32(unix.ENOBUFS):
		s.receive(ev.QPNum)
	default:
		_ = unix.Close(int(ev.QPNum)) // the end, or an error: the same to this server
	}
}

func (s *echo) sent(ev *engine.Event) {
	id := uint32(ev.WRID)
	r := &s.rest[id]
	r.at += int(ev.ByteLen)
	if ev.Status == hwcq.StatusSuccess && r.at < r.end {
		s.send(ev.QPNum, id)
	} else if err := s.bufs.Return(id); err != nil {
		s.fail(err)
	}
}

func (s *echo) fail(err error) {
	select {
	case s.end <- err:
	default:
	}
}
