package rxe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// The exchange is that of the pingpong programs of rdma-core
// (libibverbs/examples/rc_pingpong.c): over one TCP connection the client
// sends its address as text, the server connects its QP and answers with its
// own, the client confirms.
const exchangeLen = 52 // "LLLL:QQQQQQ:PPPPPP:" + 32 digits + NUL

// ExchangeDone is the client's confirmation, the end of an exchange.
const ExchangeDone = "done\x00"

// DefaultExchangePort is the TCP port ibv_rc_pingpong listens on.
const DefaultExchangePort = 18515

// RandomPSN returns a random 24-bit first packet sequence number, so that
// packets left over from an earlier connection are not taken for current
// ones.
func RandomPSN() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint32(b[:]) & 0xffffff
}

// ExchangeServer listens on addr ("host:port"; ":18515" for
// ibv_rc_pingpong's default), serves one exchange as [ExchangeAccept] does
// and stops listening.
func ExchangeServer(ctx context.Context, addr string, local Dest, connect func(Dest) error) (Dest, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return Dest{}, fmt.Errorf("rxe: exchange: %w", err)
	}
	defer ln.Close()
	return ExchangeAccept(ctx, ln, local, connect)
}

// ExchangeAccept accepts one connection on ln and exchanges addresses as the
// server. connect, if not nil, is called with the client's address before the
// answer goes out: it must bring the QP to RTS with its receives posted,
// because the client may send as soon as it has the answer. ln stays open
// unless ctx ends first.
func ExchangeAccept(ctx context.Context, ln net.Listener, local Dest, connect func(Dest) error) (Dest, error) {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	conn, err := ln.Accept()
	stop()
	if err != nil {
		return Dest{}, exchangeErr(ctx, "accept", err)
	}
	defer conn.Close()
	defer interruptible(ctx, conn)()

	remote, err := ReadDest(conn)
	if err != nil {
		return Dest{}, exchangeErr(ctx, "read the client's address", err)
	}
	if connect != nil {
		if err := connect(remote); err != nil {
			return remote, fmt.Errorf("rxe: exchange: connect: %w", err)
		}
	}
	if _, err := conn.Write(AppendDest(nil, local)); err != nil {
		return remote, exchangeErr(ctx, "send the address", err)
	}
	// Some versions of the C program confirm with a whole message that only
	// begins with the word: look at that alone.
	var done [4]byte
	if _, err := io.ReadFull(conn, done[:]); err != nil {
		return remote, exchangeErr(ctx, "read the client's confirmation", err)
	}
	if string(done[:]) != ExchangeDone[:4] {
		return remote, fmt.Errorf("rxe: exchange: the client confirmed with %q, want %q", done, ExchangeDone[:4])
	}
	return remote, nil
}

// ExchangeClient exchanges addresses with the server at addr, without
// retrying if nothing listens there. connect, if not nil, is called with the
// server's address; it should bring the QP to RTS, and the server is told
// that the exchange is complete only after it succeeded.
func ExchangeClient(ctx context.Context, addr string, local Dest, connect func(Dest) error) (Dest, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return Dest{}, exchangeErr(ctx, "dial", err)
	}
	defer conn.Close()
	defer interruptible(ctx, conn)()

	if _, err := conn.Write(AppendDest(nil, local)); err != nil {
		return Dest{}, exchangeErr(ctx, "send the address", err)
	}
	remote, err := ReadDest(conn)
	if err != nil {
		return Dest{}, exchangeErr(ctx, "read the server's address", err)
	}
	if connect != nil {
		if err := connect(remote); err != nil {
			return remote, fmt.Errorf("rxe: exchange: connect: %w", err)
		}
	}
	if _, err := io.WriteString(conn, ExchangeDone); err != nil {
		return remote, exchangeErr(ctx, "confirm", err)
	}
	return remote, nil
}

// interruptible makes conn's reads and writes fail once ctx is done. The
// returned function ends that.
func interruptible(ctx context.Context, conn net.Conn) func() {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// exchangeErr prefers the context's reason over the I/O error it caused.
func exchangeErr(ctx context.Context, what string, err error) error {
	if cerr := ctx.Err(); cerr != nil {
		err = cerr
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the peer closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("rxe: exchange: %s: %w", what, err)
}

// AppendDest appends d as the exchange sends it: 52 bytes.
func AppendDest(b []byte, d Dest) []byte {
	b = fmt.Appendf(b, "%04x:%06x:%06x:%s", d.LID, d.QPN&0xffffff, d.PSN&0xffffff, d.GID.wire())
	return append(b, 0)
}

// ReadDest reads what AppendDest made. Bytes that are no address give an error
// that quotes them.
func ReadDest(r io.Reader) (Dest, error) {
	var b [exchangeLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Dest{}, err
	}
	return parseDest(b[:])
}

// parseDest reads an exchange message, with or without its final NUL.
func parseDest(b []byte) (Dest, error) {
	text, _, _ := bytes.Cut(b, []byte{0})
	bad := func(what string) (Dest, error) {
		return Dest{}, fmt.Errorf("bad %s in the address %q, want LLLL:QQQQQQ:PPPPPP:GID in hex", what, text)
	}
	f := strings.Split(string(text), ":")
	if len(f) != 4 {
		return bad("number of fields")
	}
	lid, err := strconv.ParseUint(f[0], 16, 16)
	if err != nil {
		return bad("LID")
	}
	qpn, err := strconv.ParseUint(f[1], 16, 24)
	if err != nil {
		return bad("QPN")
	}
	psn, err := strconv.ParseUint(f[2], 16, 24)
	if err != nil {
		return bad("PSN")
	}
	d := Dest{LID: uint16(lid), QPN: uint32(qpn), PSN: uint32(psn)}
	if g, err := hex.DecodeString(f[3]); err != nil || copy(d.GID[:], g) != len(d.GID) || len(g) != len(d.GID) {
		return bad("GID")
	}
	return d, nil
}
