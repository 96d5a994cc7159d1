//go:build !linux || !(amd64 || arm64)

package rdmacm

import (
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

var errPlatform = fmt.Errorf("rdmacm: not supported on this platform (%s/%s): %w", runtime.GOOS, runtime.GOARCH, hwcq.ErrNotSupported)

// Channel is an open connection manager. It exists on Linux only.
type Channel struct{}

// ID is an end of a connection, or a listener. It exists on Linux only.
type ID struct{}

// Open returns an error matching [hwcq.ErrNotSupported].
func Open() (*Channel, error) { return nil, errPlatform }

// The methods below are never reached: nothing here returns an object. They
// keep programs that use the package compiling.

func (c *Channel) NewID(Handler) (*ID, error)                               { return nil, errPlatform }
func (c *Channel) Err() error                                               { return errPlatform }
func (c *Channel) Close() error                                             { return nil }
func (id *ID) Bind(netip.AddrPort) error                                    { return errPlatform }
func (id *ID) Listen(int) error                                             { return errPlatform }
func (id *ID) ResolveAddr(_, _ netip.AddrPort, timeout time.Duration) error { return errPlatform }
func (id *ID) ResolveRoute(time.Duration) error                             { return errPlatform }
func (id *ID) Route() (Route, error)                                        { return Route{}, errPlatform }

func (id *ID) QPAttr(rxe.State) (*rxe.CMAttr, error) { return nil, errPlatform }
func (id *ID) SetAckTimeout(time.Duration) error     { return errPlatform }
func (id *ID) Connect(Param) error                   { return errPlatform }
func (id *ID) Establish() error                      { return errPlatform }
func (id *ID) Accept(Param, Handler) error           { return errPlatform }
func (id *ID) Reject([]byte) error                   { return errPlatform }
func (id *ID) Disconnect() error                     { return errPlatform }
func (id *ID) Close() error                          { return nil }
