//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/examples/internal/need"
	"github.com/evdengine/evd/hwcq/uring"
)

// shapes runs a test with a server of each shape, and sees that nothing of it stays.
func shapes(t *testing.T, cfg Config, test func(t *testing.T, s *Server)) {
	cfg.Addr = "127.0.0.1:0"
	for _, shape := range []uring.Shape{uring.Portable, uring.Owner} {
		t.Run(shape.String(), func(t *testing.T) {
			files, goroutines := openFiles(t), runtime.NumGoroutine()
			cfg := cfg
			cfg.Shape = shape
			s, err := Listen(cfg)
			require.NoError(t, err)
			closed := false
			defer func() {
				if !closed {
					_ = s.Close() // the test has failed
				}
			}()
			test(t, s)
			closed = true
			require.NoError(t, s.Close())
			require.Empty(t, s.conns)
			require.Zero(t, s.out, "buffers that nobody has given back")
			settles(t, "goroutines", goroutines, runtime.NumGoroutine)
			settles(t, "files", files, func() int { return openFiles(t) })
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(list)
}

// settles waits until there are as few as before.
func settles(t *testing.T, what string, before int, now func() int) {
	t.Helper()
	eventually(t, what, func() bool { return now() <= before })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(end), what)
	}
}

// dial connects to the server. No read or write of the connection lasts for ever.
func dial(t *testing.T, s *Server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return c.(*net.TCPConn)
}

// echoes sends messages of random sizes and compares what comes back with them.
func echoes(c net.Conn, g *rand.Rand, messages, size int) error {
	for range messages {
		out := make([]byte, 1+g.IntN(size))
		for i := range out {
			out[i] = byte(g.Uint32())
		}
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(out)
			sent <- err
		}()
		in := make([]byte, len(out))
		_, err := io.ReadFull(c, in)
		if err := errors.Join(err, <-sent); err != nil {
			return err
		}
		if !bytes.Equal(in, out) {
			return errors.New("other bytes than were sent")
		}
	}
	return nil
}

// ends sends the end of the stream, and expects that of the server and nothing else.
func ends(c *net.TCPConn) error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	rest, err := io.ReadAll(c)
	if err == nil && len(rest) > 0 {
		err = errors.New("more bytes than were sent")
	}
	return errors.Join(err, c.Close())
}

// each runs f for n connections at once.
func each(t *testing.T, s *Server, n int, f func(c *net.TCPConn, g *rand.Rand, i int) error) {
	t.Helper()
	var all sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		c := dial(t, s)
		all.Go(func() { failed <- f(c, rand.New(rand.NewPCG(1, uint64(i))), i) })
	}
	all.Wait()
	for range n {
		require.NoError(t, <-failed)
	}
}

func TestManyConnections(t *testing.T) {
	need.Ring(t)
	shapes(t, Config{}, func(t *testing.T, s *Server) {
		each(t, s, 200, func(c *net.TCPConn, g *rand.Rand, _ int) error {
			return errors.Join(echoes(c, g, 20, 10_000), ends(c))
		})
	})
}

// TestAbruptCloses: most connections end in the middle of something, the others do not
// notice it.
func TestAbruptCloses(t *testing.T) {
	need.Ring(t)
	shapes(t, Config{}, func(t *testing.T, s *Server) {
		for range 5 {
			each(t, s, 60, func(c *net.TCPConn, g *rand.Rand, i int) error {
				err := echoes(c, g, g.IntN(4), 5000)
				switch i % 3 {
				case 0:
					return errors.Join(err, echoes(c, g, 10, 5000), ends(c))
				case 1: // with a reset, and unread bytes
					_, werr := c.Write(make([]byte, g.IntN(100_000)))
					return errors.Join(err, werr, c.SetLinger(0), c.Close())
				default:
					_, werr := c.Write(make([]byte, g.IntN(100)))
					return errors.Join(err, werr, c.Close())
				}
			})
		}
		eventually(t, "connections", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.conns) == 0
		})
	})
}

// TestFewBuffers: more connections than buffers, and messages larger than them.
func TestFewBuffers(t *testing.T) {
	need.Ring(t)
	shapes(t, Config{Buffers: 2, BufferSize: 100}, func(t *testing.T, s *Server) {
		each(t, s, 40, func(c *net.TCPConn, g *rand.Rand, _ int) error {
			return errors.Join(echoes(c, g, 10, 1500), ends(c))
		})
	})
}

