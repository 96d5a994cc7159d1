package engine

import (
	"fmt"
	"maps"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// EndpointConfig describes one end of a connection.
type EndpointConfig struct {
	// QPNum is the number that the queue pair's completions carry.
	QPNum uint32

	// Recv and Request are the EVDs that get the completions of the receive
	// and of the send queue; they may be the same. At least one is needed, of
	// stream DTO or Bind.
	Recv, Request *EVD

	// Connect is the EVD that gets the connection events, of stream
	// Connection. It may be one of the others, if that has both streams. nil:
	// connection events of this endpoint go nowhere.
	Connect *EVD

	// Cookie is the WRID of the endpoint's connection events.
	Cookie uint64

	// Tagged says that all work requests of the queue pair carry WRIDs made by
	// Endpoint.WRID. Then a completion that is left from an earlier queue pair
	// of the same number is told apart and breaks nothing.
	Tagged bool
}

// Endpoint is one end of a connection: a queue pair, the EVDs of its
// completions, and the EVD of its connection events. The engine makes the
// connection events: exactly one of Broken and Disconnected, whoever comes
// first, and at most one Established.
//
// A completion whose status is neither success nor flush breaks the
// connection (IBTA: the queue pair is in error then), when it is taken from
// the CQ, by whatever goroutine takes it. The completion itself is delivered
// as well. So does an error of the queue pair that its device tells of
// (hwcq.AsyncNotifier). A connection manager that learns of the end otherwise says
// so with Broken.
//
// Order, on an EVD with both streams: Established comes before the endpoint's
// first successful completion, Broken directly behind the completion that
// broke it, Disconnected behind every completion that was on the CQs when
// Disconnected was called. Between EVDs no order is promised.
//
// Concurrency: all methods from any goroutine, also from upcalls; lock-free but
// for Close.
// Zero value: not usable; use Engine.NewEndpoint. Must not be copied.
type Endpoint struct {
	e       *Engine
	qp      uint32
	gen     uint32 // upper half of tagged WRIDs
	tagged  bool
	cookie  uint64
	evds    []*EVD // those that get its completions
	connect *EVD

	state atom.Uint32 // epUp | epDown; bits are only ever set. Whoever sets one makes the event.
	told  bool        // owner: the holder of connect's TAKE; Established has been delivered or never will

	established, broke, disconnected notice
}

const (
	epUp   uint32 = 1 << iota // has been connected
	epDown                    // has been broken, disconnected or closed
)

// NewEndpoint registers an endpoint with its EVDs.
//
// Errors: ErrNilHandle, ErrForeign (an EVD of another engine), ErrStream (an
// EVD without the stream), ErrBusy (the number is registered with one of the
// EVDs: close that endpoint first), ErrClosed.
func (e *Engine) NewEndpoint(cfg EndpointConfig) (*Endpoint, error) {
	const op = "engine: NewEndpoint"
	if err := e.valid(op); err != nil {
		return nil, err
	}
	ep := &Endpoint{e: e, qp: cfg.QPNum, tagged: cfg.Tagged, cookie: cfg.Cookie, connect: cfg.Connect}
	for _, c := range []struct {
		name string
		d    *EVD
		need Stream
	}{{"Recv", cfg.Recv, DTO | Bind}, {"Request", cfg.Request, DTO | Bind}, {"Connect", cfg.Connect, Connection}} {
		switch {
		case c.d == nil:
			continue
		case c.d.e != e:
			return nil, param.Wrong(ErrForeign, op, c.name, c.d.label(), "an EVD of this engine")
		case c.d.streams&c.need == 0:
			return nil, param.Wrong(ErrStream, op, c.name, fmt.Sprintf("%s of streams %v", c.d.label(), c.d.streams), fmt.Sprintf("an EVD of stream %v", c.need))
		case c.need != Connection && (len(ep.evds) == 0 || ep.evds[0] != c.d):
			ep.evds = append(ep.evds, c.d)
		}
	}
	if len(ep.evds) == 0 {
		return nil, param.Wrong(ErrNilHandle, op, "Recv, Request", "nil", "an EVD, at least one of the two")
	}
	ep.established = notice{ep: ep, ev: ep.event(Established, nil)}
	ep.broke = notice{ep: ep, ev: ep.event(Broken, nil)}
	ep.disconnected = notice{ep: ep, ev: ep.event(Disconnected, nil), late: true}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range append(ep.evds, ep.connect) {
		if d != nil && d.load()&bCLOSE != 0 {
			return nil, d.closedErr(op)
		}
	}
	for _, d := range ep.evds {
		if d.endpoint(ep.qp) != nil {
			return nil, fmt.Errorf("%s: QPNum = %d: %w: another endpoint of EVD %q has it", op, ep.qp, ErrBusy, d.name)
		}
	}
	e.epGen++
	ep.gen = e.epGen
	for _, d := range ep.evds {
		d.setEndpoint(ep.qp, ep)
	}
	e.trace(TraceEndpoint, "ep_create", "qp", ep.qp, "recv", cfg.Recv, "request", cfg.Request, "connect", cfg.Connect)
	return ep, nil
}

// endpoints maps QP numbers to endpoints. It is replaced, never changed.
type endpoints map[uint32]*Endpoint

func (d *EVD) endpoint(qp uint32) *Endpoint {
	m := d.eps.Load() // acquire: pairs with the store in setEndpoint
	if m == nil {
		return nil
	}
	return (*m)[qp]
}

// setEndpoint is called under Engine.mu.
func (d *EVD) setEndpoint(qp uint32, ep *Endpoint) {
	m := endpoints{}
	if old := d.eps.Load(); old != nil {
		m = maps.Clone(*old)
	}
	if ep == nil {
		delete(m, qp)
	} else {
		m[qp] = ep
	}
	d.eps.Store(&m)
}

// endpointOf finds the endpoint that a completion belongs to. Of a failed
// completion only status, cookie and QP number can be trusted.
func (d *EVD) endpointOf(wc *hwcq.WC) *Endpoint {
	ep := d.endpoint(wc.QPNum)
	if ep != nil && ep.tagged && uint32(wc.WRID>>32) != ep.gen {
		return nil // of an earlier queue pair
	}
	return ep
}

// breaks says whether a completion of that status breaks its connection.
func breaks(s hwcq.Status) bool {
	return s != hwcq.StatusSuccess && s != hwcq.StatusWRFlushErr
}

// WRID makes the cookie of a work request of a Tagged endpoint: the endpoint's
// generation above the caller's 32 bits.
func (ep *Endpoint) WRID(cookie uint32) uint64 { return uint64(ep.gen)<<32 | uint64(cookie) }

// QPNum returns the endpoint's QP number.
func (ep *Endpoint) QPNum() uint32 { return ep.qp }

// Connected reports whether the connection is established and neither broken
// nor disconnected.
func (ep *Endpoint) Connected() bool { return ep.state.Load() == epUp }

// Established tells the engine that the connection is up. It answers whether
// this made the event: it did not if a completion has shown before that the
// connection is up, or if it is down already.
func (ep *Endpoint) Established() bool {
	return ep.tell(ep.establish(), Established, &ep.established)
}

// Disconnected tells the engine that the connection has ended in order. Call
// it when no good completion can come any more, which is when the queue pair
// has been moved to the error state. It answers whether this made the event:
// it did not if the connection was down already.
func (ep *Endpoint) Disconnected() bool {
	return ep.tell(ep.down(), Disconnected, &ep.disconnected)
}

// Broken tells the engine that the connection has failed, where no completion says
// so: the peer died as its connection manager knows, or the device has told of the
// queue pair's failure (of a CQ that is a hwcq.AsyncNotifier the engine hears that
// itself). It answers whether this made the event: it did not if the connection was
// down already.
func (ep *Endpoint) Broken() bool { return ep.tell(ep.down(), Broken, &ep.broke) }

func (ep *Endpoint) tell(mine bool, what EventNumber, x *notice) bool {
	if mine {
		ep.e.trace(TraceEndpoint, "ep_event", "qp", ep.qp, "event", what)
		if ep.connect != nil {
			ep.connect.raise(x)
		}
	}
	return mine
}

// establish moves the state up, and down moves it down: true for the one who
// did it, once in the endpoint's life.
func (ep *Endpoint) establish() bool { return ep.state.CompareAndSwap(0, epUp) }

func (ep *Endpoint) down() bool { return ep.state.Or(epDown)&epDown == 0 }

// owesEstablished answers whether Established has to be delivered now, ahead of
// x or of a completion: the one who set epUp may not have listed it yet. The
// caller delivers it. TAKE of connect must be held.
func (ep *Endpoint) owesEstablished(x *notice) bool {
	if ep.told {
		return false
	}
	if x == &ep.established {
		ep.told = true
		return false // it is just being delivered
	}
	ep.told = ep.state.Load()&epUp != 0
	return ep.told
}

// event makes a connection event.
func (ep *Endpoint) event(n EventNumber, d *EVD) Event {
	ev := Event{Stream: Connection, Number: n, WRID: ep.cookie, QPNum: ep.qp}
	if d != nil {
		ev.EVD = d.id
	}
	return ev
}

// Close takes the endpoint off its EVDs: completions with its number break
// nothing any more, and the number may be registered again. It makes no event;
// one that has been made and not delivered is delivered. Idempotent.
func (ep *Endpoint) Close() error {
	if ep == nil || ep.e == nil {
		return nilHandle("engine: Endpoint.Close", "endpoint")
	}
	ep.state.Or(epDown)
	ep.e.mu.Lock()
	defer ep.e.mu.Unlock()
	for _, d := range ep.evds {
		if d.endpoint(ep.qp) == ep {
			d.setEndpoint(ep.qp, nil)
		}
	}
	ep.e.trace(TraceEndpoint, "ep_free", "qp", ep.qp)
	return nil
}
