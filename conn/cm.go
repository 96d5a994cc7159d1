package conn

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/rxe/rdmacm"
	"github.com/evdengine/evd/internal/param"
)

// CM is the kernel's RDMA connection manager, for the queue pairs of one device.
type CM struct {
	dev *rxe.Device
	ch  *rdmacm.Channel
}

var _ Manager = (*CM)(nil)

// OpenCM opens the connection manager. Errors: those of rdmacm.Open.
func OpenCM(d *rxe.Device) (*CM, error) {
	if d == nil {
		return nil, param.Invalid("conn: OpenCM", "d", "nil", "an open device")
	}
	ch, err := rdmacm.Open()
	if err != nil {
		return nil, err
	}
	return &CM{dev: d, ch: ch}, nil
}

// Close closes the channel; see [Manager].
func (m *CM) Close() error { return m.ch.Close() }

// parse reads an address of this manager's: it does not look up names.
func parse(op, addr string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || a.Addr().Zone() != "" {
		return a, param.Invalid(op, "addr", addr, "IP:port, without a zone")
	}
	return a, nil
}

// cmWay is a connection's ID.
type cmWay struct{ id *rdmacm.ID }

func (w cmWay) bye() error  { return w.id.Disconnect() }
func (w cmWay) drop() error { return w.id.Close() }

// Dial connects to addr, "IP:port"; see [Manager].
func (m *CM) Dial(addr string, cfg Config) (*Conn, error) {
	const op = "conn: Dial"
	to, err := parse(op, addr)
	if err != nil {
		return nil, err
	}
	if to.Port() == 0 {
		return nil, param.Invalid(op, "addr", addr, "a port other than 0")
	}
	c, err := newConn(op, m.dev, cfg, false, rdmacm.MaxConnectData)
	if err != nil {
		return nil, err
	}
	id, err := m.ch.NewID(func(id *rdmacm.ID, ev rdmacm.Event) { m.event(c, id, ev) })
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.start(cmWay{id})
	if err := id.ResolveAddr(netip.AddrPort{}, to, c.cfg.Timeout); err != nil {
		c.fail(engine.Unreachable, fmt.Errorf("%w: %w", ErrUnreachable, err))
	}
	return c, nil
}

// event is what the kernel says of a connection.
func (m *CM) event(c *Conn, id *rdmacm.ID, ev rdmacm.Event) {
	var err error
	switch ev.Type {
	case rdmacm.AddrResolved:
		if err = m.onDevice(id); err == nil {
			err = id.ResolveRoute(c.cfg.Timeout)
		}
	case rdmacm.RouteResolved:
		err = connect(c, id)
	case rdmacm.ConnectResponse:
		c.setPrivate(ev.Peer.PrivateData)
		if err = c.apply(id); err == nil {
			err = id.Establish()
		}
		if err == nil {
			c.established()
		}
	case rdmacm.Established:
		c.established()
	case rdmacm.Rejected:
		c.setPrivate(ev.Peer.PrivateData)
		n := engine.NonPeerRejected
		if ev.Status == rdmacm.ReasonConsumer {
			n = engine.PeerRejected
		}
		c.fail(n, fmt.Errorf("%w: reason %d", ErrRejected, ev.Status))
	case rdmacm.AddrError, rdmacm.RouteError, rdmacm.ConnectError, rdmacm.Unreachable:
		err = status(ev)
		if ev.Type == rdmacm.Unreachable && errors.Is(err, syscall.ETIMEDOUT) {
			c.fail(engine.TimedOut, fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err))
		}
	case rdmacm.Disconnected:
		// A goodbye before the caller's confirmation implies it.
		c.established()
		if c.gone(true) {
			_ = id.Disconnect() // the peer waits for the answer
		}
	case rdmacm.DeviceRemoval:
		c.gone(false)
		err = errors.New("the device was removed")
	case rdmacm.ChannelFailed:
		c.gone(false)
		err = m.ch.Err()
	}
	if err != nil {
		c.fail(engine.Unreachable, fmt.Errorf("%w: %w", ErrUnreachable, err))
	}
}

// status is what went wrong.
func status(ev rdmacm.Event) error {
	if ev.Status < 0 {
		return fmt.Errorf("%v: %w", ev.Type, syscall.Errno(-ev.Status))
	}
	return fmt.Errorf("%v: status %d", ev.Type, ev.Status)
}

