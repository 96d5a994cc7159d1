package conn

import (
	"fmt"
	"net"
	"sync"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// Manager sets up connections.
//
// Concurrency: all methods from any goroutine.
type Manager interface {
	// Dial starts to connect to addr, "IP:port" ("host:port" with the
	// exchange). Its errors are of the arguments and of resources; what the
	// network says comes as an event, maybe before Dial returns.
	Dial(addr string, cfg Config) (*Conn, error)

	// Listen makes a service point at addr, port 0 being any. Requests may come
	// before it returns.
	Listen(addr string, cfg ListenConfig) (*Listener, error)

	// Close releases what the manager holds. Close listeners and connections
	// first: those that are left lose their peers. Idempotent.
	Close() error
}

// ListenConfig describes a Listener.
type ListenConfig struct {
	// Requests is the EVD, of stream CR, that gets the ConnectionRequest events.
	Requests *engine.EVD

	// Cookie is the Imm of those events, for EVDs that several listeners share.
	Cookie uint32

	// Backlog is how many requests may be waiting for an answer, 1..1024. 0:
	// 128. With the CM one more is rejected; with the exchange it waits.
	Backlog int
}

func (c *ListenConfig) check() error {
	const op = "conn: Listen"
	if c.Backlog == 0 {
		c.Backlog = 128
	}
	if c.Requests == nil {
		return param.Invalid(op, "Requests", "nil", "an EVD of stream CR")
	}
	if c.Backlog < 1 || c.Backlog > 1024 {
		return param.Invalid(op, "Backlog", c.Backlog, "1..1024, or 0 for 128")
	}
	return nil
}

// Listener is a service point: it makes events of connection requests.
//
// Invariant: a request holds one of slots from when it begins to arrive until it
// is answered, and is in waiting while its event has not been matched with it.
//
// Concurrency: all methods from any goroutine, also from upcalls.
// Ownership: whoever got it from Listen closes it.
type Listener struct {
	cfg   ListenConfig
	addr  string
	stop  func() error  // ends what brings requests
	slots chan struct{} // holds one thing per request

	mu      sync.Mutex
	waiting map[uint64]*Request // nil: closed

	closeOnce sync.Once
	closeErr  error
}

// Request is a connection request. It must be answered, once: Accept or Reject.
type Request struct {
	l       *Listener
	peer    string
	qp      uint32
	private []byte
	accept  func(cfg Config) (*Conn, error)
	reject  func(data []byte) error

	mu       sync.Mutex
	answered bool
}

// nextRequest gives out the numbers of all requests of the process, never twice.
var nextRequest atom.Uint64

func newListener(cfg ListenConfig) *Listener {
	return &Listener{cfg: cfg, slots: make(chan struct{}, cfg.Backlog), waiting: map[uint64]*Request{}}
}

// offer makes the event of a request that has a slot. A request that cannot be
// told of is rejected.
func (l *Listener) offer(r *Request) {
	r.l = l
	id := nextRequest.Add(1)
	l.mu.Lock()
	open := l.waiting != nil
	if open {
		l.waiting[id] = r
	}
	l.mu.Unlock()
	if open && l.cfg.Requests.PostCM(engine.Event{
		Stream: engine.CR, Number: engine.ConnectionRequest, WRID: id, QPNum: r.qp, Imm: l.cfg.Cookie,
	}) == nil {
		return
	}
	l.take(id)
	_ = r.Reject(nil)
}

// take removes a waiting request.
func (l *Listener) take(id uint64) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.waiting[id]
	delete(l.waiting, id)
	return r
}

// Request finds the request that a ConnectionRequest event tells of: the event's
// WRID is its number, QPNum the peer's queue pair. It finds each once; nil after
// that, when the listener has been closed, and for events of other listeners.
func (l *Listener) Request(ev *engine.Event) *Request {
	if ev.Stream != engine.CR {
		return nil
	}
	return l.take(ev.WRID)
}

// Addr is the address it listens on.
func (l *Listener) Addr() string { return l.addr }

// Close stops listening and rejects the requests that Request has not found.
// Connections stay. Idempotent.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		left := l.waiting
		l.waiting = nil
		l.mu.Unlock()
		l.closeErr = l.stop()
		for _, r := range left {
			_ = r.Reject(nil)
		}
	})
	return l.closeErr
}

// Peer is the address the request came from.
func (r *Request) Peer() string { return r.peer }

// PrivateData is what the caller said, filled up with zeros to the size of the
// message; nil with the exchange.
func (r *Request) PrivateData() []byte { return r.private }

// Accept answers yes, with a queue pair that cfg describes. After an error the
// request has been rejected.
func (r *Request) Accept(cfg Config) (*Conn, error) {
	if err := r.answer("Accept"); err != nil {
		return nil, err
	}
	c, err := r.accept(cfg)
	if err != nil {
		_ = r.reject(nil)
	}
	return c, err
}

// Reject answers no. Data, at most 148 bytes, goes along with the CM; the
// exchange has no place for it.
func (r *Request) Reject(data []byte) error {
	if err := r.answer("Reject"); err != nil {
		return err
	}
	return r.reject(data)
}

func (r *Request) answer(op string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered {
		return fmt.Errorf("conn: %s: %w", op, ErrAnswered)
	}
	r.answered = true
	<-r.l.slots
	return nil
}

// splitAddr checks an address before the network does.
func splitAddr(op, addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return param.Invalid(op, "addr", addr, "host:port")
	}
	return nil
}
