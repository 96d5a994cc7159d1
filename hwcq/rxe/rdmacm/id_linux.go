//go:build amd64 || arm64

package rdmacm

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// ID is an end of a connection, or a listener: struct rdma_cm_id. It is of port
// space TCP (a connection is reliable; its port numbers are not those of TCP
// sockets). It knows nothing of the queue pair: the caller moves that, as QPAttr
// says.
//
// Concurrency: all methods from any goroutine, also from its handler. Which step
// is in place when is the kernel's to check: a wrong one gives EINVAL.
// Ownership: close it; an ID that a request brought, too, unless it was rejected.
type ID struct {
	c      *Channel
	kernel uint32 // the kernel's number
	uid    uint64 // what its events carry; 0 while it has no handler
	handle Handler

	closed    bool // under Channel.mu
	closeOnce sync.Once
	closeErr  error
}

// exec runs a command without an answer.
func (id *ID) exec(op string, cmd uint32, body []byte) error {
	return id.c.exec(id, op, cmd, func(uint64) []byte { return body }, nil)
}

// Bind gives the ID a local address. Port 0 is any; the zero address is all
// devices, for listeners.
func (id *ID) Bind(local netip.AddrPort) error {
	if !local.IsValid() || local.Addr().Zone() != "" {
		return param.Invalid("rdmacm: Bind", "local", local, "an IP address without a zone, and a port")
	}
	return id.exec("bind to "+local.String(), cmdBind, encBind(id.kernel, local))
}

// Listen lets requests come, as ConnectRequest events. While backlog of them,
// 1..1024 (0: 1024; the kernel caps it at net.rdma_ucm.max_backlog), have not
// been read by the channel's goroutine, others are rejected.
func (id *ID) Listen(backlog int) error {
	if backlog < 0 || backlog > 1024 {
		return param.Invalid("rdmacm: Listen", "backlog", backlog, "0..1024")
	}
	return id.exec("listen", cmdListen, words(nil, id.kernel, uint32(backlog)))
}

// ResolveAddr looks for the device that leads to an address, and ends with
// AddrResolved or AddrError. The zero from lets the kernel choose.
func (id *ID) ResolveAddr(from, to netip.AddrPort, timeout time.Duration) error {
	const op = "rdmacm: ResolveAddr"
	if !to.IsValid() || to.Port() == 0 || to.Addr().Zone() != "" {
		return param.Invalid(op, "to", to, "an IP address without a zone, and a port")
	}
	if from.Addr().Zone() != "" {
		return param.Invalid(op, "from", from, "an IP address without a zone")
	}
	ms, err := millis(op, timeout)
	if err != nil {
		return err
	}
	return id.exec("resolve "+to.String(), cmdResolveAddr, encResolveAddr(id.kernel, from, to, ms))
}

// ResolveRoute looks for the path along that device, and ends with
// RouteResolved or RouteError.
func (id *ID) ResolveRoute(timeout time.Duration) error {
	ms, err := millis("rdmacm: ResolveRoute", timeout)
	if err != nil {
		return err
	}
	return id.exec("resolve route", cmdResolveRoute, words(nil, id.kernel, ms))
}

// millis is a timeout in the ABI's unit.
func millis(op string, d time.Duration) (uint32, error) {
	if d < time.Millisecond || d > time.Hour {
		return 0, param.Invalid(op, "timeout", d, "1ms to 1h")
	}
	return uint32(d / time.Millisecond), nil
}

// Route tells the device and the addresses, as far as they are known.
func (id *ID) Route() (Route, error) {
	const op = "query route"
	var out [querySize]byte
	err := id.c.exec(id, op, cmdQuery, func(answer uint64) []byte { return words([]uint64{answer}, id.kernel, queryAddr) }, out[:])
	if err != nil {
		return Route{}, err
	}
	r, err := decRoute(out[:])
	if err != nil {
		return Route{}, err
	}
	route := Route{Port: int(r.port), Local: r.local, Remote: r.remote}
	if r.guid != ([8]byte{}) {
		if route.Device, err = deviceOf(os.DirFS("/sys"), r.guid); err != nil {
			return Route{}, fmt.Errorf("rdmacm: %s: %w", op, err)
		}
	}
	return route, nil
}

