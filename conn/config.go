package conn

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/rxe/rdmacm"
	"github.com/evdengine/evd/internal/param"
)

// Errors that [Conn.Err] and [Conn.Wait] give. Test with errors.Is. Timing out
// matches os.ErrDeadlineExceeded, a Close [engine.ErrClosed].
var (
	// ErrRejected: the peer's program said no, or nobody listens there.
	ErrRejected = errors.New("conn: rejected")

	// ErrUnreachable: the address leads nowhere, or setting up failed.
	ErrUnreachable = errors.New("conn: unreachable")

	// ErrNotConnected is returned by Disconnect before the connection is
	// established and after it has ended.
	ErrNotConnected = errors.New("conn: not connected")

	// ErrAnswered is returned for a request that has been answered, or whose
	// listener has been closed.
	ErrAnswered = errors.New("conn: request has been answered")
)

// Config describes one side of a connection.
type Config struct {
	// Engine and PD are what the endpoint and the queue pair are made on. Both
	// are needed.
	Engine *engine.Engine
	PD     *rxe.PD

	// QP describes the queue pair: RC, with the exchange also UC. SendCQ and
	// RecvCQ should feed the EVDs Request and Recv of Endpoint.
	QP rxe.QPConfig

	// Path is as for rxe.QP.Connect. The CM finds the GID and the MTU itself.
	Path rxe.ConnectConfig

	// Endpoint describes the endpoint; QPNum is filled in.
	Endpoint engine.EndpointConfig

	// Prepare, if set, is called when queue pair and endpoint are there and
	// before anything can arrive: post receives in it. Nobody else has the
	// Conn yet. An error ends the attempt and is returned by Dial or Accept.
	Prepare func(c *Conn) error

	// PrivateData goes to the peer along with the request or its acceptance:
	// at most 56 bytes from Dial, 196 from Accept. The exchange has no place
	// for it.
	PrivateData []byte

	// Timeout is how long setting up may take, 1 ms to 1 hour. 0: 10 s.
	Timeout time.Duration
}

// DefaultTimeout is Config.Timeout if that is 0.
const DefaultTimeout = 10 * time.Second

func (c *Config) check(op string, maxData int) error {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	var errs []error
	bad := func(name string, v any, allowed string) { errs = append(errs, param.Invalid(op, name, v, allowed)) }
	if c.Engine == nil {
		bad("Engine", "nil", "an engine")
	}
	if c.PD == nil {
		bad("PD", "nil", "an open PD")
	}
	switch cm := maxData > 0; {
	case cm && c.QP.Type != rxe.RC:
		bad("QP.Type", c.QP.Type, "RC: the CM connects no other")
	case c.QP.Type == rxe.UD:
		bad("QP.Type", c.QP.Type, "RC or UC: UD has no connections")
	}
	switch {
	case len(c.PrivateData) > 0 && maxData == 0:
		bad("PrivateData", fmt.Sprintf("%d bytes", len(c.PrivateData)), "none: the exchange cannot carry it")
	case len(c.PrivateData) > maxData:
		bad("PrivateData", fmt.Sprintf("%d bytes", len(c.PrivateData)), fmt.Sprintf("at most %d", maxData))
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Hour {
		bad("Timeout", c.Timeout, "1ms to 1h, or 0 for 10s")
	}
	return errors.Join(append(errs, c.Path.Validate())...)
}

// param is what the CM tells the peer. Of Path's numbers 0 is the default and
// -1 none.
func (c *Config) param(qp uint32) rdmacm.Param {
	retries := func(n int) uint8 {
		switch n {
		case 0:
			return 7
		case -1:
			return 0
		}
		return uint8(n)
	}
	return rdmacm.Param{
		QPNum: qp, PrivateData: c.PrivateData, ResponderResources: 1, InitiatorDepth: 1,
		Retries: retries(c.Path.Retries), RNRRetries: retries(c.Path.RNRRetries),
	}
}