// onDevice checks that the connection goes along the queue pair's device.
func (m *CM) onDevice(id *rdmacm.ID) error {
	r, err := id.Route()
	if err != nil {
		return err
	}
	if want := m.dev.Info().Name; r.Device != want {
		return fmt.Errorf("%v is reached through device %s, the manager's is %s", r.Remote, r.Device, want)
	}
	return nil
}

// connect sends the request.
func connect(c *Conn, id *rdmacm.ID) error {
	if err := ackTimeout(c, id); err != nil {
		return err
	}
	return id.Connect(c.cfg.param(c.qp.Num()))
}

// ackTimeout hands on Path.AckTimeout, if it is set: the kernel's default suits
// real networks, and is long.
func ackTimeout(c *Conn, id *rdmacm.ID) error {
	if c.cfg.Path.AckTimeout == 0 {
		return nil
	}
	return id.SetAckTimeout(c.cfg.Path.AckTimeout)
}

// apply brings the queue pair up, as the CM says.
func (c *Conn) apply(id *rdmacm.ID) error {
	for _, to := range []rxe.State{rxe.StateRTR, rxe.StateRTS} {
		a, err := id.QPAttr(to)
		if err != nil {
			return err
		}
		if to == rxe.StateRTR {
			a.SetMinRNRTimer(uint8(cmp.Or(c.cfg.Path.MinRNRTimer, 12))) // as rxe.QP.Connect has it
		}
		if err := c.qp.ApplyCM(a); err != nil {
			return err
		}
	}
	return nil
}

// Listen makes a service point at addr, "IP:port"; see [Manager]. The zero
// address stands for all devices; requests that come by another than the
// manager's are rejected.
func (m *CM) Listen(addr string, cfg ListenConfig) (*Listener, error) {
	at, err := parse("conn: Listen", addr)
	if err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l := newListener(cfg)
	id, err := m.ch.NewID(func(_ *rdmacm.ID, ev rdmacm.Event) { m.request(l, ev) })
	if err != nil {
		return nil, err
	}
	l.stop = id.Close
	if err := id.Bind(at); err != nil {
		return nil, errors.Join(err, id.Close())
	}
	if err := id.Listen(cfg.Backlog); err != nil {
		return nil, errors.Join(err, id.Close())
	}
	r, err := id.Route()
	if err != nil {
		return nil, errors.Join(err, id.Close())
	}
	l.addr = r.Local.String()
	return l, nil
}

// request is what the kernel says of a listener.
func (m *CM) request(l *Listener, ev rdmacm.Event) {
	switch ev.Type {
	case rdmacm.ConnectRequest:
		id := ev.New
		route, err := id.Route()
		if err != nil || route.Device != m.dev.Info().Name {
			_ = id.Reject(nil)
			return
		}
		select {
		case l.slots <- struct{}{}:
		default:
			_ = id.Reject(nil)
			return
		}
		l.offer(&Request{
			peer: route.Remote.String(), qp: ev.Peer.QPNum, private: ev.Peer.PrivateData, reject: id.Reject,
			accept: func(cfg Config) (*Conn, error) { return m.accept(id, ev.Peer, cfg) },
		})
	case rdmacm.DeviceRemoval:
		_ = l.cfg.Requests.ReportAsync(engine.DeviceRemoved)
	case rdmacm.ChannelFailed:
		_ = l.cfg.Requests.ReportAsync(engine.ProviderError)
	}
}

func (m *CM) accept(id *rdmacm.ID, peer rdmacm.Param, cfg Config) (*Conn, error) {
	c, err := newConn("conn: Accept", m.dev, cfg, true, rdmacm.MaxAcceptData)
	if err != nil {
		return nil, err
	}
	if err = ackTimeout(c, id); err == nil {
		err = c.apply(id)
	}
	if err == nil {
		p := c.cfg.param(c.qp.Num())
		p.InitiatorDepth = min(p.InitiatorDepth, peer.ResponderResources)
		p.ResponderResources = min(p.ResponderResources, peer.InitiatorDepth)
		c.start(cmWay{id})
		err = id.Accept(p, func(id *rdmacm.ID, ev rdmacm.Event) { m.event(c, id, ev) })
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
