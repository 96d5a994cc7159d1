//go:build linux && (amd64 || arm64)

package conn_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// TestRXEReject: the peer's no, and what was posted comes back.
func TestRXEReject(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		l := b.listen(m, addr)
		c := a.dial(m, l.Addr(), a.config(7, 3))
		r := b.request(l)
		require.NoError(t, r.Reject(nil))
		require.ErrorIs(t, r.Reject(nil), conn.ErrAnswered)
		_, err := r.Accept(b.config(1, 0))
		require.ErrorIs(t, err, conn.ErrAnswered)
		require.EqualValues(t, 7, a.wait(a.cm, engine.PeerRejected).WRID)
		require.ErrorIs(t, c.Wait(t.Context()), conn.ErrRejected)
		require.ErrorIs(t, c.Disconnect(), conn.ErrNotConnected)
		a.flushed(3)
		require.NoError(t, c.Close())
		a.quiet(a.cm)
		b.quiet(b.cm)
	})
}

// TestRXENobodyListens at an address that exists.
func TestRXENobodyListens(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a := newSide(t, d)
		l := a.listen(m, addr)
		to := l.Addr()
		require.NoError(t, l.Close())
		c := a.dial(m, to, a.config(1, 2))
		a.wait(a.cm, engine.NonPeerRejected)
		require.ErrorIs(t, c.Err(), conn.ErrRejected)
		a.flushed(2)
	})
}

// TestRXEUnreachable: addresses that lead nowhere.
func TestRXEUnreachable(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a := newSide(t, d)
		for _, to := range []string{"203.0.113.1:7471", "[2001:db8::1]:7471"} { // no route: documentation
			c := a.dial(m, to, a.config(1, 1))
			a.wait(a.cm, engine.Unreachable)
			require.ErrorIs(t, c.Err(), conn.ErrUnreachable)
			a.flushed(1)
		}
	})
}

// TestRXETimedOut: nobody answers, on either side of it.
func TestRXETimedOut(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		l := b.listen(m, addr)
		cfg := a.config(1, 1)
		cfg.Timeout = 300 * time.Millisecond
		c := a.dial(m, l.Addr(), cfg)
		r := b.request(l) // and no answer
		a.wait(a.cm, engine.TimedOut)
		require.ErrorIs(t, c.Err(), os.ErrDeadlineExceeded)
		a.flushed(1)
		// The caller has gone: the acceptance cannot complete.
		cb, err := r.Accept(b.config(2, 1))
		if err == nil {
			defer cb.Close()
			b.wait(b.cm, engine.AcceptCompletionError)
			b.flushed(1)
		}
		a.quiet(a.cm)
	})
}

// TestRXEPrivateData goes both ways, with a rejection as well; the exchange has
// no place for it.
func TestRXEPrivateData(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		l := b.listen(m, addr)
		cfg := a.config(1, 0)
		cfg.PrivateData = bytes.Repeat([]byte("q"), 56)
		if _, ok := m.(*conn.Exchange); ok {
			_, err := m.Dial(l.Addr(), cfg)
			require.ErrorIs(t, err, param.ErrInvalid)
			require.ErrorContains(t, err, "PrivateData")
			return
		}
		c := a.dial(m, l.Addr(), cfg)
		r := b.request(l)
		require.Equal(t, cfg.PrivateData, r.PrivateData())
		yes := b.config(2, 0)
		yes.PrivateData = bytes.Repeat([]byte("y"), 196)
		cb, err := r.Accept(yes)
		require.NoError(t, err)
		defer cb.Close()
		a.wait(a.cm, engine.Established)
		require.Equal(t, yes.PrivateData, c.PrivateData())

		c = a.dial(m, l.Addr(), cfg)
		require.NoError(t, b.request(l).Reject([]byte("no")))
		a.wait(a.cm, engine.PeerRejected)
		require.Equal(t, "no", string(bytes.TrimRight(c.PrivateData(), "\x00")))

		cfg.PrivateData = make([]byte, 57)
		_, err = m.Dial(l.Addr(), cfg)
		require.ErrorIs(t, err, param.ErrInvalid)
	})
}

