package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
)

// Exchange sets up connections by the TCP exchange of rdma-core's pingpong
// programs; see package rxe. It carries no private data.
type Exchange struct{}

var _ Manager = (*Exchange)(nil)

// NewExchange returns a Manager that holds nothing.
func NewExchange() *Exchange { return &Exchange{} }

// Close does nothing; see [Manager].
func (m *Exchange) Close() error { return nil }

// keepAlive finds hosts that died without a word, after a minute and a quarter.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}

// retryAccept is the pause after an Accept that failed, for want of descriptors
// as a rule.
const retryAccept = 100 * time.Millisecond

// dest is what the peer is told.
func dest(c *Conn) (rxe.Dest, error) { return c.qp.DestFor(c.cfg.Path) }

// Dial connects to addr, "host:port"; see [Manager].
func (m *Exchange) Dial(addr string, cfg Config) (*Conn, error) {
	const op = "conn: Dial"
	if err := splitAddr(op, addr); err != nil {
		return nil, err
	}
	c, err := newConn(op, nil, cfg, false, 0)
	if err != nil {
		return nil, err
	}
	local, err := dest(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	w := newTCPWay(c, true)
	c.start(w)
	go func() {
		if n, err := w.call(addr, local); err != nil {
			c.fail(n, err)
		} else {
			w.watch()
		}
	}()
	return c, nil
}

// call is the caller's side of the exchange. After an error it says which event
// that is.
func (w *tcpWay) call(addr string, local rxe.Dest) (engine.EventNumber, error) {
	failed := func(err error) (engine.EventNumber, error) {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) { // no listener, or no more
			return engine.NonPeerRejected, fmt.Errorf("%w: %w", ErrRejected, err)
		}
		return engine.Unreachable, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	d := net.Dialer{KeepAliveConfig: keepAlive}
	n, err := d.DialContext(w.ctx, "tcp", addr)
	if err != nil {
		return failed(err)
	}
	w.have(n)
	if _, err := n.Write(rxe.AppendDest(nil, local)); err != nil {
		return failed(err)
	}
	remote, err := rxe.ReadDest(n)
	switch {
	case err == io.EOF:
		return engine.PeerRejected, fmt.Errorf("%w: the peer hung up", ErrRejected)
	case err != nil:
		return failed(err)
	}
	if err := w.c.qp.Connect(remote, w.c.cfg.Path); err != nil {
		return failed(err)
	}
	if _, err := io.WriteString(n, rxe.ExchangeDone); err != nil {
		return failed(err)
	}
	w.greet()
	w.c.established()
	return 0, nil
}

// Listen makes a service point at addr, "host:port"; see [Manager].
func (m *Exchange) Listen(addr string, cfg ListenConfig) (*Listener, error) {
	if err := splitAddr("conn: Listen", addr); err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("conn: Listen: %w", err)
	}
	l := newListener(cfg)
	l.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = func() error {
		cancel()
		return ln.Close()
	}
	go l.serve(ctx, ln)
	return l, nil
}

// serve takes TCP connections while there are slots for them.
func (l *Listener) serve(ctx context.Context, ln net.Listener) {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		n, err := ln.Accept()
		if err == nil {
			go l.hear(ctx, n)
			continue
		}
		<-l.slots
		if ctx.Err() != nil {
			return
		}
		_ = l.cfg.Requests.ReportAsync(engine.ProviderError)
		select {
		case <-time.After(retryAccept):
		case <-ctx.Done():
			return
		}
	}
}

// hear reads the caller's address, which makes a TCP connection a request.
func (l *Listener) hear(ctx context.Context, n net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = n.Close() })
	_ = n.SetReadDeadline(time.Now().Add(DefaultTimeout))
	remote, err := rxe.ReadDest(n)
	if err == nil {
		err = n.SetReadDeadline(time.Time{})
	}
	if !stop() || err != nil {
		_ = n.Close()
		<-l.slots
		return
	}
	l.offer(&Request{
		peer: n.RemoteAddr().String(), qp: remote.QPN,
		reject: func([]byte) error { return n.Close() },
		accept: func(cfg Config) (*Conn, error) { return answer(n, remote, cfg) },
	})
}

// answer is the accepting side of the exchange.
func answer(n net.Conn, remote rxe.Dest, cfg Config) (*Conn, error) {
	c, err := newConn("conn: Accept", nil, cfg, true, 0)
	if err != nil {
		return nil, err
	}
	local, err := dest(c)
	if err == nil {
		err = c.qp.Connect(remote, c.cfg.Path)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	w := newTCPWay(c, false)
	w.have(n)
	c.start(w)
	go func() {
		if err := w.confirm(local); err != nil {
			c.fail(engine.AcceptCompletionError, err)
			return
		}
		w.watch()
	}()
	return c, nil
}

// confirm tells the caller where we are and waits for his word that he is there.
func (w *tcpWay) confirm(local rxe.Dest) error {
	if _, err := w.conn.Write(rxe.AppendDest(nil, local)); err != nil {
		return err
	}
	var done [len(rxe.ExchangeDone)]byte
	if _, err := io.ReadFull(w.conn, done[:]); err != nil {
		return fmt.Errorf("the caller did not confirm: %w", err)
	}
	// Some C programs confirm with a whole message that only begins like this.
	if word := rxe.ExchangeDone[:4]; string(done[:4]) != word {
		return fmt.Errorf("the caller confirmed with %q, want %q", done[:4], word)
	}
	w.greet()
	w.c.established()
	return nil
}
