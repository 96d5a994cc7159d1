package bench

import (
	"context"
	"net"
	"time"
)

// Side is one side of a run between two nodes that have found each other by
// themselves; otherwise there are Config.Server and [Serve].
type Side struct {
	// Conn is the control connection. RunSide closes it.
	Conn net.Conn

	// Serving is this the server's side, which does as the client's says.
	Serving bool

	// Begin, if set, is called on the client's side when both are connected, and before
	// the first message: it returns when messages may flow. An error ends the run.
	Begin func(context.Context) error

	// Patience is how long the server waits for the client: to say what it wants, and
	// then to begin. 0: 10 s, and its stall limit.
	Patience time.Duration
}

// RunSide runs one side of a run between two nodes, and reports as [Run] does. cfg
// is of the client's side; of the server's only CQ and Dev are looked at.
func RunSide(ctx context.Context, cfg Config, side Side) (*Report, error) {
	defer side.Conn.Close()
	if side.Serving {
		return serveOne(ctx, ServeConfig{CQ: cfg.CQ, Dev: cfg.Dev}, side, NewClock())
	}
	cfg.Server = side.Conn.RemoteAddr().String()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &node{ctl: newControl(side.Conn), ready: side.Begin}
	return run(ctx, cfg.WithDefaults(), n, NewClock(), Watch{})
}
