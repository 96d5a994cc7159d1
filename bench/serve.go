package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// ServeConfig is for [Serve].
type ServeConfig struct {
	CQ     string // the driver; "": CQRXE
	Dev    string // its device; "": the first one
	Listen string // [HOST]:PORT of the control connections; port 0: any

	// Clients is after how many clients to return; 0: never.
	Clients int

	// Listening, if set, is told the address once clients can come.
	Listening func(net.Addr)

	// Served, if set, is told how it went with each client, when its run is over. err is
	// about runs that did not take place; r is nil then.
	Served func(client net.Addr, r *Report, err error)
}

// Served clients have this long to say what they want.
const helloTime = 10 * time.Second

// Validate returns all that is wrong with the configuration. Errors match
// engine.ErrInvalid.
func (c ServeConfig) Validate() error {
	v := validator{}
	def(&c.CQ, CQRXE)
	if links[c.CQ] == nil {
		v.bad("cq", fmt.Sprintf("%q", c.CQ), "one that another node can reach, such as "+CQRXE)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		v.bad("listen", fmt.Sprintf("%q", c.Listen), "[HOST]:PORT")
	}
	v.num("count", c.Clients, 0, 1<<30)
	return errors.Join(v.errs...)
}

// Serve is the other side of runs with Config.Server: it waits for clients and
// serves them, one after the other; one that comes meanwhile waits its turn. The
// client says what is to be run.
//
// A client that is refused (it speaks another protocol, or wants what cannot
// be) does not count as one of Clients. What goes wrong with a client does not
// end Serve.
//
// When ctx is cancelled Serve returns nil; a run that is going on is ended
// first, in order, and its report is marked Interrupted.
func Serve(ctx context.Context, cfg ServeConfig) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	def(&cfg.CQ, CQRXE)
	// A device that is not there is known before a client comes.
	l, err := links[cfg.CQ](linkConfig{driver: cfg.CQ, dev: cfg.Dev, depth: 8, sends: 1, recvs: 1, size: 1})
	if err != nil {
		return err
	}
	if err := l.close(); err != nil {
		return err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	if cfg.Listening != nil {
		cfg.Listening(ln.Addr())
	}
	clk := NewClock()
	for n := 0; cfg.Clients == 0 || n < cfg.Clients; {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // of this connection, or too many files: the next may do
			time.Sleep(100 * time.Millisecond)
			continue
		}
		r, err := serveOne(ctx, cfg, Side{Conn: conn}, clk)
		_ = conn.Close()
		if cfg.Served != nil {
			cfg.Served(conn.RemoteAddr(), r, err)
		}
		if r != nil {
			n++
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func serveOne(ctx context.Context, cfg ServeConfig, side Side, clk *Clock) (r *Report, err error) {
	n := &node{serving: true, ctl: newControl(side.Conn), patience: side.Patience}
	defer func() {
		switch {
		case err != nil:
			_ = n.ctl.send(message{Kind: msgError, Error: err.Error()})
		case !r.Conservation.OK():
			_ = n.ctl.send(message{Kind: msgError, Error: r.Conservation.Violations[0]})
		case r.Connection.Lost == "":
			c := r.Connection
			_ = n.ctl.send(message{Kind: msgResult, Result: &PeerResult{
				Version: Version(), Sent: c.Sent, Received: c.Received, Flushed: r.Conservation.Flushed,
			}})
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = side.Conn.Close() })
	c, addr, err := n.ctl.hello(cmp.Or(side.Patience, helloTime))
	if !stop() {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	// What is to be run is the client's to say, on which device the server's,
	// and where on this host it runs too.
	c.CQ, c.Dev, c.Server, c.Pin, c.serving = cfg.CQ, cfg.Dev, "", "", true
	if err := c.Validate(); err != nil {
		return nil, err
	}
	n.peer = addr
	n.peer.host = n.ctl.host()
	return run(ctx, c.WithDefaults(), n, clk, Watch{})
}
