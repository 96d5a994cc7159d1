package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// fabric is a network of fake links in this process: what one posts lands in
// the receives of the other, and both get their completions, in the goroutine
// that posts. A message that finds no receive waits for one.
type fabric struct {
	mu    sync.Mutex // guards the links, too
	links map[uint32]*fakeLink
	lose  func(l *fakeLink, n uint64) bool // whether the nth message, which is from l, breaks the connection; nil: no
	n     uint64
	dup   uint64 // the message of that number comes with the number before
}

// fakeLink is a link on a fabric.
type fakeLink struct {
	f       *fabric
	c       *mock.CQ
	qpn     uint32
	peer    uint32
	size    int
	mem     []byte
	nsend   int
	recvs   []fakeRequest // posted, oldest first
	waiting []fakeRequest // sends that wait for a receive of the peer
	inError bool
}

type fakeRequest struct {
	wrid uint64
	slot []byte
}

func (f *fabric) open(c linkConfig) (link, error) {
	q, err := mock.New(mock.Config{Depth: c.depth})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &fakeLink{f: f, c: q, qpn: uint32(len(f.links) + firstQP), size: c.size, nsend: c.sends, mem: make([]byte, (c.sends+c.recvs)*c.size)}
	f.links[l.qpn] = l
	return l, nil
}

// serverQP is the number of the server's first queue pair: the one of firstQP
// was a try, the next one the client's.
const (
	firstQP  = 17
	serverQP = firstQP + 2
)

// useFabric makes it the network of the test.
func useFabric(t *testing.T) *fabric {
	f := &fabric{links: map[uint32]*fakeLink{}}
	was := links[CQRXE]
	links[CQRXE] = f.open
	t.Cleanup(func() { links[CQRXE] = was })
	return f
}

func (l *fakeLink) cq() hwcq.CQ   { return l.c }
func (l *fakeLink) qpNum() uint32 { return l.qpn }
func (l *fakeLink) address() (Address, error) {
	return Address{QPN: l.qpn, GID: "::ffff:10.0.0.1", MTU: 1024}, nil
}

func (l *fakeLink) connect(peer Address, _ time.Duration, _ int) error {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.peer = peer.QPN
	return nil
}
func (l *fakeLink) sendSlot(i int) []byte { return l.mem[i*l.size:][:l.size] }
func (l *fakeLink) recvSlot(i int) []byte { return l.mem[(l.nsend+i)*l.size:][:l.size] }

func (l *fakeLink) complete(wrid uint64, st hwcq.Status, op hwcq.Opcode) {
	_, _ = l.c.Complete(hwcq.WC{WRID: wrid, Status: st, Opcode: op, ByteLen: uint32(l.size), QPNum: l.qpn}, false)
}

func (l *fakeLink) postSends(first, n int, wrid uint64) (int, error) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for i := range n {
		l.waiting = append(l.waiting, fakeRequest{wrid + uint64(i), l.sendSlot(first + i)})
	}
	l.deliver()
	return n, nil
}

func (l *fakeLink) postRecvs(first, n int, wrid uint64) (int, error) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for i := range n {
		l.recvs = append(l.recvs, fakeRequest{wrid + uint64(i), l.recvSlot(first + i)})
	}
	if p := l.f.links[l.peer]; p != nil {
		p.deliver()
	}
	return n, nil
}

// deliver moves what can be moved. Under f.mu.
func (l *fakeLink) deliver() {
	for len(l.waiting) > 0 {
		to, s := l.f.links[l.peer], l.waiting[0]
		l.f.n++
		switch {
		case l.inError:
			l.complete(s.wrid, hwcq.StatusWRFlushErr, 0)
			l.waiting = l.waiting[1:]
			continue
		case to == nil || to.inError || l.f.lose != nil && l.f.lose(l, l.f.n):
			l.waiting = l.waiting[1:]
			l.complete(s.wrid, hwcq.StatusRetryExcErr, 0)
			l.fail()
			continue
		case len(to.recvs) == 0:
			return
		}
		r := to.recvs[0]
		l.waiting, to.recvs = l.waiting[1:], to.recvs[1:]
		copy(r.slot, s.slot)
		if l.f.dup == l.f.n {
			number(r.slot, l.f.n-2)
		}
		to.complete(r.wrid, hwcq.StatusSuccess, hwcq.OpRecv)
		l.complete(s.wrid, hwcq.StatusSuccess, hwcq.OpSend)
	}
}