// TestStarving: a connection that finds no buffer gets one when it is given back.
func TestStarving(t *testing.T) {
	need.Ring(t)
	shapes(t, Config{Buffers: 1, BufferSize: 8 << 20}, func(t *testing.T, s *Server) {
		greedy, hungry := dial(t, s), dial(t, s)
		echo := make(chan error, 1)
		for starving := false; !starving; {
			clog(t, s, greedy)
			_, err := hungry.Write([]byte("hungry"))
			require.NoError(t, err)
			go func() {
				in := make([]byte, 6)
				_, err := io.ReadFull(hungry, in)
				if err == nil && string(in) != "hungry" {
					err = errors.New("other bytes than were sent")
				}
				echo <- err
			}()
			served := false // greedy was only slow
			eventually(t, "one that starves", func() bool {
				select {
				case err := <-echo:
					require.NoError(t, err)
					served = true
				default:
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				starving = len(s.starving) == 1
				return starving || served
			})
		}
		require.NoError(t, errors.Join(greedy.SetLinger(0), greedy.Close()))
		require.NoError(t, <-echo)
		require.NoError(t, ends(hungry))
	})
}

// clog writes to the server, and reads nothing, until it cannot send any more and keeps
// its only buffer.
func clog(t *testing.T, s *Server, c *net.TCPConn) {
	t.Helper()
	require.NoError(t, c.SetReadBuffer(4096))
	stop := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(stop)
	all.Go(func() {
		junk := make([]byte, 256<<10)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			_, _ = c.Write(junk) // until there is no room
		}
	})
	last, since := uint64(0), time.Now()
	eventually(t, "a send that waits", func() bool {
		if n := s.ring.Stats().Completed; n != last {
			last, since = n, time.Now()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.out == 1 && time.Since(since) > 200*time.Millisecond
	})
}

// TestSlowReader: who reads late gets everything, in order.
func TestSlowReader(t *testing.T) {
	need.Ring(t)
	shapes(t, Config{BufferSize: 1 << 20}, func(t *testing.T, s *Server) {
		c := dial(t, s)
		out := make([]byte, 8<<20)
		for i := range out {
			out[i] = byte(i >> 8 * i)
		}
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(out)
			sent <- errors.Join(err, c.CloseWrite())
		}()
		time.Sleep(50 * time.Millisecond) // lets it fill up; nothing depends on it
		in, err := io.ReadAll(c)
		require.NoError(t, errors.Join(err, <-sent, c.Close()))
		require.True(t, bytes.Equal(in, out))
	})
}

func TestTooManyConnections(t *testing.T) {
	need.Ring(t)
	shapes(t, Config{Conns: 2}, func(t *testing.T, s *Server) {
		a, b := dial(t, s), dial(t, s)
		g := rand.New(rand.NewPCG(1, 1))
		require.NoError(t, errors.Join(echoes(a, g, 1, 10), echoes(b, g, 1, 10)))
		c := dial(t, s)
		n, err := c.Read(make([]byte, 1))
		require.Zero(t, n)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, c.Close())
		require.NoError(t, errors.Join(echoes(a, g, 5, 10), ends(b)))
		eventually(t, "a place", func() bool {
			c := dial(t, s)
			return errors.Join(echoes(c, g, 5, 10), c.Close()) == nil
		})
		require.NoError(t, ends(a))
	})
}

// TestTooManyFiles: the server goes on when there are descriptors again.
func TestTooManyFiles(t *testing.T) {
	need.Ring(t)
	// The limit that counts is the one at the time of the request.
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 200, Max: old.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old)) }()
	full := make(chan struct{}, 1)
	shapes(t, Config{Log: func(string, ...any) {
		select {
		case full <- struct{}{}:
		default:
		}
	}}, func(t *testing.T, s *Server) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		var dups []int
		for {
			d, err := unix.Dup(fd)
			if err != nil {
				break
			}
			dups = append(dups, d)
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: s.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}})
		select {
		case <-full:
		case <-time.After(20 * time.Second):
			err = errors.Join(err, errors.New("nothing logged"))
		}
		for _, d := range dups {
			_ = unix.Close(d)
		}
		require.NoError(t, err)
		f := os.NewFile(uintptr(fd), "client")
		c, err := net.FileConn(f)
		require.NoError(t, errors.Join(err, f.Close()))
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
		require.NoError(t, echoes(c, rand.New(rand.NewPCG(1, 1)), 5, 1000))
		require.NoError(t, c.Close())
	})
}

// TestCloseUnderTraffic: whatever the connections do, Close ends it all.
func TestCloseUnderTraffic(t *testing.T) {
	need.Ring(t)
	for range 3 {
		var clients sync.WaitGroup
		shapes(t, Config{Buffers: 4, BufferSize: 1000}, func(t *testing.T, s *Server) {
			for i := range 50 {
				c := dial(t, s)
				clients.Go(func() {
					defer c.Close()
					switch g := rand.New(rand.NewPCG(2, uint64(i))); i % 3 {
					case 0:
						_ = echoes(c, g, 1<<30, 5000) // until the server closes
					case 1:
						_, _ = c.Write(make([]byte, 10<<20)) // reads nothing
					default:
						_, _ = c.Read(make([]byte, 1)) // says nothing
					}
				})
			}
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // then shapes closes it
		})
		clients.Wait()
	}
}

func TestBadConfig(t *testing.T) {
	need.Ring(t)
	for _, c := range []struct {
		cfg  Config
		text string
	}{
		{Config{Addr: "nowhere"}, "missing port"},
		{Config{Conns: -1}, "-1 connections: must be 1..32704"},
		{Config{Conns: 32705}, "32705 connections: must be 1..32704"},
		{Config{Addr: "127.0.0.1:0", Buffers: -1}, "Count = -1"},
		{Config{Addr: "127.0.0.1:0", BufferSize: 1 << 31}, "Size = 2147483648"},
		{Config{Addr: "127.0.0.1:0", Shape: 7}, "Shape"},
	} {
		s, err := Listen(c.cfg)
		require.ErrorContains(t, err, c.text)
		require.Nil(t, s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = Listen(Config{Addr: l.Addr().String()})
	require.ErrorIs(t, err, unix.EADDRINUSE)
}