// QPAttr is what the ID's queue pair must become in state to, RTR or RTS: for
// rxe.QP.ApplyCM. The caller needs it after ConnectResponse, the accepting side
// before Accept.
func (id *ID) QPAttr(to rxe.State) (*rxe.CMAttr, error) {
	a := new(rxe.CMAttr)
	err := id.c.exec(id, "query QP attributes for "+to.String(), cmdInitQPAttr, func(answer uint64) []byte {
		return words([]uint64{answer}, id.kernel, uint32(to))
	}, a[:])
	return a, err
}

// SetAckTimeout sets how long the queue pair waits before it sends again, 0 to
// 8796 s. It is rounded up to 4.096 us * 2^n, n = 1..31. The kernel's own choice
// suits networks, and is about half a second. Before Connect or Accept.
func (id *ID) SetAckTimeout(d time.Duration) error {
	const unit = 4096 * time.Nanosecond // IBTA 9.7.6.1.3
	if d < 0 || d > unit<<31 {
		return param.Invalid("rdmacm: SetAckTimeout", "d", d, "0 to 8796s")
	}
	code := uint8(1)
	for unit<<code < d {
		code++
	}
	return id.c.exec(id, "set ACK timeout", cmdSetOption, func(answer uint64) []byte {
		id.c.page.Bytes()[answerOff] = code // the value, where answers go otherwise
		return words([]uint64{answer}, id.kernel, optLevelID, optAckTimer, 1)
	}, nil)
}

// Connect sends the request, and ends with ConnectResponse, Rejected,
// Unreachable or ConnectError.
func (id *ID) Connect(p Param) error {
	if err := p.check("rdmacm: Connect", MaxConnectData); err != nil {
		return err
	}
	return id.exec("connect", cmdConnect, encConnect(id.kernel, &p))
}

// Establish tells the peer that its acceptance has arrived. The queue pair must
// be in RTS: the peer may send.
func (id *ID) Establish() error {
	return id.exec("establish", cmdAccept, encAccept(id.uid, id.kernel, nil))
}

// Accept answers a request. The queue pair must be in RTS, with its receives
// posted. It ends with Established, or with an error event; events go to h.
func (id *ID) Accept(p Param, h Handler) error {
	if err := p.check("rdmacm: Accept", MaxAcceptData); err != nil {
		return err
	}
	if h == nil {
		return param.Invalid("rdmacm: Accept", "h", "nil", "a handler")
	}
	if err := id.c.register(id, h); err != nil {
		return err
	}
	if err := id.exec("accept", cmdAccept, encAccept(id.uid, id.kernel, &p)); err != nil {
		id.c.unregister(id)
		return err
	}
	return nil
}

// Reject turns a request down, with data for its sender, and closes the ID.
func (id *ID) Reject(data []byte) error {
	if len(data) > MaxRejectData {
		return param.Invalid("rdmacm: Reject", "data", fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d", MaxRejectData))
	}
	err := id.exec("reject", cmdReject, encReject(id.kernel, data))
	return errors.Join(err, id.Close())
}

// Disconnect says goodbye, or answers the peer's. The caller moves the queue
// pair to the error state first.
func (id *ID) Disconnect() error {
	return id.exec("disconnect", cmdDisconnect, words(nil, id.kernel))
}

// Close destroys the ID: a peer that is connected sees Disconnected, one that
// waits for an answer Rejected. No event begins after it; one may be in its
// handler. Idempotent.
func (id *ID) Close() error {
	id.closeOnce.Do(func() {
		id.c.unregister(id)
		var out [4]byte
		err := id.c.exec(id, "close ID", cmdDestroyID, func(answer uint64) []byte {
			return words([]uint64{answer}, id.kernel, 0)
		}, out[:])
		if !errors.Is(err, hwcq.ErrClosed) && !errors.Is(err, unix.ENOENT) { // else it went with the channel
			id.closeErr = err
		}
	})
	return id.closeErr
}