// fail moves the queue pair to the error state. Under f.mu.
func (l *fakeLink) fail() {
	l.inError = true
	for _, r := range l.waiting {
		l.complete(r.wrid, hwcq.StatusWRFlushErr, 0)
	}
	for _, r := range l.recvs {
		l.complete(r.wrid, hwcq.StatusWRFlushErr, 0)
	}
	l.waiting, l.recvs = nil, nil
}

func (l *fakeLink) setError() error {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.fail()
	return nil
}
func (l *fakeLink) overruns() uint64 { return 0 }
func (l *fakeLink) close() error {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.fail()
	return l.c.Close()
}

// testServer is a Serve that a test looks at.
type testServer struct {
	addr    string
	reports chan *Report // nil for a client that was refused
	errs    chan error
	ended   chan error
	stop    context.CancelFunc
}

func startServer(t *testing.T, clients int) *testServer {
	t.Helper()
	s := &testServer{reports: make(chan *Report, 100), errs: make(chan error, 100), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	addr := make(chan string, 1)
	go func() {
		s.ended <- Serve(ctx, ServeConfig{
			Listen: "127.0.0.1:0", Clients: clients,
			Listening: func(a net.Addr) { addr <- a.String() },
			Served: func(_ net.Addr, r *Report, err error) {
				s.reports <- r
				s.errs <- err
			},
		})
	}()
	t.Cleanup(cancel)
	select {
	case s.addr = <-addr:
	case err := <-s.ended:
		require.NoError(t, err)
	}
	return s
}

func nodeConfig(s *testServer, c Config) Config {
	c.CQ, c.Server, c.Stall = CQRXE, s.addr, patience
	return c
}

// Every traffic, in every mode, over a fake network.
func TestNodeTraffic(t *testing.T) {
	useFabric(t)
	everyMode(t, func(t *testing.T, mode Config) {
		s := startServer(t, 0)
		for _, x := range []struct {
			cfg            Config
			sent, received uint64
		}{
			{Config{Workload: Lat, Count: 200, Warmup: Span{Count: 20}}, 220, 220},
			{Config{Workload: Lat, Count: 20, Warmup: Span{Off: true}, Size: 1}, 20, 20},
			{Config{Workload: BW, Count: 500, Size: 3}, 550, 0},
			{Config{Workload: BW, Count: 500, Warmup: Span{Off: true}, Direction: Receive, Outstanding: 1}, 0, 500},
			{Config{Workload: BW, Count: 500, Warmup: Span{Count: 10}, Direction: Both, Depth: 8, Outstanding: 4}, 510, 510},
		} {
			x.cfg.Mode, x.cfg.Dispatch, x.cfg.Exclusive = mode.Mode, mode.Dispatch, mode.Exclusive
			r, err := Run(t.Context(), nodeConfig(s, x.cfg))
			require.NoError(t, err)
			require.Empty(t, r.Conservation.Violations)
			assert.Equal(t, Connection{Established: 1, Disconnected: 1, Sent: x.sent, Received: x.received}, *r.Connection)
			server := <-s.reports
			require.NoError(t, <-s.errs)
			require.Empty(t, server.Conservation.Violations)
			assert.Equal(t, Connection{Established: 1, Disconnected: 1, Sent: x.received, Received: x.sent}, *server.Connection)
			require.NotNil(t, r.Peer)
			assert.Equal(t, x.received, r.Peer.Sent)
			assert.Equal(t, x.sent, r.Peer.Received)
			if x.cfg.Workload == Lat {
				assert.Equal(t, x.cfg.Count, r.Results.Latency.Samples)
			} else {
				assert.Positive(t, r.Results.Operations)
			}
		}
		s.stop()
		require.NoError(t, <-s.ended)
	})
}

func TestNodeDuration(t *testing.T) {
	useFabric(t)
	s := startServer(t, 4)
	for _, x := range []Config{
		{Workload: Lat}, {Workload: BW}, {Workload: BW, Direction: Receive}, {Workload: BW, Direction: Both},
	} {
		x.Mode, x.Duration, x.Warmup = "event", 20*time.Millisecond, Span{Time: 5 * time.Millisecond}
		r, err := Run(t.Context(), nodeConfig(s, x))
		require.NoError(t, err)
		require.Empty(t, r.Conservation.Violations)
		assert.Positive(t, r.Results.Operations)
		require.Empty(t, (<-s.reports).Conservation.Violations)
	}
	require.NoError(t, <-s.ended)
}

// An interrupt of the client, and of the server: both sides end in order.
func TestNodeInterrupt(t *testing.T) {
	for _, what := range []Config{{Workload: Lat}, {Workload: BW, Direction: Both}, {Workload: BW, Direction: Receive}} {
		for _, who := range []string{"client", "server"} {
			t.Run(what.Workload+what.Direction+"/"+who, func(t *testing.T) {
				f := useFabric(t)
				s := startServer(t, 0)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f.lose = func(l *fakeLink, n uint64) bool {
					if n < 1000 || l.qpn != serverQP {
						return false
					}
					if who == "client" {
						cancel()
					} else {
						s.stop()
					}
					return false
				}
				what.Mode, what.Duration = "event", time.Hour
				r, err := Run(ctx, nodeConfig(s, what))
				require.NoError(t, err)
				server := <-s.reports
				require.Empty(t, r.Conservation.Violations)
				require.Empty(t, server.Conservation.Violations)
				assert.Equal(t, who == "client", r.Interrupted)
				assert.Equal(t, who == "server", server.Interrupted)
				assert.Empty(t, r.Connection.Lost+server.Connection.Lost)
				assert.NotNil(t, r.Peer)
			})
		}
	}
}

// A request that fails breaks the connection once on the side that sent it,
// the rest is flushed, and nothing that was accepted is missing. The other
// side learns of it, and its own queue pair breaks, too.
func TestNodeBroken(t *testing.T) {
	for _, cfg := range []Config{
		{Workload: Lat}, {Workload: BW}, {Workload: BW, Direction: Receive}, {Workload: BW, Direction: Both},
	} {
		t.Run(cfg.Workload+cfg.Direction, func(t *testing.T) {
			f := useFabric(t)
			s := startServer(t, 2)
			f.lose = func(_ *fakeLink, n uint64) bool { return n == 777 }
			cfg.Mode, cfg.Count, cfg.Warmup = "event", 1e6, Span{Off: true}
			r, err := Run(t.Context(), nodeConfig(s, cfg))
			require.NoError(t, err)
			for _, r := range []*Report{r, <-s.reports} {
				require.Empty(t, r.Conservation.Violations)
				c := r.Connection
				assert.Equal(t, []uint64{1, 1, 0, 1}, []uint64{c.Established, c.Broken, c.Disconnected, c.Failed})
				assert.Contains(t, c.Lost, "transport retry count exceeded")
			}
			// The next client is served.
			r, err = Run(t.Context(), nodeConfig(s, Config{Workload: Lat, Mode: "event", Count: 20}))
			require.NoError(t, err)
			require.Empty(t, r.Conservation.Violations)
			require.NoError(t, <-s.ended)
		})
	}
}

// A message with a wrong number is found, and both sides end.
func TestNodeWrongNumber(t *testing.T) {
	f := useFabric(t)
	s := startServer(t, 1)
	f.dup = 100
	r, err := Run(t.Context(), nodeConfig(s, Config{Workload: BW, Mode: "event", Count: 1e6, Warmup: Span{Off: true}}))
	require.NoError(t, err)
	server := <-s.reports
	require.Contains(t, server.Conservation.Violations, "message 98 came when message 99 was to come")
	require.Empty(t, r.Conservation.Violations)
	assert.NotEmpty(t, r.Connection.Lost)
}

// say plays a client by hand and returns what the server answers to the last line.
func say(t *testing.T, addr string, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return line
}

func hello(t *testing.T, change func(m *message)) string {
	c := Config{Workload: BW, CQ: CQRXE, Server: "x:1", Count: 10}.WithDefaults()
	m := message{Kind: msgHello, Version: controlVersion, Config: &c, Address: &Address{QPN: 1, GID: "::1", MTU: 1024}}
	change(&m)
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return string(b) + "\n"
}

// Clients that are none: each is told what is wrong, and so is the server, and
// the next one is served.
func TestServeBadClients(t *testing.T) {
	useFabric(t)
	s := startServer(t, 1)
	for name, x := range map[string]struct{ text, want string }{
		"another protocol": {"GET / HTTP/1.1\r\n", "the line \"GET / HTTP/1.1\\r\\n\" came"},
		"half a line":      {`{"kind":`, "half a line came"},
		"nothing":          {"", "the peer closed the connection"},
		"too long a line":  {strings.Repeat("x", maxLine), "a line longer than 65536 bytes came"},
		"no kind":          {"{}\n", "no evdbench of this version"},
		"another kind":     {`{"kind":"start"}` + "\n", `"start" came, and "hello" was to come`},
		"another version":  {hello(t, func(m *message) { m.Version = 2 }), "it speaks version 2, this one 1"},
		"no configuration": {hello(t, func(m *message) { m.Config = nil }), "no configuration or no address"},
		"no address":       {hello(t, func(m *message) { m.Address = nil }), "no configuration or no address"},
		"too big":          {hello(t, func(m *message) { m.Config.Size = 1 << 30 }), "size = 1073741824: must be 1..1048576"},
		"too much":         {hello(t, func(m *message) { m.Config.Size = 1 << 20; m.Config.Outstanding = 100 }), "outstanding = 100: must be at most 64"},
		"too deep":         {hello(t, func(m *message) { m.Config.Depth = 1 << 20 }), "depth = 1048576: must be 8..32767"},
		"too wide":         {hello(t, func(m *message) { m.Config.Capacity = 1 << 30 }), "capacity = 1073741824: must be at most 1048576 with server"},
		"gone again":       {hello(t, func(m *message) {}), "ready"},
		"another start":    {hello(t, func(m *message) {}) + `{"kind":"done"}` + "\n", "ready"},
	} {
		got := say(t, s.addr, x.text)
		r, err := <-s.reports, <-s.errs
		assert.Nil(t, r, name)
		if x.want == "ready" {
			assert.Contains(t, got, `"kind":"ready"`, name)
			assert.Error(t, err, name)
			continue
		}
		assert.ErrorContains(t, err, x.want, name)
		var m message
		require.NoError(t, json.Unmarshal([]byte(got), &m), name)
		assert.Equal(t, msgError, m.Kind, name)
		assert.Contains(t, m.Error, x.want, name)
	}
	r, err := Run(t.Context(), nodeConfig(s, Config{Workload: Lat, Mode: "event", Count: 20}))
	require.NoError(t, err)
	require.Empty(t, r.Conservation.Violations)
	require.NoError(t, <-s.ended)
}

// Servers that are none: the client says so. answer plays one.
func TestBadServers(t *testing.T) {
	useFabric(t)
	ready := `{"kind":"ready","address":{"qpn":999,"gid":"::1","mtu":1024}}` + "\n"
	for name, x := range map[string]struct{ answer, err, lost string }{
		"another protocol": {"HTTP/1.1 400 Bad Request\r\n", "no evdbench of this version: the line \"HTTP/1.1 400 Bad Request\\r\\n\" came", ""},
		"closes":           {"", "the peer closed the connection", ""},
		"refuses":          {`{"kind":"error","error":"not\u001b[2J today"}` + "\n", "refused: not [2J today", ""},
		"no address":       {`{"kind":"ready"}` + "\n", "it gave no address", ""},
		"talks nonsense":   {ready + `{"kind":"x"}` + "\nx\n", "", "transport retry count exceeded"},
		"gives up":         {ready + `{"kind":"error","error":"no memory"}` + "\n", "", "the peer gave up: no memory"},
		"closes then":      {ready, "", "transport retry count exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				r := bufio.NewReader(conn)
				_, _ = r.ReadString('\n')
				_, _ = conn.Write([]byte(x.answer))
				if strings.HasPrefix(x.answer, ready) {
					_, _ = r.ReadString('\n') // start
				}
				_ = conn.Close()
			}()
			s := &testServer{addr: ln.Addr().String()}
			r, err := Run(t.Context(), nodeConfig(s, Config{Workload: BW, Direction: Receive, Mode: "event", Count: 20}))
			if x.err != "" {
				require.ErrorContains(t, err, x.err)
				return
			}
			require.NoError(t, err)
			require.Empty(t, r.Conservation.Violations)
			assert.Contains(t, r.Connection.Lost, x.lost)
		})
	}
}