// TestRXEBacklog: with the CM a request too many is rejected, with the exchange
// it waits for its turn. Closing the listener rejects those that nobody took.
func TestRXEBacklog(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		l, err := m.Listen(addr, conn.ListenConfig{Requests: b.crs, Backlog: 2, Cookie: 5})
		require.NoError(t, err)
		for range 2 {
			a.dial(m, l.Addr(), a.config(1, 0))
			require.EqualValues(t, 5, b.wait(b.crs, engine.ConnectionRequest).Imm)
		}
		a.dial(m, l.Addr(), a.config(2, 0))
		if _, ok := m.(*conn.CM); ok {
			require.EqualValues(t, 2, a.wait(a.cm, engine.PeerRejected).WRID)
		}
		require.NoError(t, l.Close())
		rejected := 0
		for rejected < 2 {
			if ev := a.next(a.cm); ev.WRID == 1 {
				require.Equal(t, engine.PeerRejected, ev.Number)
				rejected++
			} else { // of the one that waited
				require.Equal(t, engine.NonPeerRejected, ev.Number)
			}
		}
	})
}

// TestRXERequestsFull: requests that the EVD has no room for are rejected, and
// the engine says that there were some.
func TestRXERequestsFull(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		small, err := b.e.NewEVD(engine.EVDConfig{Streams: engine.CR, Capacity: 1})
		require.NoError(t, err)
		l, err := m.Listen(addr, conn.ListenConfig{Requests: small})
		require.NoError(t, err)
		defer l.Close()
		for range 4 {
			a.dial(m, l.Addr(), a.config(1, 0))
		}
		a.wait(a.cm, engine.PeerRejected)
		b.wait(b.e.Async(), engine.EVDOverflow)
	})
}

// TestRXECloseWhileConnecting: no event comes of it, and nothing is left.
func TestRXECloseWhileConnecting(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		l := b.listen(m, addr)
		for range 10 {
			c := a.dial(m, l.Addr(), a.config(1, 1))
			require.NoError(t, c.Close())
			require.ErrorIs(t, c.Wait(t.Context()), engine.ErrClosed)
		}
		a.quiet(a.cm)
	})
}

func TestRXEBadArguments(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a := newSide(t, d)
		for _, to := range []string{"", "10.99.0.1", "nonsense"} {
			_, err := m.Dial(to, a.config(1, 0))
			require.ErrorIs(t, err, param.ErrInvalid, to)
			_, err = m.Listen(to, conn.ListenConfig{Requests: a.crs})
			require.ErrorIs(t, err, param.ErrInvalid, to)
		}
		_, err := m.Dial("10.99.0.1:1", conn.Config{Timeout: -1})
		require.ErrorContains(t, err, "Engine")
		require.ErrorContains(t, err, "PD")
		require.ErrorContains(t, err, "Timeout")
		_, err = m.Listen(addr, conn.ListenConfig{Backlog: 2000, Requests: a.crs})
		require.ErrorContains(t, err, "Backlog")
		_, err = m.Listen(addr, conn.ListenConfig{})
		require.ErrorContains(t, err, "Requests")
		cfg := a.config(1, 0)
		cfg.Prepare = func(*conn.Conn) error { return net.ErrWriteToConnected }
		_, err = m.Dial("10.99.0.1:1", cfg)
		require.True(t, errors.Is(err, net.ErrWriteToConnected), "%v", err)
		cfg.Endpoint.Connect = a.crs
		_, err = m.Dial("10.99.0.1:1", cfg)
		require.ErrorIs(t, err, engine.ErrStream)
		l := a.listen(m, addr)
		_, err = m.Listen(l.Addr(), conn.ListenConfig{Requests: a.crs})
		require.Error(t, err, "the port is taken")
		require.Contains(t, err.Error(), "in use")
		require.Nil(t, l.Request(&engine.Event{Stream: engine.CR, WRID: 1 << 60}))
		require.Nil(t, l.Request(&engine.Event{Stream: engine.DTO}))
	})
}
