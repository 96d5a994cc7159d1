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

// linger is how long a client that hangs up waits for a server's greeting: a
// server that has not been greeted takes the end of the TCP connection for that
// of a C program's, and sees nothing in it.
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

	mu      sync.Mutex
	conn    net.Conn
	done    bool // the exchange is complete
	greeted bool // the peer is one of ours
	leaving bool // goodbye is to be said, or has been
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

func (w *tcpWay) exchanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	if !w.client {
		w.say(hello) // a C program does not hear it
	}
}

// say writes a word. What becomes of it is seen by reading. Under mu.
func (w *tcpWay) say(word string) { _, _ = io.WriteString(w.conn, word) }

// bye implements way.
func (w *tcpWay) bye() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaving = true
	if w.greeted || !w.client {
		w.say(goodbye)
	}
	return nil
}

// drop implements way. A client that has not been greeted is heard by nobody: it
// stays until it is, or until it is clear that nobody is there. Who has said
// goodbye stays until the peer has read it: a Close before could cut it off.
func (w *tcpWay) drop() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel()
	unheard := w.client && !w.greeted
	switch {
	case w.conn == nil:
		return nil
	case w.done && (unheard || w.leaving):
		if half, ok := w.conn.(*net.TCPConn); ok && !unheard {
			_ = half.CloseWrite()
		}
		_ = w.conn.SetReadDeadline(time.Now().Add(linger)) // fails if watch has closed it
		return nil
	}
	_ = w.conn.Close() // twice is fine
	return nil
}

// watch reads what the peer says until one of the two hangs up.
func (w *tcpWay) watch() {
	defer w.conn.Close()
	var word [len(hello)]byte
	for {
		if _, err := io.ReadFull(w.conn, word[:]); err != nil || !w.heard(string(word[:])) {
			break
		}
	}
	w.mu.Lock()
	ours := w.greeted
	w.mu.Unlock()
	if ours {
		w.c.gone(false) // unless it has ended already
	}
}

// heard answers whether there may be more to hear.
func (w *tcpWay) heard(word string) bool {
	switch word {
	case hello:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.greeted = true
		if w.client {
			w.say(hello)
		}
		if w.client && w.leaving {
			w.say(goodbye)
		}
		return w.ctx.Err() == nil // dropped: this was what it stayed for
	case goodbye:
		w.c.gone(true)
		return true
	}
	return false
}