// A server whose counts are not ours is found out.
func TestServerMiscounts(t *testing.T) {
	useFabric(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		c := newControl(conn)
		_, _, _ = c.hello(patience)
		_ = c.send(message{Kind: msgReady, Address: &Address{QPN: 999, GID: "::1"}})
		_, _ = c.expect(msgStart, patience)
		_ = c.send(message{Kind: msgDone})
		_, _ = c.expect(msgDone, patience)
		_ = c.send(message{Kind: msgSettled})
		_, _ = c.expect(msgSettled, patience)
		_ = c.send(message{Kind: msgResult, Result: &PeerResult{Sent: 1}})
	}()
	s := &testServer{addr: ln.Addr().String()}
	r, err := Run(t.Context(), nodeConfig(s, Config{Workload: BW, Direction: Receive, Mode: "event", Count: 20}))
	require.NoError(t, err)
	require.Equal(t, []string{"sent 0 messages and received 0, and the server received 0 and sent 1"}, r.Conservation.Violations)
}

// A server that gives up when the traffic is over has said why.
func TestServerGivesUpAtTheEnd(t *testing.T) {
	useFabric(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		c := newControl(conn)
		_, _, _ = c.hello(patience)
		_ = c.send(message{Kind: msgReady, Address: &Address{QPN: 999, GID: "::1"}})
		_, _ = c.expect(msgStart, patience)
		_ = c.send(message{Kind: msgDone})
		_, _ = c.expect(msgDone, patience)
		_, _ = c.expect(msgSettled, patience)
		_ = c.send(message{Kind: msgError, Error: "out of luck"})
	}()
	s := &testServer{addr: ln.Addr().String()}
	r, err := Run(t.Context(), nodeConfig(s, Config{Workload: BW, Direction: Receive, Mode: "event", Count: 20}))
	require.NoError(t, err)
	require.Empty(t, r.Conservation.Violations)
	require.Equal(t, "at the end: the peer gave up: out of luck", r.Connection.Lost)
}

func TestServeConfig(t *testing.T) {
	for want, c := range map[string]ServeConfig{
		`cq = "mock": must be one that another node can reach`: {CQ: CQMock, Listen: ":0"},
		`listen = "x": must be [HOST]:PORT`:                    {Listen: "x"},
		`count = -1: must be 0..`:                              {Listen: ":0", Clients: -1},
	} {
		require.ErrorContains(t, Serve(t.Context(), c), want)
	}
}

func TestNumbered(t *testing.T) {
	for _, size := range []int{1, 3, 8, 100} {
		slot := make([]byte, size)
		number(slot, 0x1122334455667788)
		got, want := numbered(slot, 0x1122334455667788)
		assert.Equal(t, want, got)
		got, want = numbered(slot, 0x1122334455667789)
		assert.NotEqual(t, want, got)
	}
}
