package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

// profileServer serves the profiles of this process over HTTP. It has a mux of its own:
// nothing else that a program may have registered is served.
type profileServer struct {
	addr string // HOST:PORT; "": none
	srv  *http.Server
	done chan error
}

func (s *profileServer) start(stderr io.Writer) error {
	if s.addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("--pprof-addr = %s: %w", s.addr, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.done = make(chan error, 1)
	go func() { s.done <- s.srv.Serve(l) }()
	fmt.Fprintf(stderr, "evdbench: profiles at http://%s/debug/pprof/ until the run ends\n", l.Addr())
	return nil
}

func (s *profileServer) stop() error {
	if s.srv == nil {
		return nil
	}
	err := s.srv.Close() // who is in the middle of a profile does not get it
	if serr := <-s.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("--pprof-addr: %w", serr))
	}
	s.srv = nil
	return err
}

// listenAddr is a HOST:PORT to listen at. Without a host it is this one only: profiles are
// nobody else's business.
type listenAddr struct{ v *string }

func (a listenAddr) String() string {
	if a.v == nil {
		return ""
	}
	return *a.v
}
func (a listenAddr) Type() string { return "HOST:PORT" }

func (a listenAddr) Set(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be HOST:PORT or :PORT, with a port of 0 (any that is free) to 65535")
	}
	if host == "" {
		host = "localhost"
	}
	*a.v = net.JoinHostPort(host, port)
	return nil
}
