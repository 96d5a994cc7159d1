package conn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// Conn is one side of a connection: a queue pair, its endpoint, and the way to
// the peer by which it was set up.
//
// Invariants, under mu: phase only grows, and whoever moves it tells the
// endpoint, so the engine gets each event once and in order. In ended the queue
// pair is in the error state. settled is closed when phase leaves starting, and
// err is set before.
//
// Concurrency: all methods from any goroutine, also from upcalls.
// Ownership: whoever got it from Dial or Accept closes it, before its CQs and
// its PD.
type Conn struct {
	cfg     Config
	passive bool // accepted
	qp      *rxe.QP
	ep      *engine.Endpoint

	mu      sync.Mutex
	phase   phase
	way     way // nil: none yet, or none any more
	timer   *time.Timer
	private []byte
	err     error
	settled chan struct{}

	closeOnce sync.Once
	closeErr  error
}

// phase is how far a connection has come.
type phase uint8

const (
	starting phase = iota
	up
	ended // disconnected, broken, or it never came to be
)

// way is what a manager keeps for a connection.
type way interface {
	// bye tells the peer that the connection ends in order.
	bye() error
	// drop lets go of the peer. A peer that has not been told sees what the
	// manager has for that.
	drop() error
}

// newConn makes the queue pair and the endpoint, and starts the clock.
func newConn(op string, d *rxe.Device, cfg Config, passive bool, maxData int) (*Conn, error) {
	if err := cfg.check(op, maxData); err != nil {
		return nil, err
	}
	qp, err := cfg.PD.OpenQP(cfg.QP)
	if err != nil {
		return nil, err
	}
	if d != nil && qp.Device() != d {
		return nil, errors.Join(param.Invalid(op, "PD", "one of device "+qp.Device().Info().Name, "one of the manager's device, "+d.Info().Name), qp.Close())
	}
	cfg.Endpoint.QPNum = qp.Num()
	ep, err := cfg.Engine.NewEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, errors.Join(err, qp.Close())
	}
	c := &Conn{cfg: cfg, passive: passive, qp: qp, ep: ep, settled: make(chan struct{})}
	if cfg.Prepare != nil {
		if err := cfg.Prepare(c); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: Prepare: %w", op, err), c.Close())
		}
	}
	return c, nil
}

// start gives the connection its way, and its time.
func (c *Conn) start(w way) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != starting { // closed in Prepare
		_ = w.drop()
		return
	}
	c.way = w
	c.timer = time.AfterFunc(c.cfg.Timeout, func() {
		if c.ep.Connected() { // as a completion has shown; only the word of it is late
			c.established()
			return
		}
		c.fail(engine.TimedOut, fmt.Errorf("conn: setting up took longer than %v: %w", c.cfg.Timeout, os.ErrDeadlineExceeded))
	})
}

// QP returns the queue pair: post with it. It is closed with the Conn.
func (c *Conn) QP() *rxe.QP { return c.qp }

// Endpoint returns the endpoint. It is closed with the Conn.
func (c *Conn) Endpoint() *engine.Endpoint { return c.ep }

// PrivateData returns what the peer said when it accepted or rejected, filled up
// with zeros to the size of the message; nil before, and where there is none.
func (c *Conn) PrivateData() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.private
}

func (c *Conn) setPrivate(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.private = b
}

// Err returns why the connection did not come to be; nil if it did, or may yet.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Wait waits until setting up has ended, and returns Err, or the context's
// error. It is for those who need not be told by event.
func (c *Conn) Wait(ctx context.Context) error {
	select {
	case <-c.settled:
		return c.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle ends starting. Under mu.
func (c *Conn) settle(p phase, err error) {
	c.phase, c.err = p, err
	if c.timer != nil {
		c.timer.Stop()
	}
	close(c.settled)
}

// established: the peer is there.
func (c *Conn) established() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == starting {
		c.settle(up, nil)
		c.ep.Established()
	}
}

// fail: setting up ended without a connection.
func (c *Conn) fail(n engine.EventNumber, err error) {
	c.mu.Lock()
	w := c.way
	if c.phase == starting && c.ep.Connected() { // the engine has told of it: see start
		c.settle(up, nil)
		c.down(false)
	}
	mine := c.phase == starting
	if mine {
		if c.passive {
			n, err = engine.AcceptCompletionError, fmt.Errorf("conn: accept: %w", err)
		}
		_ = c.qp.SetError() // what was posted comes back
		_ = c.ep.Close()    // nothing can break any more
		if d := c.cfg.Endpoint.Connect; d != nil {
			// Full or closed: the engine says so, and Wait has the error.
			_ = d.PostCM(engine.Event{Stream: engine.Connection, Number: n, WRID: c.cfg.Endpoint.Cookie, QPNum: c.qp.Num()})
		}
		c.settle(ended, err)
	}
	c.mu.Unlock()
	if mine && w != nil {
		_ = w.drop()
	}
}

// gone: the peer has left, in order or not. It answers whether the connection
// was up until then.
func (c *Conn) gone(inOrder bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != up {
		return false
	}
	c.down(inOrder)
	return true
}

// down ends a connection that is up. Under mu. Events are never delivered by the
// caller of the endpoint, so no upcall runs in here.
func (c *Conn) down(inOrder bool) {
	c.phase = ended
	_ = c.qp.SetError() // no good completion after the event
	if inOrder {
		c.ep.Disconnected()
	} else {
		c.ep.Broken()
	}
}

// Disconnect ends the connection in order, on both sides. Requests that have
// not completed are flushed: wait for those that matter. The error matches
// ErrNotConnected if there is nothing to end.
func (c *Conn) Disconnect() error {
	c.mu.Lock()
	w := c.way
	if c.phase != up {
		c.mu.Unlock()
		return fmt.Errorf("conn: Disconnect: %w", ErrNotConnected)
	}
	c.down(true)
	c.mu.Unlock()
	if err := w.bye(); err != nil {
		return fmt.Errorf("conn: Disconnect: %w", err)
	}
	return nil
}

// Close ends the connection, in whatever state it is, and releases the endpoint
// and the queue pair. It makes no event on this side. Without a Disconnect
// before it the peer's connection is Broken with the exchange, and Disconnected
// with the CM, which knows no other end. Idempotent.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.mu.Lock()
		w := c.way
		if c.phase == starting {
			c.settle(ended, fmt.Errorf("conn: %w", engine.ErrClosed))
		}
		c.phase, c.way = ended, nil
		c.mu.Unlock()
		var errs []error
		if w != nil {
			errs = append(errs, w.drop())
		}
		// The endpoint first: then the number is free when another queue pair gets it.
		c.closeErr = errors.Join(append(errs, c.ep.Close(), c.qp.Close())...)
	})
	return c.closeErr
}
