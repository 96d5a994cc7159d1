package rxe

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	destA = Dest{LID: 1, QPN: 0x12345, PSN: 0xfedcba, GID: GID{10: 0xff, 11: 0xff, 12: 10, 13: 99, 15: 1}}
	destB = Dest{QPN: 0x11, PSN: 3, GID: GID{10: 0xff, 11: 0xff, 12: 10, 13: 99, 15: 2}}
)

func TestDestMessage(t *testing.T) {
	b := AppendDest(nil, destA)
	require.Len(t, b, exchangeLen)
	require.Equal(t, "0001:012345:fedcba:00000000000000000000ffff0a630001\x00", string(b))
	d, err := parseDest(b)
	require.NoError(t, err)
	require.Equal(t, destA, d)
	require.Equal(t, "::ffff:10.99.0.1", d.GID.String())
	require.True(t, d.GID.IsIPv4())
	require.Equal(t, "10.99.0.1", d.GID.Addr().String())

	over := destA // bits above the 24 must not make the message longer
	over.QPN |= 1 << 24
	over.PSN |= 1 << 31
	require.Equal(t, b, AppendDest(nil, over))
}

func TestParseDestRefuses(t *testing.T) {
	for what, s := range map[string]string{
		"fields": "0001:012345:fedcba",
		"LID":    "10001:012345:fedcba:00000000000000000000ffff0a630001",
		"QPN":    "0001:1012345:fedcba:00000000000000000000ffff0a630001",
		"PSN":    "0001:012345:-edcba:00000000000000000000ffff0a630001",
		"GID":    "0001:012345:fedcba:00000000000000000000ffff0a6300",
	} {
		_, err := parseDest([]byte(s))
		require.ErrorContains(t, err, what)
	}
}

func listen(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func TestExchange(t *testing.T) {
	ln := listen(t)
	var order []string // by the server before it answers, then by the client
	res := make(chan error, 1)
	go func() {
		got, err := ExchangeAccept(t.Context(), ln, destA, func(d Dest) error {
			order = append(order, "server connects")
			return nil
		})
		if err == nil && got != destB {
			err = errors.New("wrong address: " + got.String())
		}
		res <- err
	}()
	got, err := ExchangeClient(t.Context(), ln.Addr().String(), destB, func(d Dest) error {
		order = append(order, "client connects")
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, destA, got)
	require.NoError(t, <-res)
	require.Equal(t, []string{"server connects", "client connects"}, order)
}

func TestExchangeServerListens(t *testing.T) {
	ln := listen(t)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	res := make(chan error, 1)
	go func() {
		_, err := ExchangeServer(t.Context(), addr, destA, nil)
		res <- err
	}()
	for {
		_, err := ExchangeClient(t.Context(), addr, destB, nil)
		if err == nil {
			break
		}
		var op *net.OpError
		require.ErrorAs(t, err, &op, "only refused connections until it listens")
	}
	require.NoError(t, <-res)
}

// A failed connect ends the exchange on both sides.
func TestExchangeConnectFails(t *testing.T) {
	boom := errors.New("boom")
	for _, side := range []string{"server", "client"} {
		ln := listen(t)
		res := make(chan error, 1)
		fail := func(who string) func(Dest) error {
			return func(Dest) error {
				if who == side {
					return boom
				}
				return nil
			}
		}
		go func() {
			_, err := ExchangeAccept(t.Context(), ln, destA, fail("server"))
			res <- err
		}()
		_, cerr := ExchangeClient(t.Context(), ln.Addr().String(), destB, fail("client"))
		serr := <-res
		if side == "server" {
			require.ErrorIs(t, serr, boom)
			require.ErrorIs(t, cerr, io.ErrUnexpectedEOF)
		} else {
			require.ErrorIs(t, cerr, boom)
			require.ErrorIs(t, serr, io.ErrUnexpectedEOF)
		}
	}
}

func TestExchangeCanceled(t *testing.T) {
	// Nobody connects.
	ctx, cancel := context.WithCancel(t.Context())
	ln := listen(t)
	res := make(chan error, 1)
	go func() {
		_, err := ExchangeAccept(ctx, ln, destA, nil)
		res <- err
	}()
	cancel()
	require.ErrorIs(t, <-res, context.Canceled)

	// The client connects and says nothing.
	ctx, cancel = context.WithCancel(t.Context())
	ln = listen(t)
	go func() {
		_, err := ExchangeAccept(ctx, ln, destA, nil)
		res <- err
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	cancel()
	require.ErrorIs(t, <-res, context.Canceled)

	// The server accepts and says nothing.
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	ln = listen(t)
	_, err = ExchangeClient(ctx, ln.Addr().String(), destB, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestExchangeGarbage(t *testing.T) {
	for _, msg := range []string{strings.Repeat("x", 52), "short", strings.Repeat("\x00", 52)} {
		ln := listen(t)
		res := make(chan error, 1)
		go func() {
			_, err := ExchangeAccept(t.Context(), ln, destA, nil)
			res <- err
		}()
		conn, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		_, _ = io.WriteString(conn, msg)
		_ = conn.Close()
		require.ErrorContains(t, <-res, "rxe: exchange", "%q", msg)
	}
}

func TestRandomPSN(t *testing.T) {
	seen := map[uint32]bool{}
	for range 64 {
		p := RandomPSN()
		require.Less(t, p, uint32(1<<24))
		seen[p] = true
	}
	require.Greater(t, len(seen), 32)
}

func FuzzParseDest(f *testing.F) {
	f.Add([]byte("0001:012345:fedcba:00000000000000000000ffff0a630001\x00"))
	f.Add([]byte(":::"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDest(b)
		if err != nil {
			return
		}
		again, err := parseDest(AppendDest(nil, d))
		if err != nil || again != d {
			t.Fatalf("%v became %v, %v", d, again, err)
		}
	})
}
