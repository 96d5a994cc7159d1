package ranks

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
)

// What a rank tells may be anything: it is lost then, and rank 0 goes on.
func TestUnsoundParts(t *testing.T) {
	report := func(h map[string]*bench.Hist) *bench.Report {
		return &bench.Report{Connection: &bench.Connection{}, Histograms: h}
	}
	g := &Group{flows: []flow{{0, 1}, {2, 3}}, lost: map[int]error{}, place: Place{Size: 4}}
	good := []side{{Flow: 0, Serving: true, Report: report(map[string]*bench.Hist{"service": bench.NewHist()})}}
	require.NoError(t, g.sound(1, good))
	require.NoError(t, g.sound(1, []side{{Flow: 0, Serving: true, Error: "it failed"}}))
	for name, sides := range map[string][]side{
		"a flow too many":  {{Flow: 2, Serving: true}},
		"no flow":          {{Flow: -1, Serving: true}},
		"another's flow":   {{Flow: 1, Serving: true}},
		"the other side":   {{Flow: 0}},
		"twice":            {good[0], good[0]},
		"no connection":    {{Flow: 0, Serving: true, Report: &bench.Report{}}},
		"no histogram":     {{Flow: 0, Serving: true, Report: report(map[string]*bench.Hist{"service": nil})}},
		"good, and worse":  {good[0], {Flow: 1 << 40}},
		"server as client": {{Flow: 1, Serving: false}},
	} {
		require.Error(t, g.sound(1, sides), name)
		m := &measurement{
			g: &Group{flows: g.flows, lost: map[int]error{}, place: g.place, cfg: Config{Bench: tcp()}}, left: 4, begun: true,
			has: make([]bool, 4), parts: make([][]side, 4), late: time.NewTimer(time.Hour), cancel: func() {},
		}
		require.NoError(t, m.hear(arrival{rank: 1, m: message{Kind: msgPart, Part: sides}}), name)
		require.Error(t, m.g.lost[1], name)
		require.True(t, m.stopped, name)
		require.Equal(t, 3, m.left, name)
	}
}

// A rank is waited for once: what comes of it after it was given up does not count for
// another.
func TestGivenUpOnce(t *testing.T) {
	m := &measurement{
		g: &Group{flows: []flow{{0, 1}}, lost: map[int]error{}, cfg: Config{Bench: tcp()}}, left: 2, begun: true,
		has: make([]bool, 2), parts: make([][]side, 2), late: time.NewTimer(time.Hour), cancel: func() {},
	}
	m.lose(1, errors.New("late"))
	m.lose(1, errors.New("gone"))
	require.Equal(t, 1, m.left)
	require.EqualError(t, m.g.lost[1], "late")
	require.NoError(t, m.hear(arrival{rank: 1, m: message{Kind: msgPart}}))
	require.Equal(t, 1, m.left, "rank 0 itself is waited for still")
	require.True(t, m.has[1], "but what it tells is kept")
}

// Ready more often than there are ranks is one beginning.
func TestReadyTooOften(t *testing.T) {
	m := &measurement{g: &Group{}, waiting: 1, late: time.NewTimer(time.Hour), p: &part{begin: make(chan struct{})}}
	for range 3 {
		m.ready()
	}
	<-m.p.begin
}

func TestStragglers(t *testing.T) {
	pairs := flows(Pairs, 4)
	assert.False(t, stragglers(pairs, []bool{true, true, false, false}), "2 and 3 may measure still")
	assert.True(t, stragglers(pairs, []bool{true, true, true, false}))
	assert.True(t, stragglers(flows(Incast, 3), []bool{true, false, false}))
	assert.False(t, stragglers(flows(Ring, 3), []bool{true, false, false}))
}

