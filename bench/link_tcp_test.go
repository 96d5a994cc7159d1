package bench

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func tcpServer(t *testing.T) string {
	t.Helper()
	addr := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(t.Context(), ServeConfig{CQ: CQTCP, Listen: "127.0.0.1:0", Listening: func(a net.Addr) { addr <- a.String() }})
	}()
	t.Cleanup(func() { require.NoError(t, <-ended) })
	return <-addr
}

// moreProcessors is for tests with pollers that spin: with as many processors as these
// take, the runtime looks at sockets and timers each 10 ms only. One that is idle waits for
// them, and the kernel sees that it gets its turn.
func moreProcessors(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(was + 4)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
}

// Every traffic, in every mode, over TCP.
func TestTCPTraffic(t *testing.T) {
	moreProcessors(t)
	addr := tcpServer(t)
	everyMode(t, func(t *testing.T, mode Config) {
		for _, x := range []struct {
			cfg            Config
			sent, received uint64
		}{
			{Config{Workload: Lat, Count: 100, Warmup: Span{Count: 20}}, 120, 120},
			{Config{Workload: BW, Count: 1000, Size: 3}, 1100, 0},
			{Config{Workload: BW, Count: 300, Warmup: Span{Off: true}, Direction: Receive, Outstanding: 1}, 0, 300},
			{Config{Workload: BW, Count: 200, Warmup: Span{Count: 10}, Direction: Both, Depth: 8, Outstanding: 4, Size: 100_000}, 210, 210},
		} {
			x.cfg.Mode, x.cfg.Dispatch, x.cfg.Exclusive = mode.Mode, mode.Dispatch, mode.Exclusive
			x.cfg.CQ, x.cfg.Server, x.cfg.Stall, x.cfg.AckTimeout = CQTCP, addr, patience, 10*time.Second
			r := runTest(t, x.cfg, workloadFor(x.cfg))
			require.Empty(t, r.Conservation.Violations)
			require.Equal(t, Connection{Established: 1, Disconnected: 1, Sent: x.sent, Received: x.received}, *r.Connection)
			require.NotNil(t, r.Peer)
			assert.Equal(t, []uint64{x.received, x.sent}, []uint64{r.Peer.Sent, r.Peer.Received})
			assert.Contains(t, r.Measures, "over TCP sockets")
			if x.sent > 0 {
				require.NotNil(t, r.Results.Latency)
				assert.LessOrEqual(t, r.Results.Latency.Samples, x.sent)
				assert.NotZero(t, r.Results.Latency.Samples)
			}
		}
	})
}

func tcpPair(t *testing.T, depth, sends, recvs int, ack time.Duration) (a, b *tcpLink) {
	t.Helper()
	open := func() *tcpLink {
		l, err := openTCPLink(linkConfig{depth: depth, sends: sends, recvs: recvs, size: 8})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, l.close()) })
		return l.(*tcpLink)
	}
	a, b = open(), open()
	for _, x := range [][2]*tcpLink{{a, b}, {b, a}} {
		to, err := x[1].address()
		require.NoError(t, err)
		to.host = "127.0.0.1"
		require.NoError(t, x[0].connect(to, ack, 1))
	}
	return a, b
}

// completions polls until n have come.
func completions(t *testing.T, l *tcpLink, n int) []hwcq.WC {
	t.Helper()
	all := make([]hwcq.WC, n)
	got := 0
	require.Eventually(t, func() bool { got += l.c.Poll(all[got:]); return got == n }, patience, time.Millisecond)
	return all
}

func statuses(wcs []hwcq.WC) (all []hwcq.Status) {
	for _, wc := range wcs {
		all = append(all, wc.Status)
	}
	return all
}

