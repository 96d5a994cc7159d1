package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// controlVersion is the version of the messages below. Both sides must speak
// the same.
const controlVersion = 1

// The control connection: lines of JSON over TCP. A run, client left:
//
//	hello  ->            configuration, address
//	       <-  ready     address; or error
//	start  ->            both sides are connected; messages flow
//	stop   <>            no new messages, please (interrupt, duration)
//	done   <>            how many messages this side has sent
//	settled <>           all sends are acknowledged, all messages have come
//	       <-  result    the server's balance
//
// error instead of any of them ends the run.
const (
	msgHello   = "hello"
	msgReady   = "ready"
	msgStart   = "start"
	msgStop    = "stop"
	msgDone    = "done"
	msgSettled = "settled"
	msgResult  = "result"
	msgError   = "error"

	// Never sent, but told to the upcall like the others: both sides are
	// connected; the control connection has ended; it has been so for long.
	msgGo   = "go"
	msgLost = "lost"
	msgGone = "gone"
)

// message is one line.
type message struct {
	Kind    string      `json:"kind"`
	Version int         `json:"evdbench,omitempty"` // hello
	Config  *Config     `json:"config,omitempty"`   // hello
	Address *Address    `json:"address,omitempty"`  // hello, ready
	Sent    uint64      `json:"sent,omitempty"`     // done
	Result  *PeerResult `json:"result,omitempty"`   // result
	Error   string      `json:"error,omitempty"`    // error
}

// PeerResult is what the other side says about a run.
type PeerResult struct {
	Version  string `json:"version"`
	Sent     uint64 `json:"sent"`     // messages
	Received uint64 `json:"received"` // messages, each once and in order
	Flushed  uint64 `json:"flushed"`  // requests given back unused at the end
}

// maxLine bounds a line of the control connection.
const maxLine = 64 << 10

// control is one end of a control connection.
//
// Concurrency: send from any goroutine; receive by one at a time.
type control struct {
	conn net.Conn
	r    *bufio.Reader
	mu   sync.Mutex // of writes
}

func newControl(conn net.Conn) *control {
	return &control{conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
}

// host is where the other end is.
func (c *control) host() string {
	host, _, _ := net.SplitHostPort(c.conn.RemoteAddr().String())
	return host
}

// patient makes a peer that is gone without a word noticed before a run of
// that stall limit is given up, and a slow one waited for as long.
func (c *control) patient(stall time.Duration) {
	if t, ok := c.conn.(*net.TCPConn); ok {
		// An error leaves the connection as it was: the stall limit is there.
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: max(stall/4, time.Second), Interval: max(stall/8, time.Second), Count: 3})
	}
}

func (c *control) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err = c.conn.Write(append(b, '\n'))
	return err
}

// errNotEvdbench is about a peer that speaks something else.
var errNotEvdbench = errors.New("this is no evdbench of this version")

// receive reads a line, whatever it says.
func (c *control) receive() (m message, err error) {
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return m, fmt.Errorf("%w: a line longer than %d bytes came", errNotEvdbench, maxLine)
	case errors.Is(err, io.EOF) && len(line) > 0:
		return m, fmt.Errorf("%w: half a line came, %.80q", errNotEvdbench, line)
	case errors.Is(err, io.EOF):
		return m, errors.New("the peer closed the connection")
	case err != nil:
		return m, err
	}
	if err := json.Unmarshal(line, &m); err != nil || m.Kind == "" {
		return m, fmt.Errorf("%w: the line %.80q came", errNotEvdbench, line)
	}
	return m, nil
}

// expect reads the line that must come next, within d. 0: no limit.
func (c *control) expect(kind string, d time.Duration) (message, error) {
	var limit time.Time
	if d > 0 {
		limit = time.Now().Add(d)
	}
	_ = c.conn.SetReadDeadline(limit)
	for {
		m, err := c.receive()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return m, fmt.Errorf("nothing came for %v, and %q was to come", d, kind)
		case err != nil:
			return m, err
		case m.Kind == msgError:
			return m, &refusal{m.Error}
		case m.Kind == msgStop && kind != msgHello: // may cross any other
			continue
		case m.Kind != kind:
			return m, fmt.Errorf("%w: %q came, and %q was to come", errNotEvdbench, m.Kind, kind)
		}
		return m, nil
	}
}

// refusal is what a peer said instead of going on.
type refusal struct{ text string }

func (r *refusal) Error() string {
	if r.text == "" {
		return "it gave no reason"
	}
	return printable(r.text)
}

// printable makes a line that is fit for a terminal of what a peer says.
func printable(s string) string {
	if len(s) > 1000 {
		s = s[:1000] + ".."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// hello reads a client's first line.
func (c *control) hello(d time.Duration) (Config, Address, error) {
	m, err := c.expect(msgHello, d)
	switch {
	case err != nil:
		return Config{}, Address{}, err
	case m.Version != controlVersion:
		return Config{}, Address{}, fmt.Errorf("%w: it speaks version %d, this one %d", errNotEvdbench, m.Version, controlVersion)
	case m.Config == nil || m.Address == nil:
		return Config{}, Address{}, fmt.Errorf("%w: its hello has no configuration or no address", errNotEvdbench)
	}
	return *m.Config, *m.Address, nil
}

// dialControl connects to a server. Both sides may be started at once: a
// server that does not listen yet is given time.
func dialControl(ctx context.Context, addr string, patience time.Duration) (*control, error) {
	d := net.Dialer{Timeout: patience}
	for since := time.Now(); ; {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return newControl(conn), nil
		}
		later := errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH)
		if !later || time.Since(since) >= patience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