// Whoever comes to rank 0 is heard for no more than a hello is long.
func TestLongHello(t *testing.T) {
	a, b := tcpPair(t)
	over := make(chan struct{})
	defer close(over)
	done := make(chan struct{})
	go func() { defer close(done); receiveGuest(a, "job", make(chan guest), over) }()
	long := []byte(strings.Repeat("x", 64<<10))
	var err error
	for range 64 { // what the sockets hold, and more
		_ = b.SetWriteDeadline(time.Now().Add(patience))
		if _, err = b.Write(long); err != nil {
			break
		}
	}
	require.Error(t, err, "4 MiB of no hello were taken")
	<-done
}

// tcpPair are both ends of a connection.
func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	b, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	a, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a, b
}

// Who does not know a rank's key is no client of its flows, and who comes and says
// nothing does not hold up its end.
func TestStrangerCalls(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &Group{ln: ln, key: newKey(), flows: []flow{{0, 1}}, calls: map[int]chan net.Conn{0: make(chan net.Conn, 1)}, gone: make(chan struct{})}
	g.all = []member{{Addr: "127.0.0.1"}, {Addr: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Key: g.key}}
	g.cfg.Wait = patience
	g.ends.Go(g.accept)
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(g.all[1].Port))
	for _, says := range [][]byte{callOf(0, g.key+1), callOf(1, g.key), make([]byte, callSize)} {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		_, err = c.Write(says)
		require.NoError(t, err)
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
		require.Error(t, err, "turned away")
		var timeout net.Error
		require.False(t, errors.As(err, &timeout) && timeout.Timeout())
		require.NoError(t, c.Close())
	}
	silent, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer silent.Close()
	c, err := g.call(t.Context(), 0)
	require.NoError(t, err)
	defer c.Close()
	require.NotNil(t, <-g.calls[0])
	_, err = g.call(t.Context(), 0) // nobody takes it
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(g.calls[0]) == 1 }, patience, time.Millisecond)
	began := time.Now()
	require.NoError(t, g.Close())
	require.Less(t, time.Since(began), writeTime, "the silent one is not waited for")
	require.Empty(t, g.calls[0])
}

// Ranks whose launcher gives the job no name meet at a port as well.
func TestNamelessJobAtAPort(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := portMeeting{hosts: []string{"127.0.0.1"}, ports: []int{free.Addr().(*net.TCPAddr).Port}}
	require.NoError(t, free.Close())
	c := Config{Bench: tcp(), Wait: patience}
	second := make(chan outcome)
	go func() { second <- oneRank(t.Context(), Place{Rank: 1, Size: 2, meet: m}, c) }()
	require.NoError(t, oneRank(t.Context(), Place{Size: 2, meet: m}, c).err)
	require.NoError(t, (<-second).err)
}

// Somebody who takes calls and says nothing has the job's first port: rank 0 is found at the
// second.
func TestSilentPort(t *testing.T) {
	was := hereTime
	defer func() { hereTime = was }()
	hereTime = 100 * time.Millisecond
	silent, err := net.Listen("tcp", ":0") // calls stay in its backlog
	require.NoError(t, err)
	defer silent.Close()
	free, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	m := portMeeting{hosts: []string{"127.0.0.1"}, ports: []int{port(silent), port(free)}}
	require.NoError(t, free.Close())
	c := Config{Bench: tcp(), Wait: patience}
	second := make(chan outcome)
	go func() { second <- oneRank(t.Context(), Place{Rank: 1, Size: 2, job: "job", meet: m}, c) }()
	require.NoError(t, oneRank(t.Context(), Place{Size: 2, job: "job", meet: m}, c).err)
	require.NoError(t, (<-second).err)
}

// The percentiles of the whole are those that were asked for.
func TestPercentiles(t *testing.T) {
	for _, workload := range []string{bench.Lat, bench.BW} {
		c := Config{Bench: tcp(), Wait: patience}
		c.Bench.Workload, c.Bench.Percentiles = workload, []float64{25, 50}
		all := group(t, 2, file(t), same(c))
		require.NoError(t, all[0].err)
		var names []string
		for _, p := range all[0].report.Results.Latency.Percentiles {
			names = append(names, p.Name())
		}
		require.Equal(t, []string{"p25", "p50"}, names)
	}
}