// A message waits for a receive, and its send for the message.
func TestTCPNoReceive(t *testing.T) {
	a, b := tcpPair(t, 16, 4, 4, time.Minute)
	copy(a.sendSlot(0), "message.")
	n, err := a.postSends(0, 1, 7)
	require.Equal(t, 1, n)
	require.NoError(t, err)
	var none [1]hwcq.WC
	require.Zero(t, a.c.Poll(none[:]))
	_, err = b.postRecvs(0, 1, 9)
	require.NoError(t, err)
	wc := completions(t, b, 1)[0]
	assert.Equal(t, hwcq.WC{WRID: 9, Opcode: hwcq.OpRecv, ByteLen: 8, QPNum: 1}, wc)
	assert.Equal(t, "message.", string(b.recvSlot(0)))
	assert.EqualValues(t, 7, completions(t, a, 1)[0].WRID)
}

// A peer that goes fails the oldest send and flushes the rest; one that goes while
// nothing waits is noticed by the next send.
func TestTCPPeerGone(t *testing.T) {
	a, b := tcpPair(t, 16, 4, 4, time.Minute)
	_, _ = a.postRecvs(0, 2, 100)
	_, _ = a.postSends(0, 3, 7)
	require.NoError(t, b.close())
	all := completions(t, a, 5)
	assert.Equal(t, []hwcq.Status{hwcq.StatusRetryExcErr, hwcq.StatusWRFlushErr, hwcq.StatusWRFlushErr, hwcq.StatusWRFlushErr, hwcq.StatusWRFlushErr}, statuses(all))
	assert.EqualValues(t, 7, all[0].WRID)
	_, _ = a.postSends(3, 1, 10)
	assert.Equal(t, hwcq.StatusWRFlushErr, completions(t, a, 1)[0].Status)

	a, b = tcpPair(t, 16, 4, 4, time.Minute)
	require.NoError(t, b.close())
	require.Eventually(t, func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.dead }, patience, time.Millisecond)
	_, _ = a.postRecvs(0, 1, 100)
	_, _ = a.postSends(0, 1, 7)
	assert.Equal(t, []hwcq.Status{hwcq.StatusRetryExcErr, hwcq.StatusWRFlushErr}, statuses(completions(t, a, 2)))
}

// A peer that is there and takes nothing is given up.
func TestTCPPeerSilent(t *testing.T) {
	a, _ := tcpPair(t, 16, 4, 4, time.Millisecond)
	_, _ = a.postSends(0, 1, 7)
	assert.Equal(t, hwcq.StatusRetryExcErr, completions(t, a, 1)[0].Status)
}

// Whoever does not know the key is turned away, and the peer comes all the same.
func TestTCPStranger(t *testing.T) {
	l, err := openTCPLink(linkConfig{depth: 16, sends: 4, recvs: 4, size: 8})
	require.NoError(t, err)
	at, err := l.address()
	require.NoError(t, err)
	at.host = "127.0.0.1"
	wrong := at
	wrong.Key++
	stranger, err := openTCPLink(linkConfig{depth: 16, sends: 4, recvs: 4, size: 8})
	require.NoError(t, err)
	defer stranger.close()
	require.NoError(t, stranger.connect(wrong, time.Minute, 6))
	_, _ = stranger.postSends(0, 1, 1)
	right, err := openTCPLink(linkConfig{depth: 16, sends: 4, recvs: 4, size: 8})
	require.NoError(t, err)
	defer right.close()
	require.NoError(t, right.connect(at, time.Minute, 6))
	own, err := right.address()
	require.NoError(t, err)
	own.host = "127.0.0.1"
	require.NoError(t, l.connect(own, time.Minute, 6))
	defer l.close()
	_, _ = l.postRecvs(0, 1, 9)
	copy(right.sendSlot(0), "from him")
	_, _ = right.postSends(0, 1, 2)
	require.EqualValues(t, 9, completions(t, l.(*tcpLink), 1)[0].WRID)
	assert.Equal(t, "from him", string(l.recvSlot(0)))
}

func TestTCPOnlyBetweenNodes(t *testing.T) {
	require.ErrorContains(t, Config{CQ: CQTCP}.Validate(), "tcp is for runs between two nodes")
	require.ErrorContains(t, Config{CQ: CQTCP, Server: "h:1", Dev: "x"}.Validate(), "dev")
	require.NoError(t, Config{CQ: CQTCP, Server: "h:1"}.Validate())
}
