package conn

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Words of four bytes that two of our own say over the TCP connection when the
// exchange is complete.
const (
	hello   = "evd1" // the server first, then the client
	goodbye = "bye!" // the connection ends in order
)

// linger is how long a side waits for the last word of the other, and at least for
// the first.
const linger = 5 * time.Second

// tcpWay is the TCP connection of an exchange.
//
// Invariant: the client says nothing before it has been greeted. A C server may
// not have read the confirmation yet, and would take what follows as part of it.
type tcpWay struct {
	c      *Conn
	client bool
	ctx    context.Context // over when dropped
	cancel context.CancelFunc

	mu       sync.Mutex
	conn     net.Conn
	greeting bool // the exchange is complete; who is the peer?
	ours     bool // greeted: its end will be seen
	leaving  bool // goodbye has been said
}

func newTCPWay(c *Conn, client bool) *tcpWay {
	w := &tcpWay{c: c, client: client}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// have gives the way its TCP connection, which a drop before closes.
func (w *tcpWay) have(n net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = n
	if w.ctx.Err() != nil {
		_ = n.Close()
	}
}

// say writes a word. What becomes of it is seen by reading. Under mu.
func (w *tcpWay) say(word string) { _, _ = io.WriteString(w.conn, word) }

// hear reads a word; "" is the end.
func (w *tcpWay) hear() string {
	var word [len(hello)]byte
	if _, err := io.ReadFull(w.conn, word[:]); err != nil {
		return ""
	}
	return string(word[:])
}

// greet finds out whether the peer is one of ours. A C program hangs up when the
// exchange is complete, so patience costs nothing: one of ours that is slow and is
// taken for a C program is hung up on, and takes that for our death.
func (w *tcpWay) greet() {
	w.mu.Lock()
	w.greeting = true
	if !w.client {
		w.say(hello)
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(max(linger, w.c.cfg.Timeout/2)))
	w.mu.Unlock()

	ours := w.hear() == hello

	w.mu.Lock()
	defer w.mu.Unlock()
	w.greeting, w.ours = false, ours
	if ours && w.client {
		w.say(hello)
	}
	_ = w.conn.SetReadDeadline(time.Time{})
	if w.ctx.Err() != nil || !ours {
		_ = w.conn.Close()
	}
}

// bye implements way.
func (w *tcpWay) bye() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ours {
		w.leaving = true
		w.say(goodbye)
	}
	return nil
}

// drop implements way. Who is dropped while it greets stays for that: else a peer
// of ours would take its end for that of a C program, and see nothing in it. Who
// has said goodbye stays until the peer has read it: a Close could cut it off.
func (w *tcpWay) drop() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel()
	switch {
	case w.conn == nil || w.greeting:
		return nil
	case w.leaving:
		if n, ok := w.conn.(*net.TCPConn); ok {
			_ = n.CloseWrite()
		}
		_ = w.conn.SetReadDeadline(time.Now().Add(linger)) // fails if watch has closed it
		return nil
	}
	_ = w.conn.Close() // twice is fine
	return nil
}

// watch sees the end of a peer of ours.
func (w *tcpWay) watch() {
	w.mu.Lock()
	ours := w.ours
	w.mu.Unlock()
	if !ours {
		return
	}
	for w.hear() == goodbye {
		w.c.gone(true)
	}
	w.c.gone(false) // unless it has ended already
	_ = w.conn.Close()
}
