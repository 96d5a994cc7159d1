//go:build linux && (amd64 || arm64)

package conn_test

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
)

// TestRXEChaos: both sides end their connections at random moments, the setting
// up included. Whatever meets, each connection has at most one event that tells
// how setting up ended, and after Established at most one end; nothing is left.
func TestRXEChaos(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		callers, rounds := 4, 12
		if testing.Short() {
			rounds = 4
		}
		a, b := newSide(t, d), newSide(t, d)
		files, goroutines := descriptors(t), runtime.NumGoroutine()
		l, err := m.Listen(addr, conn.ListenConfig{Requests: b.crs, Backlog: 4})
		require.NoError(t, err)

		end := func(c *conn.Conn, r *rand.Rand) {
			if r.IntN(3) > 0 {
				_ = c.Wait(t.Context())
			}
			time.Sleep(time.Duration(r.IntN(4)) * 2 * time.Millisecond)
			if r.IntN(2) == 0 {
				_ = c.Disconnect() // if it is up
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		var wg, serving sync.WaitGroup
		stop := make(chan struct{})
		serving.Go(func() {
			r := rand.New(rand.NewPCG(1, 0))
			for cookie := uint64(0); ; cookie++ {
				var ev [1]engine.Event
				n, _ := b.crs.Dequeue(ev[:])
				if n == 0 {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					continue
				}
				req := l.Request(&ev[0])
				if r.IntN(8) == 0 {
					_ = req.Reject(nil)
					continue
				}
				cfg := b.config(cookie, 2)
				cfg.Timeout = 5 * time.Second // a caller that has gone may not say so
				c, err := req.Accept(cfg)
				if err != nil {
					continue // the caller has gone
				}
				seed := r.Uint64()
				wg.Go(func() { end(c, rand.New(rand.NewPCG(seed, 1))) })
			}
		})
		var calls sync.WaitGroup
		for g := range callers {
			calls.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 2))
				for i := range rounds {
					c, err := m.Dial(l.Addr(), a.config(uint64(g*rounds+i), 2))
					if err != nil {
						t.Error(err)
						return
					}
					end(c, r)
				}
			})
		}
		calls.Wait()
		close(stop)
		serving.Wait()
		wg.Wait()
		require.NoError(t, l.Close())
		for end := time.Now().Add(patience); descriptors(t) > files || runtime.NumGoroutine() > goroutines; {
			require.True(t, time.Now().Before(end), "%d descriptors of %d, %d goroutines of %d", descriptors(t), files, runtime.NumGoroutine(), goroutines)
			time.Sleep(10 * time.Millisecond)
		}
		for _, s := range []*side{a, b} {
			seen := map[uint64]engine.EventNumber{}
			for {
				var ev [1]engine.Event
				n, err := s.cm.Dequeue(ev[:])
				require.NoError(t, err)
				if n == 0 {
					break
				}
				was := seen[ev[0].WRID]
				switch ev[0].Number {
				case engine.Disconnected, engine.Broken:
					require.Equal(t, engine.Established, was, "%v", ev[0])
				default:
					require.Zero(t, was, "%v after %v", ev[0], was)
				}
				seen[ev[0].WRID] = ev[0].Number
			}
			if s == a { // some callers have waited for theirs
				require.NotEmpty(t, seen)
			}
		}
	})
}

// TestRXEExchangeHostile: strangers on the TCP port, and a peer that says what
// it should not.
func TestRXEExchangeHostile(t *testing.T) {
	d := needRXE(t)
	m := conn.NewExchange()
	s := newSide(t, d)
	l := s.listen(m, "127.0.0.1:0")
	for _, junk := range []string{"", "GET / HTTP/1.0\r\n\r\n", string(make([]byte, 52)), string(make([]byte, 4096))} {
		c, err := net.Dial("tcp", l.Addr())
		require.NoError(t, err)
		_, err = io.WriteString(c, junk)
		require.NoError(t, err)
		if len(junk) < 52 {
			require.NoError(t, c.(*net.TCPConn).CloseWrite())
		}
		_, err = io.ReadAll(c)
		if err != nil {
			require.ErrorContains(t, err, "reset")
		}
		require.NoError(t, c.Close())
	}
	s.quiet(s.crs)

	address, err := s.dest(t)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		say  []string
		want []engine.EventNumber
	}{
		"no address": {[]string{string(make([]byte, 52))}, []engine.EventNumber{engine.Unreachable}},
		"half":       {[]string{address[:20]}, []engine.EventNumber{engine.Unreachable}},
		"nothing":    {nil, []engine.EventNumber{engine.PeerRejected}},
		"no word":    {[]string{address, "what"}, []engine.EventNumber{engine.Established}},
		"bad word":   {[]string{address, "evd1", "what"}, []engine.EventNumber{engine.Established, engine.Broken}},
		"hangs up":   {[]string{address, "evd1"}, []engine.EventNumber{engine.Established, engine.Broken}},
		"goodbye":    {[]string{address, "evd1", "bye!", "bye!", "what"}, []engine.EventNumber{engine.Established, engine.Disconnected}},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			go func() {
				p, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = io.CopyN(io.Discard, p, 52)
				for i, word := range c.say {
					_, _ = io.WriteString(p, word)
					if i == 0 && len(c.say) > 1 {
						_, _ = io.CopyN(io.Discard, p, int64(len(rxe.ExchangeDone)))
					}
				}
				_ = p.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, p)
				_ = p.Close()
			}()
			c2 := s.dial(m, ln.Addr().String(), s.config(1, 0))
			for _, n := range c.want {
				s.wait(s.cm, n)
			}
			require.NoError(t, c2.Close())
			s.quiet(s.cm)
		})
	}
	// And it still serves.
	c := s.dial(m, l.Addr(), s.config(1, 0))
	s.accept(l, s.config(2, 0))
	require.NoError(t, c.Wait(t.Context()))
}

// dest is the address of a queue pair that takes nothing from anybody.
func (s *side) dest(t *testing.T) (string, error) {
	qp, err := s.pd.OpenQP(rxe.QPConfig{SendCQ: s.cq})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, qp.Close()) })
	d, err := qp.Dest()
	return string(rxe.AppendDest(nil, d)), err
}
